#!/usr/bin/env node
/**
 * Runs the tests: `node test/run.mjs [FILE...] [--filter TEXT] [--adapter NAME] [--timeout SECONDS] [--verbose] [--watch]
 * [--help]`.
 *
 * Bundles every test file that has changed and runs each once for every place that its name asks for (see runner/bundle.mjs),
 * several at a time. A file has its own process or page, or shares one with related files. The last line is 'N passed, N failed'.
 * A file that crashes, hangs, does not load or has no test counts as a failure, and so does a machine without any adapter.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BrowserRunner } from './runner/browser.mjs';
import { useBuild } from './runner/built.mjs';
import { environmentsOf, findTests, inSessions } from './runner/bundle.mjs';
import { BUNDLES, bundle } from './runner/cache.mjs';
import { findEnvironments, QUICKLY_COMPILED, runInNode } from './runner/node.mjs';
import { watch } from './runner/watch.mjs';

/** @typedef {import('./runner/node.mjs').Report} Report */

const USAGE = `npm test -- [options] [FILE...]

  FILE               only these test files, by their paths below test/
  --filter TEXT      only test files whose path holds TEXT
  --adapter NAME     only on cpu, lavapipe, swiftshader, chromium, wgpu, gpu-plan, wgpu-plan or gpu
  --timeout SECONDS  how long a file may take (default 900)
  --verbose          what the tests print, also of those that passed
  --watch            goes on until Ctrl-C, and runs again what a change touches; without --filter or FILE it waits for the first
  --help             this text`;

function readOptions() {
	try {
		const { values, positionals } = parseArgs({
			allowPositionals: true,
			options: {
				filter: { type: 'string', default: '' },
				adapter: { type: 'string' },
				timeout: { type: 'string', default: '900' },
				verbose: { type: 'boolean', default: false },
				watch: { type: 'boolean', default: false },
				help: { type: 'boolean', default: false },
			},
		});
		if (!(Number(values.timeout) > 0)) throw new Error(`--timeout ${values.timeout} must be a number of seconds above 0`);
		return { ...values, only: positionals.map((path) => path.replace(/^(\.\/)?test\//, '')) };
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

/** @returns {Promise<string[]>} the test files that the options choose */
async function chosenFiles() {
	const all = await findTests();
	const unknown = options.only.find((file) => !all.includes(file));
	if (unknown !== undefined) {
		console.error(`test: there is no test file '${unknown}' below test/`);
		process.exit(2);
	}
	return all.filter((file) => file.includes(options.filter) && (options.only.length === 0 || options.only.includes(file)));
}

if (options.watch) await watch(chosenFiles, options);
const files = await chosenFiles();
const isNamed = options.adapter !== undefined;
const wanted = (/** @type {string} */ name) => !isNamed || options.adapter === name;
/** Each runs one page at a time. With one browser alone, the pages would still run after everything else has ended. */
const browsers = [new BrowserRunner(), new BrowserRunner()];
/**
 * Sums by environment. @type {Map<string, { adapter: string, files: number, passed: number, failed: number, seconds: number }>}
 */
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
	console.log(`${name}: ${adapter}`);
}

/**
 * A piece of work for a lane: files that share a process or page.
 *
 * @typedef {{
 *   environment: string,
 *   files: readonly string[],
 *   run: (onReport: (report: Report) => void, browser?: BrowserRunner) => Promise<void>
 * }} Job
 */

/** Jobs that wait to run, while more may still be added. */
class Jobs {
	/** @type {Job[]} */
	#jobs = [];
	/** @type {((job: Job | undefined) => void)[]} */
	#waiting = [];
	#isComplete = false;

	/** Adds jobs, those that take minutes before others. @param {readonly Job[]} jobs */
	add(jobs) {
		const takesMinutes = (/** @type {Job} */ { files }) => Number(files.some((file) => environmentsOf(file).takesMinutes));
		this.#jobs = [...this.#jobs, ...jobs].sort((a, b) => takesMinutes(b) - takesMinutes(a));
		while (this.#jobs.length > 0 && this.#waiting.length > 0) this.#waiting.shift()?.(this.#jobs.shift());
	}

	/** Call it when no further jobs will be added. */
	complete() {
		this.#isComplete = true;
		for (const take of this.#waiting.splice(0)) take(undefined);
	}

	/** @returns {Promise<Job | undefined>} undefined when all have been taken */
	async next() {
		return (
			this.#jobs.shift() ??
			(this.#isComplete
				? undefined
				: await new Promise((/** @type {(job: Job | undefined) => void} */ take) => this.#waiting.push(take)))
		);
	}
}

const inNode = new Jobs();
const inBrowser = new Jobs();

/**
 * Bundles files and returns the paths of the bundles that could be made.
 *
 * @param {'node' | 'browser'} platform
 * @param {string[]} files
 */
async function bundled(platform, files) {
	const { paths, broken } = await bundle(platform, files);
	for (const [file, reason] of broken) fail(`${file} does not bundle for ${platform}: ${reason}`);
	return paths;
}

const onAdapter = (/** @type {string} */ file) => environmentsOf(file).adapters;

/**
 * If there is a faster adapter, Node runs only samples and golden files on the adapter that Chromium uses. Random cases run on the
 * faster adapter and in Chromium.
 *
 * @param {Pick<import('./runner/node.mjs').NodeEnvironment, 'onlyProofs' | 'runsChromium'>} environment
 * @param {boolean} isFastest
 */
function filesFor({ onlyProofs, runsChromium = false }, isFastest) {
	const isRepeated = runsChromium && !isFastest && !isNamed;
	return files.filter((file) => {
		const { adapters, onlyFastest, proof, slowProof, random } = environmentsOf(file);
		if (!adapters || (onlyFastest && !isFastest)) return false;
		if (isRepeated) return proof && !random;
		return !onlyProofs || (proof && !(slowProof && !isNamed));
	});
}

/** Searches for adapters while the bundles are made; tests without an adapter do not wait for them. */
async function planNode() {
	const alone = wanted('cpu') ? files.filter((file) => environmentsOf(file).node && !onAdapter(file)) : [];
	const isNeeded = (
		/** @type {Pick<import('./runner/node.mjs').NodeEnvironment, 'name' | 'onlyProofs' | 'onRequest' | 'runsChromium'>} */ environment,
	) => wanted(environment.name) && (isNamed || !environment.onRequest) && filesFor(environment, true).length > 0;
	const needsAdapter = options.adapter !== 'cpu' && options.adapter !== 'chromium' && files.some(onAdapter);
	const environments = needsAdapter ? findEnvironments(isNeeded) : [];
	const bundles = bundled('node', [...alone, ...(needsAdapter ? files.filter(onAdapter) : [])]);
	const added = [addJobs({ name: 'cpu', adapter: 'Node alone', env: {} }, alone, bundles)];
	let found = 0;
	for await (const environment of environments) added.push(addJobs(environment, filesFor(environment, found++ === 0), bundles));
	await Promise.all(added);
	if (needsAdapter && found === 0) {
		fail(`Node: no WebGPU adapter ${options.adapter === undefined ? 'on this machine' : `'${options.adapter}'`}`);
	}
}

/**
 * @param {import('./runner/node.mjs').NodeEnvironment} environment
 * @param {readonly string[]} own
 * @param {Promise<Map<string, string>>} bundles
 */
async function addJobs(environment, own, bundles) {
	const paths = await bundles;
	const { name, adapter } = environment;
	const whole = own.filter((file) => paths.has(file));
	if (whole.length === 0) return;
	open(name, adapter);
	const jobs = inSessions(whole).map((fellows) => ({
		environment: name,
		files: fellows,
		run: (/** @type {(report: Report) => void} */ onReport) => {
			const bundles = fellows.map((file) => join(BUNDLES, paths.get(file) ?? ''));
			const quickly = fellows.every((file) => environmentsOf(file).mostlyCompiles) ? QUICKLY_COMPILED : {};
			return runInNode(bundles, { ...environment, env: { ...environment.env, ...quickly } }, timeout, onReport);
		},
	}));
	inNode.add(jobs.filter((job) => !job.files.some(runsBuild)));
	const others = jobs.filter((job) => job.files.some(runsBuild));
	if (others.length > 0 && (await isBuilt())) inNode.add(others);
}

const runsBuild = (/** @type {string} */ file) => environmentsOf(file).built;

/** @type {Promise<boolean> | undefined} */
let building;

/** Whether there is an up-to-date build for the tests that run it. */
function isBuilt() {
	building ??= useBuild().then(
		() => true,
		(error) => {
			fail(`npm run build does not succeed: ${error.stderr || error.message}`);
			return false;
		},
	);
	return building;
}

async function planBrowser() {
	const paths = await bundled('browser', wanted('chromium') ? files.filter((file) => environmentsOf(file).chromium) : []);
	if (paths.size === 0) return;
	await Promise.all(browsers.map((browser) => browser.start(BUNDLES)));
	const adapter = await browsers[0]?.probe().catch((error) => {
		console.log(error.message);
		return '';
	});
	if (!adapter) {
		fail('Chromium: it did not start, or has no WebGPU adapter');
		return;
	}
	open('chromium', adapter);
	const jobs = inSessions([...paths.keys()]).map((fellows) => ({
		environment: 'chromium',
		files: fellows,
		run: async (/** @type {(report: Report) => void} */ onReport, /** @type {BrowserRunner | undefined} */ browser) =>
			browser?.run(
				fellows.map((file) => paths.get(file) ?? ''),
				timeout,
				onReport,
			),
	}));
	inBrowser.add(jobs);
}

/**
 * The output of a file without uvu's marks and counts.
 *
 * @param {string} output
 */
function withoutMarks(output) {
	const lines = output.split('\n').filter((line) => !/^\s*[•✘]$|\(\d+ \/ \d+\)$/.test(line.trimEnd()));
	return lines.join('\n').trim();
}

/** @param {Job} job @param {BrowserRunner} [browser] */
async function perform({ environment, files, run }, browser) {
	let start = performance.now();
	let done = 0;
	await run((report) => {
		account(environment, files[done++] ?? '', report, (performance.now() - start) / 1000);
		start = performance.now();
	}, browser);
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

/** @param {Jobs} jobs @param {BrowserRunner} [browser] */
async function performAll(jobs, browser) {
	for (let job = await jobs.next(); job !== undefined; job = await jobs.next()) await perform(job, browser);
}

// A browser does not survive a page that hangs, so it has one page at a time. There are two jobs more than processors: software
// adapters compile on one thread, and a test waits while they do.
const lanes = Math.min(availableParallelism(), 8) + 2;
await Promise.all([
	planNode().finally(() => inNode.complete()),
	planBrowser().finally(() => inBrowser.complete()),
	...browsers.map((browser) => performAll(inBrowser, browser).then(() => performAll(inNode))),
	...Array.from({ length: lanes - browsers.length }, () => performAll(inNode)),
]);
for (const browser of browsers) await browser.close();

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
