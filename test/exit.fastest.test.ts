/** Programs and workers that end while the device works keep their own exit code and message, and the driver does not crash. */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runFor } from './soak/campaign';
import { bundleProgram, scratchFolder } from './soak/programs';
import { workers } from './soak/workers';

/** Without the library's exit hook one of three such runs (an error) or one of seven (an exit) crashes. */
const RUNS = 6;

let folder: string;
let worker: string;
test.before(async () => {
	folder = scratchFolder('exit');
	worker = await buildWorker();
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

async function run(
	program: string,
	...args: readonly string[]
): Promise<{ code: number | null; signal: string | null; errors: string }> {
	// Without a cache of compiled kernels, so that compilation takes long.
	const env = { ...process.env, MESA_SHADER_CACHE_DISABLE: 'true' };
	const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
	let errors = '';
	child.stderr.on('data', (text) => {
		errors += String(text);
	});
	return new Promise((resolve) => {
		child.on('close', (code, signal) => resolve({ code, signal, errors }));
	});
}

async function inParallel<T>(count: number, fn: () => Promise<T>): Promise<T[]> {
	const results: T[] = [];
	const lane = async () => {
		while (results.length < count) results.push(await fn());
	};
	await Promise.all([lane(), lane()]);
	return results;
}

async function bundled(name: string, text: string): Promise<string> {
	const own = join(folder, name);
	mkdirSync(own);
	const source = join(own, 'source.ts');
	writeFileSync(source, text);
	return bundleProgram(source, own);
}

function build(name: string, end: string): Promise<string> {
	return bundled(
		name,
		`import { init, nn, optim, randn } from 'wgrad';
		await init({ device: 'webgpu' });
		const model = new nn.Sequential(new nn.Linear(64, 64), new nn.ReLU(), new nn.Linear(64, 10));
		const optimizer = new optim.Adam(model.parameters());
		const loss = model.forward(randn([128, 64])).square().mean();
		loss.backward();
		optimizer.step();
		const reads = [loss.data(), ...model.parameters().map((parameter) => parameter.data())];
		for (const read of reads) read.catch(() => {});
		await new Promise((resolve) => setTimeout(resolve, 50));
		${end}`,
	);
}

test('an uncaught error while kernels compile ends the program with its message', async () => {
	const program = await build('throws', `throw new Error('of the program');`);
	for (const { code, signal, errors } of await inParallel(RUNS, () => run(program))) {
		assert.equal([code, signal], [1, null], errors);
		assert.match(errors, 'Error: of the program');
	}
});

test('process.exit with reads pending ends the program with its code', async () => {
	const program = await build('exits', 'process.exit(3);');
	for (const { code, signal, errors } of await inParallel(RUNS, () => run(program)))
		assert.equal([code, signal], [3, null], errors);
});

const WAITS = ['50', '400', '1500'];

/** A program with a worker that trains until a message tells it how to end: `exit`, `throw`, or `shutdown`, after which it is terminated. */
function buildWorker(): Promise<string> {
	return bundled(
		'worker',
		`
		import { init, nn, optim, randn, shutdown, tidy } from 'wgrad';
		import { isMainThread, parentPort, Worker } from 'node:worker_threads';
		if (isMainThread) {
			const [how, wait] = process.argv.slice(2);
			const worker = new Worker(new URL(import.meta.url));
			const next = (event) => new Promise((resolve) => worker.once(event, resolve));
			worker.on('error', ({ message }) => console.error('in the worker: ' + message));
			await next('message');
			await new Promise((resolve) => setTimeout(resolve, Number(wait)));
			const ends = next('exit');
			worker.postMessage(how);
			if (how === 'shutdown') {
				await next('message');
				worker.terminate();
			}
			process.exitCode = 5 + (await ends);
		} else {
			await init({ device: 'webgpu' });
			parentPort.postMessage('ready');
			parentPort.once('message', (how) => {
				if (how === 'exit') process.exit(7);
				if (how === 'throw') throw new Error('on purpose');
				shutdown().then(() => {
					parentPort.postMessage('down');
					// Nothing that is pending can settle.
					Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
				});
			});
			const model = new nn.Sequential(new nn.Linear(64, 64), new nn.ReLU(), new nn.Linear(64, 10));
			const optimizer = new optim.Adam(model.parameters());
			const x = randn([128, 64]);
			const train = async () => {
				for (;;) {
					const loss = tidy(() => {
						const loss = model.forward(x).square().mean();
						optimizer.zeroGrad();
						loss.backward();
						optimizer.step();
						return loss.detach();
					});
					await loss.item();
					loss.dispose();
				}
			};
			train().catch(() => {});
		}`,
	);
}

for (const [how, code, what] of [
	['exit', 12, 'calls process.exit'],
	['throw', 6, 'throws an error'],
	['shutdown', 6, 'has shut down its device and is terminated'],
] as const) {
	test(`a worker that ${what} while it trains ends alone`, async () => {
		for (const wait of WAITS) {
			const ended = await run(worker, how, wait);
			assert.equal([ended.code, ended.signal], [code, null], `after ${wait} ms: ${ended.errors}`);
			if (how === 'throw') assert.match(ended.errors, 'in the worker: on purpose');
		}
	});
}

test('workers that train give the bits of the main thread and end in any way', async () => {
	await runFor(2000, 'workers', workers);
});

test.run();
