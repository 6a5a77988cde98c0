/** Tests in Node and Deno: the environments that this machine offers, and one process for each session of test files. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { findDeno } from '../../adapters/deno.mjs';
import { findLavapipe, findSwiftShader } from '../../adapters/driver.mjs';
import { root } from '../../build.mjs';

/**
 * @typedef {object} Report
 * @property {import('./outcome').Outcome} [outcome] missing when the file did not get that far
 * @property {string} [problem] what went wrong beyond failed tests
 * @property {string} output what the file printed
 */

/**
 * @typedef {object} NodeEnvironment
 * @property {string} name
 * @property {string} adapter what the adapter calls itself
 * @property {Record<string, string>} env
 * @property {string} [deno] path of the Deno that runs the tests in Node's place
 * @property {boolean} [onlyProofs] whether it runs the proofs of kernels alone: see places() in bundle.mjs
 * @property {boolean} [onRequest] whether it runs only where --adapter names it
 */

/** Has lavapipe leave out LLVM's optimizations: for tests that compile many kernels, each of which computes little. */
export const QUICKLY_COMPILED = { GALLIVM_PERF: 'nopt' };

/** Random cases a family where only proofs run: those adapters repeat lavapipe's driver, which has tried more. */
const CASES_OF_PROOFS = '60';

/** Time that a process has to exit by itself after its last test. */
const EXIT_MILLISECONDS = 20_000;

/** Node's exit code for a top-level await that is left with nothing to wake it. */
const NEVER_SETTLED = 13;

/** Adapters that are others in disguise: see WGRAD_DISGUISE in adapter.mjs. */
const DISGUISES = { lavapipe: { name: 'gpu-plan', onRequest: false }, wgpu: { name: 'wgpu-plan', onRequest: true } };

/**
 * The adapters of this machine, the fastest first, each as soon as it and those before it have been found:
 * - gpu, lavapipe, swiftshader: as Dawn in Node finds them;
 * - wgpu: lavapipe in Deno. Deno and Firefox share a WebGPU implementation (wgpu);
 * - gpu-plan, wgpu-plan: lavapipe, which hides that it is software, so that launchers choose the kernels that GPUs run.
 *
 * @param {(environment: Pick<NodeEnvironment, 'name' | 'onlyProofs' | 'onRequest'>) => boolean} isWanted others are not looked for
 * @returns {AsyncGenerator<NodeEnvironment>}
 */
export async function* findEnvironments(isWanted = () => true) {
	const lavapipe = findLavapipe();
	const swiftshader = await findSwiftShader();
	const deno = findDeno();
	/** @type {Omit<NodeEnvironment, 'adapter'>[]} */
	const candidates = [{ name: 'gpu', env: {} }];
	if (lavapipe !== undefined) candidates.push({ name: 'lavapipe', env: { VK_DRIVER_FILES: lavapipe } });
	if (swiftshader !== undefined) candidates.push({ name: 'swiftshader', env: { VK_DRIVER_FILES: swiftshader } });
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
 * @returns {Promise<string>} the adapter's name, empty where there is none
 */
function probe(environment) {
	return new Promise((resolve) => {
		const child = start('test/runner/probe.mjs', [], environment, 'ignore');
		const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
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
 * Starts a script of this repository in a process of its own, which finds the environment's adapter.
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
 * Runs bundled test files in one process, one after the other. Where it dies before the last is done, a new one runs those that were
 * not begun.
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
 * @returns {Promise<number>} how many of them it has reported on: at least one
 */
function runProcess(bundles, environment, timeout, onReport) {
	return new Promise((resolve) => {
		const child = start('test/runner/child.mjs', bundles, environment, 'pipe');
		let output = '';
		let running = 'loading';
		let problem = '';
		let reported = 0;
		/** The outcome of the last bundle waits for the process to exit. @type {import('./outcome').Outcome | undefined} */
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
