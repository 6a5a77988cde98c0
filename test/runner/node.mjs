/** Tests in Node and Deno: the environments that this machine offers, and one process for each session of test files. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { findDeno } from '../../adapters/deno.mjs';
import { findLavapipe, findSwiftShader } from '../../adapters/driver.mjs';
import { root } from '../../build.mjs';

/**
 * @typedef {object} Report
 * @property {import('./outcome').Outcome} [outcome] missing if the file did not get that far
 * @property {string} [problem] what went wrong beyond failed tests
 * @property {string} output what the file printed
 */

/**
 * @typedef {object} NodeEnvironment
 * @property {string} name
 * @property {string} adapter the adapter's own name
 * @property {Record<string, string>} env
 * @property {string} [deno] path of the Deno that runs the tests instead of Node
 * @property {boolean} [onlyProofs] whether it runs only the proofs of kernels: see environmentsOf() in bundle.mjs
 * @property {boolean} [runsChromium] whether Chromium computes on this adapter, too
 * @property {boolean} [onRequest] whether it runs only if --adapter names it
 */

/** Makes lavapipe skip LLVM's optimizations, for tests that compile many kernels that each compute little. */
export const QUICKLY_COMPILED = { GALLIVM_PERF: 'nopt' };

/** Random cases per family on adapters that run only proofs: they repeat lavapipe's driver, which has run more cases. */
const CASES_OF_PROOFS = '60';

/** The time that a process has to exit after its last test. */
const EXIT_MILLISECONDS = 60_000;

/** Node's exit code for a top-level await that can never settle. */
const NEVER_SETTLED = 13;

/** Adapters in disguise: see WGRAD_DISGUISE in adapter.mjs. */
const DISGUISES = { lavapipe: { name: 'gpu-plan', onRequest: false }, wgpu: { name: 'wgpu-plan', onRequest: true } };

/**
 * The adapters of this machine, fastest first. Each is yielded as soon as it and those before it have been found:
 * - gpu, lavapipe, swiftshader: as Dawn in Node finds them;
 * - wgpu: lavapipe in Deno. Deno and Firefox share a WebGPU implementation (wgpu);
 * - gpu-plan, wgpu-plan: lavapipe hiding that it is software, so that launchers choose the kernels for GPUs.
 *
 * @param {(environment: Pick<NodeEnvironment, 'name' | 'onlyProofs' | 'onRequest' | 'runsChromium'>) => boolean} isWanted
 * false for adapters to skip
 * @returns {AsyncGenerator<NodeEnvironment>}
 */
export async function* findEnvironments(isWanted = () => true) {
	const lavapipe = findLavapipe();
	const swiftshader = await findSwiftShader();
	const deno = findDeno();
	/** @type {Omit<NodeEnvironment, 'adapter'>[]} */
	const candidates = [{ name: 'gpu', env: {} }];
	if (lavapipe !== undefined) candidates.push({ name: 'lavapipe', env: { VK_DRIVER_FILES: lavapipe } });
	if (swiftshader !== undefined)
		candidates.push({ name: 'swiftshader', env: { VK_DRIVER_FILES: swiftshader }, runsChromium: true });
	if (lavapipe !== undefined && deno !== undefined) {
		candidates.push({ name: 'wgpu', env: { VK_DRIVER_FILES: lavapipe }, deno, onlyProofs: true });
	}
	const disguise = (/** @type {Omit<NodeEnvironment, 'adapter'>} */ { name, env, ...rest }) =>
		Object.entries(DISGUISES)
			.filter(([of]) => of === name)
			.map(([, own]) => ({ ...rest, ...own, env: { ...env, WGRAD_DISGUISE: '1' }, onlyProofs: true }));
	const needed = candidates.filter((candidate) => [candidate, ...disguise(candidate)].some(isWanted));
	const probed = needed.map((candidate) => ({ candidate, adapter: probe(candidate) }));
	const disguised = [];
	for (const { candidate, adapter: found } of probed) {
		const adapter = await found;
		if (adapter === '' || (candidate.name === 'gpu' && /llvmpipe|swiftshader/i.test(adapter))) continue;
		if (isWanted(candidate)) yield { ...candidate, adapter };
		for (const environment of disguise(candidate)) disguised.push({ ...environment, adapter });
	}
	yield* disguised.filter(isWanted);
}

/**
 * @param {Omit<NodeEnvironment, 'adapter'>} environment
 * @returns {Promise<string>} the adapter's name; empty if there is none
 */
function probe(environment) {
	return new Promise((resolve) => {
		const child = start('test/runner/probe.mjs', [], environment, 'ignore');
		const timer = setTimeout(() => child.kill('SIGKILL'), 180_000);
		let name = '';
		child.on('message', (/** @type {{ name: string | null }} */ message) => {
			name = message.name ?? '';
		});
		child.on('exit', () => {
			clearTimeout(timer);
			resolve(name);
		});
	});
}

/**
 * Starts a script of this repository in a child process with the environment's adapter.
 *
 * @param {string} script
 * @param {readonly string[]} args
 * @param {Omit<NodeEnvironment, 'adapter'>} environment
 * @param {'ignore' | 'pipe'} output
 */
export function start(script, args, { name, env, deno, onlyProofs = false }, output) {
	const { VK_DRIVER_FILES: _, VK_ICD_FILENAMES: __, ...rest } = process.env;
	if (onlyProofs) rest.WGRAD_CASES ??= CASES_OF_PROOFS;
	return fork(join(root, script), args, {
		cwd: root,
		env: { ...rest, MESA_SHADER_CACHE_DIR: join(root, '.cache/mesa'), WGRAD_ADAPTER: name, ...env },
		execArgv: ['--expose-gc', '--enable-source-maps'],
		...(deno !== undefined && {
			execPath: deno,
			execArgv: ['run', '--allow-all', '--no-lock', '--unstable-webgpu', '--v8-flags=--expose-gc'],
		}),
		stdio: ['ignore', output, output, 'ipc'],
	});
}

/**
 * Runs bundled test files in one process, one after the other. If the process dies early, a new one runs the files that have
 * not started.
 *
 * @param {readonly string[]} bundles
 * @param {NodeEnvironment} environment
 * @param {number} timeout of each, in milliseconds
 * @param {(report: Report) => void} onReport called for each bundle, in their order
 */
export async function runInNode(bundles, environment, timeout, onReport) {
	for (let done = 0; done < bundles.length; ) done += await runProcess(bundles.slice(done), environment, timeout, onReport);
}

/**
 * @param {readonly string[]} bundles
 * @param {NodeEnvironment} environment
 * @param {number} timeout
 * @param {(report: Report) => void} onReport
 * @returns {Promise<number>} the number of bundles that it has reported on: at least one
 */
function runProcess(bundles, environment, timeout, onReport) {
	return new Promise((resolve) => {
		const child = start('test/runner/child.mjs', bundles, environment, 'pipe');
		let output = '';
		let running = 'loading';
		let problem = '';
		let reported = 0;
		/** The outcome of the last bundle, held back until the process has exited. @type {import('./outcome').Outcome | undefined} */
		let last;
		const collect = (/** @type {Buffer} */ chunk) => {
			output += chunk;
		};
		child.stdout?.on('data', collect);
		child.stderr?.on('data', collect);
		const giveUp = (/** @type {string} */ why) => {
			problem = why;
			child.kill('SIGKILL');
		};
		const limit = () => setTimeout(() => giveUp(`still at '${running}' after ${timeout / 1000} s`), timeout);
		let timer = limit();
		child.on('message', (/** @type {{ running?: string, outcome?: import('./outcome').Outcome }} */ message) => {
			if (message.running !== undefined) running = message.running;
			if (message.outcome === undefined) return;
			clearTimeout(timer);
			if (reported < bundles.length - 1) {
				onReport({ output, outcome: message.outcome });
				reported++;
				output = '';
				running = 'loading';
				timer = limit();
			} else {
				last = message.outcome;
				timer = setTimeout(() => giveUp('the process did not exit by itself after its last test'), EXIT_MILLISECONDS);
			}
		});
		child.on('close', (code, signal) => {
			clearTimeout(timer);
			const where = last === undefined ? `at '${running}'` : 'after its last test';
			if (problem === '' && (code !== 0 || last === undefined)) {
				if (signal !== null) problem = `the process died of ${signal} ${where}`;
				else if (code === NEVER_SETTLED) problem = `a promise that nothing will settle is waited for ${where}`;
				else problem = `the process exited with ${code} ${where}`;
			}
			onReport({ output, ...(last && { outcome: last }), ...(problem !== '' && { problem }) });
			resolve(reported + 1);
		});
	});
}
