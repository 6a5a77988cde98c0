/**
 * Bundles of test files, kept below dist/test between runs.
 *
 * Each build has its own folder, which never changes, with a list of its source files and their state at the
 * time. A run takes up-to-date bundles from the existing builds, and builds the rest together. So concurrent runs do not
 * disturb each other. A build without an up-to-date bundle is removed, unless another run uses it.
 */
import { existsSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { root } from '../../build.mjs';
import { bundleName, bundleTests, inSessions } from './bundle.mjs';
import { isInUse, use } from './inUse.mjs';

/** The folder of all builds. */
export const BUNDLES = join(root, 'dist/test');

/** Files that every bundle depends on, in addition to its sources. */
const SETTINGS = [
	'build.mjs',
	'sideEffects.mjs',
	'package.json',
	'package-lock.json',
	'tsconfig.json',
	'test/runner/bundle.mjs',
	'test/runner/cache.mjs',
];

/** The most builds to keep. */
const CAP = 20;

/** File times may lag behind the clock by this many milliseconds. */
const CLOCK_LAG = 20;

/**
 * @typedef {object} Build
 * @property {string} folder its name below dist/test
 * @property {readonly (readonly [path: string, state: string])[]} inputs of all bundles, with the state that `stateOf` returned
 * for each
 * @property {Readonly<Record<string, readonly number[]>>} bundles by test file: the indices of its inputs
 */

/** @typedef {'node' | 'browser'} Platform */

/**
 * Makes sure that there is an up-to-date bundle of each file.
 *
 * @param {Platform} platform
 * @param {readonly string[]} files
 * @returns {Promise<{ paths: Map<string, string>, broken: Map<string, string> }>} by test file: the bundle's path below
 * dist/test, and the reason why it could not be bundled
 */
export async function bundle(platform, files) {
	/** @type {Map<string, string>} */
	const paths = new Map();
	if (files.length === 0) return { paths, broken: new Map() };
	const isFresh = freshness();
	const builds = await readBuilds(platform);
	/** @type {string[]} */
	const stale = [];
	for (const fellows of inSessions(files)) {
		// Files of one process share the library's modules, so they come from one build.
		const found = builds.find((build) => fellows.every((file) => isFresh(build, file)));
		if (found === undefined) stale.push(...fellows);
		else for (const file of fellows) paths.set(file, join(found.folder, bundleName(file)));
	}
	const used = new Set([...paths.values()].map((path) => path.split(/[\\/]/)[0] ?? ''));
	await Promise.all([...used].map((folder) => use(join(BUNDLES, folder))));
	if (stale.length === 0) return { paths, broken: new Map() };

	const { folder, broken } = await build(platform, stale);
	for (const file of stale) if (!broken.has(file)) paths.set(file, join(folder, bundleName(file)));
	const superseded = builds.filter((old, i) => i >= CAP - 1 || !Object.keys(old.bundles).some((file) => isFresh(old, file)));
	for (const old of superseded) {
		if (!used.has(old.folder) && !isInUse(join(BUNDLES, old.folder)))
			await rm(join(BUNDLES, old.folder), { recursive: true, force: true });
	}
	return { paths, broken };
}

/**
 * The inputs of the newest bundles, by test file.
 *
 * @param {readonly Platform[]} platforms
 * @returns {Promise<Map<string, Set<string>>>}
 */
export async function inputsOf(platforms) {
	/** @type {Map<string, Set<string>>} */
	const found = new Map();
	for (const platform of platforms) {
		/** @type {Set<string>} */
		const newest = new Set();
		for (const { inputs, bundles } of await readBuilds(platform)) {
			for (const [file, indices] of Object.entries(bundles)) {
				if (newest.has(file)) continue;
				newest.add(file);
				const paths = indices.map((index) => inputs[index]?.[0] ?? '');
				found.set(file, new Set([...(found.get(file) ?? []), ...paths]));
			}
		}
	}
	return found;
}

/** Builds of a platform, the newest first. @param {Platform} platform @returns {Promise<Build[]>} */
async function readBuilds(platform) {
	await mkdir(BUNDLES, { recursive: true });
	const folders = (await readdir(BUNDLES)).filter((name) => name.startsWith(`${platform}-`)).sort();
	return Promise.all(
		folders.reverse().map(async (folder) => {
			try {
				return { folder, ...JSON.parse(await readFile(join(BUNDLES, folder, 'build.json'), 'utf8')) };
			} catch {
				// The build is unfinished, or was just removed.
				return { folder, inputs: [], bundles: {} };
			}
		}),
	);
}

/** @param {Platform} platform @param {readonly string[]} files */
async function build(platform, files) {
	const folder = `${platform}-${Date.now()}-${process.pid}`;
	const outdir = join(BUNDLES, folder);
	await use(outdir);
	const started = Date.now() - CLOCK_LAG;
	const { broken, metafile } = await bundleTests(platform, files, outdir);
	/** @type {Map<string, number>} */
	const numbers = new Map();
	/** @param {string} path */
	const numberOf = (path) => {
		const number = numbers.get(path) ?? numbers.size;
		numbers.set(path, number);
		return number;
	};
	/** @type {Record<string, readonly number[]>} */
	const bundles = {};
	for (const file of files) {
		if (!broken.has(file)) bundles[file] = [...SETTINGS, ...reached(metafile, `entry:${file}`)].map(numberOf);
	}
	const inputs = [...numbers.keys()].map((path) => [path, stateOf(path, started)]);
	await writeFile(join(outdir, 'build.json'), JSON.stringify({ inputs, bundles }));
	return { folder, broken };
}

/**
 * The files that an entry imports, directly or not, by their paths from the root.
 *
 * @param {import('esbuild').Metafile} metafile
 * @param {string} entry
 */
function reached(metafile, entry) {
	const seen = new Set([entry]);
	/** @type {Set<string>} */
	const paths = new Set();
	for (const input of seen) {
		const path = input.replace(/^text:/, '');
		if (input !== entry && existsSync(resolve(root, path))) paths.add(relative(root, resolve(root, path)));
		for (const { path, external } of metafile.inputs[input]?.imports ?? []) if (!external) seen.add(path);
	}
	return paths;
}

/**
 * A text that changes when the file changes. It is empty, unlike any state, if the file has changed since `started`.
 *
 * @param {string} path
 * @param {number} [started]
 */
function stateOf(path, started = Number.POSITIVE_INFINITY) {
	const found = statSync(join(root, path), { throwIfNoEntry: false });
	if (found === undefined) return 'missing';
	return found.mtimeMs >= started ? '' : `${found.mtimeMs} ${found.size}`;
}

/** Returns a function that tells whether the bundle of a test file in a build is up to date. It checks each file once. */
function freshness() {
	/** @type {Map<string, string>} */
	const now = new Map();
	const isUnchanged = (/** @type {string} */ path, /** @type {string} */ state) => {
		if (!now.has(path)) now.set(path, stateOf(path));
		return now.get(path) === state;
	};
	return (/** @type {Build} */ { inputs, bundles }, /** @type {string} */ file) =>
		bundles[file]?.every((index) => isUnchanged(...(inputs[index] ?? ['', '']))) ?? false;
}
