/** Tests in Node: the environments that this machine offers, and one process for each session of test files. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
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
 */

/** Time that a process has to exit by itself after its last test. */
const EXIT_MILLISECONDS = 20_000;

/** Node's exit code for a top-level await that is left with nothing to wake it. */
const NEVER_SETTLED = 13;

/**
 * The adapters that Dawn finds here, the fastest first: a GPU of the machine, lavapipe, SwiftShader.
 *
 * @returns {Promise<NodeEnvironment[]>}
 */
export async function findEnvironments() {
	const lavapipe = findLavapipe();
	const swiftshader = await findSwiftShader();
	/** @type {[name: string, env: Record<string, string>][]} */
	const candidates = [['gpu', {}]];
	if (lavapipe !== undefined) candidates.push(['lavapipe', { VK_DRIVER_FILES: lavapipe }]);
	if (swiftshader !== undefined) candidates.push(['swiftshader', { VK_DRIVER_FILES: swiftshader }]);
	const environments = await Promise.all(
		candidates.map(async ([name, env]) => ({ name, env: { ...env, WGRAD_ADAPTER: name }, adapter: await probe(env) })),
	);
	return environments.filter(({ name, adapter }) => adapter !== '' && !(name === 'gpu' && /llvmpipe|swiftshader/i.test(adapter)));
}

/**
 * @param {Record<string, string>} env
 * @returns {Promise<string>} the adapter's name, empty where there is none
 */
function probe(env) {
	return new Promise((resolve) => {
		const child = fork(join(root, 'test/runner/probe.mjs'), { env: environment(env), stdio: 'ignore', timeout: 60_000 });
		let name = '';
		child.on('message', (/** @type {{ name: string | null }} */ message) => {
			name = message.name ?? '';
		});
		child.on('exit', () => resolve(name));
	});
}

/** @param {Record<string, string>} env */
function environment(env) {
	const { VK_DRIVER_FILES: _, VK_ICD_FILENAMES: __, ...rest } = process.env;
	return { ...rest, MESA_SHADER_CACHE_DIR: join(root, '.cache/mesa'), ...env };
}

/**
 * Runs bundled test files in one process, one after the other. Where it dies before the last is done, a new one runs those that were
 * not begun.
 *
 * @param {readonly string[]} bundles
 * @param {Record<string, string>} env
 * @param {number} timeout of each, in milliseconds
 * @param {(report: Report) => void} onReport called for each bundle, in their order
 */
export async function runInNode(bundles, env, timeout, onReport) {
	for (let done = 0; done < bundles.length; ) done += await runProcess(bundles.slice(done), env, timeout, onReport);
}

/**
 * @param {readonly string[]} bundles
 * @param {Record<string, string>} env
 * @param {number} timeout
 * @param {(report: Report) => void} onReport
 * @returns {Promise<number>} how many of them it has reported on: at least one
 */
function runProcess(bundles, env, timeout, onReport) {
	return new Promise((resolve) => {
		const child = fork(join(root, 'test/runner/child.mjs'), bundles, {
			cwd: root,
			env: environment(env),
			execArgv: ['--expose-gc', '--enable-source-maps'],
			stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
		});
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
