/** Runs tests again when one of their source files changes, until Ctrl-C. */
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { root } from '../../build.mjs';
import { environmentsOf } from './bundle.mjs';
import { bundle, inputsOf } from './cache.mjs';

/** The folders of the tests and of the code under test. */
const FOLDERS = ['src', 'shaders', 'test', 'examples', 'bench', 'adapters'];

/** The folders with sources of `npm run build`, which some tests run. */
const BUILT = /^(src|shaders|examples)\b/;

/** The interval of polling. Unlike the system's change notices, polling misses no change on any file system. */
const MILLISECONDS = 300;

/** The most files that a line names; it counts the rest. */
const NAMED = 8;

/**
 * @typedef {object} WatchOptions
 * @property {string} filter
 * @property {string} [adapter]
 * @property {string} timeout
 * @property {boolean} verbose
 * @property {readonly string[]} only
 */

/**
 * @param {() => Promise<string[]>} choose the test files; called again after each change
 * @param {WatchOptions} options those of test/run.mjs
 * @returns {Promise<never>}
 */
export async function watch(choose, options) {
	/** @type {import('node:child_process').ChildProcess | undefined} */
	let running;
	process.on('SIGINT', () => {
		running?.kill('SIGINT');
		process.exit();
	});
	const settings = ['--timeout', options.timeout];
	if (options.adapter !== undefined) settings.push('--adapter', options.adapter);
	if (options.verbose) settings.push('--verbose');
	/** @param {readonly string[]} files */
	const run = async (files) => {
		running = spawn(process.execPath, [join(root, 'test/run.mjs'), ...settings, ...files], { stdio: 'inherit' });
		await new Promise((resolve) => running?.on('exit', resolve));
		running = undefined;
	};

	let seen = look();
	let files = await choose();
	/** Files that do not bundle. Any change may repair them, so they run after every change. */
	let broken = await bundleAll(files, options.adapter);
	if (options.filter !== '' || options.only.length > 0) await run(files);
	for (;;) {
		console.log(`watching ${shown(files, 'test file')}; Ctrl-C ends`);
		const { changed, now } = await change(seen);
		seen = now;
		console.log(`\nchanged: ${shown(changed, 'file')}`);
		const inputs = await inputsOf(['node', 'browser']);
		files = await choose();
		const touched = files.filter((file) => {
			const own = inputs.get(file);
			if (own === undefined || broken.has(file)) return true;
			return changed.some((path) => own.has(path) || (environmentsOf(file).built && BUILT.test(path)));
		});
		if (touched.length === 0) {
			console.log('no chosen test is made of that');
			continue;
		}
		console.log(`runs ${shown(touched, 'test file')}`);
		broken = await bundleAll(touched, options.adapter);
		await run(touched);
	}
}

/**
 * Bundles the files for every place where they run, and returns those that do not bundle. The run reports why.
 *
 * @param {readonly string[]} files
 * @param {string | undefined} adapter
 */
async function bundleAll(files, adapter) {
	const forNode = files.filter((file) => environmentsOf(file).node && adapter !== 'chromium');
	const forBrowser = files.filter((file) => environmentsOf(file).chromium && (adapter ?? 'chromium') === 'chromium');
	const results = [await bundle('node', forNode), await bundle('browser', forBrowser)];
	return new Set(results.flatMap(({ broken }) => [...broken.keys()]));
}

/** The modification times of all files that tests may include, by path. */
function look() {
	/** @type {Map<string, number>} */
	const times = new Map();
	for (const folder of FOLDERS) {
		for (const name of readdirSync(join(root, folder), { recursive: true })) {
			const path = join(folder, String(name));
			const found = statSync(join(root, path), { throwIfNoEntry: false });
			if (found?.isFile()) times.set(path, found.mtimeMs);
		}
	}
	return times;
}

/**
 * Resolves when files have changed and no further ones do: editors and version control write several at once.
 *
 * @param {ReadonlyMap<string, number>} before
 */
async function change(before) {
	for (let last = before; ; ) {
		await wait(MILLISECONDS);
		const now = look();
		if (differences(last, now).length === 0) {
			const changed = differences(before, now);
			if (changed.length > 0) return { changed, now };
		}
		last = now;
	}
}

/**
 * @param {ReadonlyMap<string, number>} before
 * @param {ReadonlyMap<string, number>} now
 */
function differences(before, now) {
	const paths = new Set([...before.keys(), ...now.keys()]);
	return [...paths].filter((path) => before.get(path) !== now.get(path));
}

/**
 * @param {readonly string[]} files
 * @param {string} what
 */
function shown(files, what) {
	if (files.length > NAMED) return `${files.length} ${what}s`;
	return files.join(', ') || `no ${what}`;
}
