#!/usr/bin/env node
/**
 * Runs the tests: `node test/run.mjs [--filter TEXT] [--adapter NAME] [--timeout SECONDS] [--verbose] [--help]`.
 *
 * Bundles every test file, runs each in a process or a page, its own or one shared with its like, once for every place that
 * its name asks for (see runner/bundle.mjs), several at a time. Ends with the line 'N passed, N failed'. A file that crashes, hangs, does not load or
 * has no test counts as a failure, and so does a machine on which no adapter is found.
 */
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../build.mjs';
import { BrowserRunner } from './runner/browser.mjs';
import { bundleName, bundleTests, findTests, places, session } from './runner/bundle.mjs';
import { findEnvironments, QUICKLY_COMPILED, runInNode } from './runner/node.mjs';

/** @typedef {import('./runner/node.mjs').Report} Report */

const USAGE = `npm test -- [options]

  --filter TEXT      only test files whose path holds TEXT
  --adapter NAME     only on cpu, lavapipe, swiftshader, chromium, wgpu, gpu-plan, wgpu-plan or gpu
  --timeout SECONDS  how long a file may take (default 900)
  --verbose          what the tests print, also of those that passed
  --help             this text`;

function readOptions() {
	try {
		const { values } = parseArgs({
			options: {
				filter: { type: 'string', default: '' },
				adapter: { type: 'string' },
				timeout: { type: 'string', default: '900' },
				verbose: { type: 'boolean', default: false },
				help: { type: 'boolean', default: false },
			},
		});
		if (!(Number(values.timeout) > 0)) throw new Error(`--timeout ${values.timeout} must be a number of seconds above 0`);
		return values;
	} catch (error) {
		console.error(`test: ${error instanceof Error ? error.message : error}; see --help`);
		process.exit(2);
	}
}

const options = readOptions();
if (options.help) {
	console.log(USAGE);
	process.exit();
}
const timeout = Number(options.timeout) * 1000;
const started = performance.now();

const files = (await findTests()).filter((file) => file.includes(options.filter));
const isNamed = options.adapter !== undefined;
const wanted = (/** @type {string} */ name) => !isNamed || options.adapter === name;
const browser = new BrowserRunner();
// A folder for this run alone, so that two runs do not overwrite each other's bundles.
const bundles = join(root, `dist/test/${process.pid}`);
process.on('exit', () => rmSync(bundles, { recursive: true, force: true }));
/** Sums by environment. @type {Map<string, { adapter: string, files: number, passed: number, failed: number, seconds: number }>} */
const totals = new Map();
let failures = 0;

/** @param {string} message */
function fail(message) {
	failures++;
	console.log(`FAILED: ${message}`);
}

/** @param {string} name @param {string} adapter */
function open(name, adapter) {
	totals.set(name, { adapter, files: 0, passed: 0, failed: 0, seconds: 0 });
}

/**
 * Bundles files and gives back those that could be.
 *
 * @param {'node' | 'browser'} platform
 * @param {string[]} files
 */
async function bundle(platform, files) {
	const broken = files.length > 0 ? await bundleTests(platform, files, join(bundles, platform)) : new Map();
	for (const [file, reason] of broken) fail(`${file} does not bundle for ${platform}: ${reason}`);
	return files.filter((file) => !broken.has(file));
}

async function planNode() {
	const needed = files.some((file) => places(file).adapters);
	const environments = needed
		? (await findEnvironments()).filter(({ name, onRequest }) => wanted(name) && (isNamed || !onRequest))
		: [];
	if (needed && environments.length === 0 && options.adapter !== 'cpu' && options.adapter !== 'chromium') {
		fail(`Node: no WebGPU adapter ${options.adapter === undefined ? 'on this machine' : `'${options.adapter}'`}`);
	}
	// The longest files are among those that need no adapter: they go first, so that none is left for the end alone.
	if (wanted('cpu')) environments.unshift({ name: 'cpu', adapter: 'Node alone', env: {} });
	const onAdapter = (/** @type {string} */ file) => places(file).adapters;
	const used = files.filter((file) => places(file).node && environments.some(({ name }) => onAdapter(file) === (name !== 'cpu')));
	const bundled = await bundle('node', used);
	const fastest = environments.find(({ name }) => name !== 'cpu');
	return environments.flatMap((environment) => {
		const { name, adapter, onlyProofs = false } = environment;
		const isMissing = (/** @type {string} */ file) =>
			(places(file).onlyFastest && name !== fastest?.name) ||
			(onlyProofs && (!places(file).proof || (places(file).slowProof && !isNamed)));
		const own = bundled.filter((file) => onAdapter(file) === (name !== 'cpu') && !isMissing(file));
		if (own.length > 0) open(name, adapter);
		return inSessions(own).map((fellows) => ({
			environment: name,
			files: fellows,
			run: (/** @type {(report: Report) => void} */ onReport) => {
				const paths = fellows.map((file) => join(bundles, 'node', bundleName(file)));
				const quickly = fellows.every((file) => places(file).mostlyCompiles) ? QUICKLY_COMPILED : {};
				return runInNode(paths, { ...environment, env: { ...environment.env, ...quickly } }, timeout, onReport);
			},
		}));
	});
}

/**
 * Files that share a process or page, together: those sessions first, because they are long.
 *
 * @param {readonly string[]} all
 */
function inSessions(all) {
	/** @type {Map<string, string[]>} */
	const sessions = new Map();
	for (const file of all) sessions.set(session(file), [...(sessions.get(session(file)) ?? []), file]);
	return [...sessions.values()].sort((a, b) => b.length - a.length);
}

async function planBrowser() {
	const bundled = await bundle('browser', wanted('chromium') ? files.filter((file) => places(file).chromium) : []);
	if (bundled.length === 0) return [];
	await browser.start(join(bundles, 'browser'));
	const adapter = await browser.probe().catch((error) => {
		console.log(error.message);
		return '';
	});
	if (adapter === '') {
		fail('Chromium: it did not start, or has no WebGPU adapter');
		return [];
	}
	open('chromium', adapter);
	return inSessions(bundled).map((fellows) => ({
		environment: 'chromium',
		files: fellows,
		run: (/** @type {(report: Report) => void} */ onReport) => browser.run(fellows.map(bundleName), timeout, onReport),
	}));
}

/**
 * What a file printed but for uvu's marks and counts.
 *
 * @param {string} output
 */
function withoutMarks(output) {
	const lines = output.split('\n').filter((line) => !/^\s*[•✘]$|\(\d+ \/ \d+\)$/.test(line.trimEnd()));
	return lines.join('\n').trim();
}

/** @param {{ environment: string, files: readonly string[], run: (onReport: (report: Report) => void) => Promise<void> }} job */
async function perform({ environment, files, run }) {
	let start = performance.now();
	let done = 0;
	await run((report) => {
		account(environment, files[done++] ?? '', report, (performance.now() - start) / 1000);
		start = performance.now();
	});
}

/**
 * @param {string} environment
 * @param {string} file
 * @param {Report} report
 * @param {number} seconds
 */
function account(environment, file, { outcome, problem, output }, seconds) {
	const total = totals.get(environment);
	if (total === undefined) throw new Error(`no environment '${environment}'`);
	const passed = outcome?.passed ?? 0;
	const empty = problem === undefined && passed === 0 && outcome?.failed === 0 ? 'the file has no test' : undefined;
	const trouble = problem ?? empty;
	const failed = (outcome?.failed ?? 0) + (trouble === undefined ? 0 : 1);
	total.files++;
	total.passed += passed;
	total.failed += failed;
	total.seconds += seconds;

	const counts = failed > 0 ? `${passed} passed, ${failed} FAILED` : `${passed} passed`;
	const skipped = outcome !== undefined && outcome.skipped > 0 ? `, ${outcome.skipped} skipped` : '';
	console.log(`${environment.padEnd(12)}${file.padEnd(44)}${counts}${skipped} in ${seconds.toFixed(1)} s`);
	for (const failure of outcome?.failures ?? []) console.log(failure);
	if (trouble !== undefined) console.log(`  ${trouble}\n`);
	const printed = withoutMarks(output);
	if (printed !== '' && (failed > 0 || options.verbose)) console.log(`  it printed:\n${printed.replace(/^/gm, '    ')}\n`);
}

const inNode = await planNode();
const inBrowser = await planBrowser();
for (const [name, { adapter }] of totals) console.log(`${name}: ${adapter}`);

// Pages share one browser, which does not survive a page that hangs, so they go one after another. One job more than there are
// processors: software adapters compile on one thread, and a test waits while they do.
const lanes = Math.min(availableParallelism(), 8) + 1;
const performRest = async () => {
	for (let job = inNode.shift(); job !== undefined; job = inNode.shift()) await perform(job);
};
await Promise.all([
	(async () => {
		for (const job of inBrowser) await perform(job);
		await performRest();
	})(),
	...Array.from({ length: lanes - 1 }, performRest),
]);
await browser.close();

console.log('');
let passed = 0;
for (const [name, total] of totals) {
	passed += total.passed;
	failures += total.failed;
	const seconds = total.seconds.toFixed(0);
	console.log(`${name} (${total.adapter}): ${total.passed} passed, ${total.failed} failed in ${total.files} files, ${seconds} s`);
}
if (passed + failures === 0) fail(`no test matches '${options.filter}'`);
console.log(`${((performance.now() - started) / 1000).toFixed(0)} s in all`);
console.log(`${passed} passed, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
