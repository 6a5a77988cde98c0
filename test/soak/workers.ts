/** Workers that train, some at once, each on its own device, give the bits of the main thread and end in any way without a crash. */
import { rmSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import * as assert from 'uvu/assert';
import { init, shutdown } from 'wgrad';
import { below, type Counts, pick, type Random, requireEnd } from './campaign';
import { bundleProgram, scratchFolder } from './programs';
import { ENDS, type End, EXIT_CODE, MESSAGE, type Task, train } from './worker';

const MOST_AT_ONCE = 3;

/** The bits that a worker has posted, once it has ended as it must. */
function work(program: string, task: Task): Promise<unknown> {
	const worker = new Worker(program, { workerData: task });
	let posted: unknown;
	let thrown = '';
	worker.on('message', (message: unknown) => {
		if (message === 'down') void worker.terminate();
		else posted = message;
	});
	worker.on('error', (error: Error) => {
		thrown = error.message;
	});
	return new Promise((resolve, reject) => {
		worker.on('exit', (code) => {
			const expected = { code: CODES[task.end], thrown: task.end === 'throw' ? MESSAGE : '' };
			if (code === expected.code && thrown === expected.thrown) resolve(posted);
			else reject(new Error(`a worker ended with code ${code} and the error '${thrown}'`));
		});
	});
}

const CODES: Record<End, number> = { idle: 0, shutdown: 0, terminated: 1, exit: EXIT_CODE, throw: 1 };

export async function workers(random: Random, deadline: number): Promise<Counts> {
	const counts: Record<string, number> = {};
	const scratch = scratchFolder('workers');
	try {
		const program = await bundleProgram('test/soak/worker.ts', scratch);
		do {
			const task = () => ({ seed: below(random, 2 ** 31), steps: 1 + below(random, 8), end: pick(random, ENDS) });
			const tasks = Array.from({ length: 1 + below(random, MOST_AT_ONCE) }, task);
			const what = JSON.stringify(tasks);
			// The main thread trains at the same time.
			const own = async () => {
				await init({ device: 'webgpu' });
				const all: number[][] = [];
				for (const task of tasks) all.push((await train(task)).bits);
				return all;
			};
			const [expected, ...found] = await requireEnd(what, Promise.all([own(), ...tasks.map((task) => work(program, task))]));
			assert.equal(found, expected, what);
			await shutdown();
			for (const { end } of tasks) counts[end] = (counts[end] ?? 0) + 1;
		} while (performance.now() < deadline);
		return counts;
	} finally {
		rmSync(scratch, { recursive: true, force: true });
	}
}
