#!/usr/bin/env node
/**
 * `npm run bench:peers`: the same cases in wgrad, TensorFlow.js, jax-js, onnxruntime-web and PyTorch. Each library has its own process, or
 * its own page in Chromium, and only one computes at a time. The runs of a case alternate between the libraries. Every result is compared
 * with wgrad's CPU reference in float64.
 */
import { fork, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as spec from './cases.mjs';

const USAGE = `npm run bench:peers -- [options]

  --case NAME      only this case: ${Object.keys(spec.CASES).join(', ')}; may be repeated
  --library NAME   only this library: wgrad, tfjs, jaxjs, ort, torch; may be repeated
  --rounds N       timed runs of each case and library (default 7)
  --limit SECONDS  how long a library may take to start a case (default 45)
  --chromium       on pages of headless Chromium instead of processes of Node
  --json FILE      also write all figures to a file
  --write          put the table into README.md
  --help           this text`;

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const LIBRARIES = { wgrad: 'wgrad', jaxjs: 'jax-js', tfjs: 'tfjs (WebGPU)', ort: 'onnxruntime-web', torch: 'PyTorch (CPU)' };
/** A Python that has PyTorch, if there is one. */
const PYTHON = ['python3', '/usr/bin/python3'].find((python) => spawnSync(python, ['-c', 'import torch']).status === 0);
/** The cases without gradients, which onnxruntime-web can run. */
const FORWARD = ['matmul', 'conv', 'softmax', 'tiny'];

const { values: options } = parseArgs({
	options: {
		case: { type: 'string', multiple: true, default: Object.keys(spec.CASES) },
		library: { type: 'string', multiple: true, default: Object.keys(LIBRARIES) },
		rounds: { type: 'string', default: '7' },
		limit: { type: 'string', default: '45' },
		chromium: { type: 'boolean', default: false },
		json: { type: 'string' },
		write: { type: 'boolean', default: false },
		help: { type: 'boolean', default: false },
	},
});

/**
 * A library that answers. `rest` stops its process between its turns, because some libraries keep the CPU busy while they wait.
 *
 * @typedef {{ ask(ask: string, ...args: unknown[]): Promise<any>, rest?(on: boolean): void, close(): void }} Peer
 */

/** Sends numbered messages and settles their answers. @param {(message: object) => void} send @param {() => void} close */
function peerOf(send, close) {
	/** @type {Map<number, { resolve(value: unknown): void, reject(error: Error): void }>} */
	const waiting = new Map();
	let id = 0;
	return {
		/** @param {{ id: number, value?: unknown, error?: string }} answer */
		receive({ id, value, error }) {
			const promise = waiting.get(id);
			waiting.delete(id);
			if (error === undefined) promise?.resolve(value);
			else promise?.reject(new Error(error));
		},
		/** @param {string} why */
		fail(why) {
			for (const { reject } of waiting.values()) reject(new Error(why));
			waiting.clear();
		},
		/** @param {string} ask @param {...unknown} args */
		ask(ask, ...args) {
			return new Promise((resolve, reject) => {
				waiting.set(++id, { resolve, reject });
				send({ id, ask, args });
			});
		},
		close,
	};
}

/** @param {string} library @returns {Promise<Peer>} */
async function openProcess(library) {
	const child = fork(join(here, 'child.mjs'), [library], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
	let complaint = '';
	child.stderr?.on('data', (data) => {
		complaint = `${complaint}${data}`.slice(-500);
	});
	const peer = peerOf(
		(message) => child.send(message),
		() => child.kill('SIGKILL'),
	);
	await new Promise((resolve, reject) => {
		child.once('message', resolve);
		child.once('exit', (code) => reject(new Error(`its process ended with ${code}: ${complaint}`)));
	});
	child.on('message', peer.receive);
	child.on('exit', (code, signal) => peer.fail(`its process ended with ${signal ?? code}: ${complaint}`));
	return { ...peer, rest: (on) => child.kill(on ? 'SIGSTOP' : 'SIGCONT') };
}

/** @returns {Promise<Peer>} */
async function openTorch() {
	const child = spawn(PYTHON ?? 'python3', [join(here, 'pytorch.py')], { stdio: ['pipe', 'pipe', 'ignore'] });
	const { MLP: mlp, CNN: cnn, GPT: gpt, BATCH: batch, TINY: tiny, LEARNING_RATE: rate } = spec;
	const known = { mlp, cnn, gpt, batch, tiny, rate, gptParameters: spec.gptParameters() };
	const peer = peerOf(
		(message) => child.stdin.write(`${JSON.stringify({ ...message, spec: known })}\n`),
		() => child.kill('SIGKILL'),
	);
	createInterface({ input: child.stdout }).on('line', (line) => peer.receive(JSON.parse(line)));
	child.on('exit', (code, signal) => peer.fail(`python3 ended with ${signal ?? code}`));
	return { ...peer, rest: (on) => child.kill(on ? 'SIGSTOP' : 'SIGCONT') };
}

/** Bundles a library's page, serves it, and opens it. @param {string} library @returns {Promise<Peer>} */
async function openPage(library) {
	const { launchChromium } = await import('../../adapters/chromium.mjs');
	const { build } = await import('esbuild');
	const cases =
		library === 'wgrad'
			? `import * as wgrad from '../../dist/browser/index.js'; import { casesOf } from './wgrad.mjs'; const cases = casesOf(wgrad);`
			: `import * as cases from './${library}.mjs';`;
	const code = `import { answer } from './session.mjs'; ${cases} globalThis.session = answer(cases);`;
	const { outputFiles } = await build({
		stdin: { contents: code, resolveDir: here },
		bundle: true,
		format: 'esm',
		write: false,
		platform: 'browser',
		logLevel: 'error',
	});
	const folder = join(here, 'node_modules/onnxruntime-web/dist');
	const server = createServer(async ({ url = '/' }, response) => {
		const types = { '/': 'text/html', '/page.js': 'text/javascript' };
		if (url === '/') response.setHeader('content-type', types[url]).end('<script type="module" src="/page.js"></script>');
		else if (url === '/page.js') response.setHeader('content-type', types[url]).end(outputFiles[0]?.text);
		else {
			// The WebAssembly of onnxruntime-web.
			const type = url.endsWith('.wasm') ? 'application/wasm' : 'text/javascript';
			readFile(join(folder, url.replace(/^.*\/|\?.*$/g, ''))).then(
				(file) => response.setHeader('content-type', type).end(file),
				() => response.writeHead(404).end(),
			);
		}
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
	const browser = await launchChromium();
	const page = await browser.newPage();
	await page.goto(`http://localhost:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}/`);
	await page.waitForFunction(() => 'session' in globalThis, null, { timeout: 60_000 });
	return {
		ask: (ask, ...args) =>
			page.evaluate(([ask, args]) => /** @type {any} */ (globalThis).session[ask](...args), /** @type {const} */ ([ask, args])),
		close() {
			void browser.close();
			server.close();
		},
	};
}

/** @template T @param {Promise<T>} promise @param {number} seconds @returns {Promise<T>} */
function within(promise, seconds) {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new Error(`did not start in ${seconds} s`)), seconds * 1000);
		promise.then(resolve, reject).finally(() => clearTimeout(timer));
	});
}

/** The largest deviation of `actual`, in units of the largest expected value. @param {number[]} actual @param {number[]} expected */
function deviation(actual, expected) {
	const largest = Math.max(...expected.map(Math.abs), 1e-30);
	return Math.max(...expected.map((value, i) => Math.abs((actual[i] ?? Number.NaN) - value))) / largest;
}

/** @param {number[]} times */
function median(times) {
	const sorted = [...times].sort((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)];
}

async function main() {
	const limit = Number(options.limit);
	if (!existsSync(join(here, 'node_modules'))) {
		const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' });
		if (status !== 0) throw new Error('the libraries could not be installed');
	}
	const { ensureAdapter } = await import('../../adapters/driver.mjs');
	await ensureAdapter();
	const { models } = await import('./models.mjs');
	const files = await models(root);
	const chosen = options.library.filter((name) => name !== 'torch' || PYTHON !== undefined);
	const open = (/** @type {string} */ name) =>
		name === 'torch' ? openTorch() : options.chromium && name !== 'reference' ? openPage(name) : openProcess(name);

	/** @type {Record<string, Record<string, { ms?: number, low?: number, high?: number, firstMs?: number, problem?: string }>>} */
	const table = {};
	for (const name of options.case) {
		const { title, repeats, tolerance } = spec.CASES[name] ?? {};
		if (title === undefined) throw new Error(`there is no case '${name}'`);
		const reference = await open('reference');
		await reference.ask('open');
		const { values: expected } = await reference.ask('start', name, undefined, false);
		reference.close();
		/** @type {(typeof table)[string]} */
		const row = {};
		table[name] = row;
		/** @type {Map<string, { peer: Peer, times: number[] }>} */
		const running = new Map();
		// Every case has fresh processes, so that none pays for what another case left behind.
		for (const library of chosen) {
			if (library === 'ort' && !FORWARD.includes(name)) continue;
			/** @type {Peer | undefined} */
			let peer;
			try {
				peer = await within(open(library), limit);
				console.error(`${name}: ${await within(peer.ask('open'), limit)}`);
				const { firstMs, values } = await within(peer.ask('start', name, files[name]), limit);
				const apart = deviation(values, expected);
				if (!(apart <= tolerance)) throw new Error(`wrong: off by ${apart.toExponential(1)} of the largest value`);
				row[library] = { firstMs };
				running.set(library, { peer, times: [] });
				peer.rest?.(true);
			} catch (error) {
				const problem = error instanceof Error ? error.message : String(error);
				console.error(`${name}, ${library}: ${problem}`);
				row[library] = { problem: problem.split('\n')[0].slice(0, 120) };
				peer?.close();
			}
		}
		for (let round = 0; round < Number(options.rounds); round++)
			for (const { peer, times } of running.values()) {
				peer.rest?.(false);
				times.push(await peer.ask('time', repeats));
				peer.rest?.(true);
			}
		for (const [library, { peer, times }] of running) {
			Object.assign(row[library], { ms: median(times), low: Math.min(...times), high: Math.max(...times) });
			peer.close();
		}
		console.error(`${title}: ${chosen.map((library) => `${library} ${shown(row[library])}`).join(', ')}`);
	}
	const lines = [
		`| case | ${chosen.map((name) => LIBRARIES[name]).join(' | ')} |`,
		`| --- |${' --- |'.repeat(chosen.length)}`,
		...options.case.map(
			(name) => `| ${spec.CASES[name].title} | ${chosen.map((library) => shown(table[name][library])).join(' | ')} |`,
		),
	];
	console.log(lines.join('\n'));
	if (options.json !== undefined) {
		await mkdir(dirname(options.json), { recursive: true });
		await writeFile(options.json, `${JSON.stringify({ place: options.chromium ? 'Chromium' : 'Node', table }, null, '\t')}\n`);
	}
	if (options.write) {
		const readme = await readFile(join(root, 'README.md'), 'utf8');
		const place = /\| case \| wgrad \|.*\n(\|.*\n)+/;
		if (!place.test(readme)) throw new Error('README.md has no table to replace');
		await writeFile(join(root, 'README.md'), readme.replace(place, `${lines.join('\n')}\n`));
	}
}

/** @param {{ ms?: number, problem?: string } | undefined} cell */
function shown(cell) {
	if (cell === undefined) return '';
	if (cell.ms === undefined) return cell.problem ?? '';
	return cell.ms < 10 ? cell.ms.toFixed(1) : cell.ms.toFixed(0);
}

if (options.help) console.log(USAGE);
else {
	await main();
	process.exit();
}
