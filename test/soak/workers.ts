/** Workers that train, some at once, each on its own device, give the bits of the main thread and end by themselves. */
import { rmSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import * as assert from 'uvu/assert';
import { init, shutdown } from 'wgrad';
import { below, type Counts, type Random, requireEnd } from './campaign';
import { bundleProgram, scratchFolder } from './programs';
import { type Task, train } from './worker';

const MOST_AT_ONCE = 3;

/** The message that a worker has posted, once it has ended. */
function work(program: string, task: Task): Promise<unknown> {
	const worker = new Worker(program, { workerData: task });
	const posted: unknown[] = [];
	worker.on('message', (message: unknown) => posted.push(message));
	return new Promise((resolve, reject) => {
		worker.on('error', reject);
		worker.on('exit', (code) => {
			if (code === 0 && posted.length === 1) resolve(posted[0]);
			else reject(new Error(`a worker ended with code ${code} and ${posted.length} messages`));
		});
	});
}

export async function workers(random: Random, deadline: number): Promise<Counts> {
	const counts = { workers: 0, brokenOff: 0 };
	const scratch = scratchFolder('workers');
	try {
		const program = await bundleProgram('test/soak/worker.ts', scratch);
		do {
			const task = () => ({ seed: below(random, 2 ** 31), steps: 1 + below(random, 8), breaksOff: below(random, 3) === 0 });
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
			counts.workers += tasks.length;
			counts.brokenOff += tasks.filter(({ breaksOff }) => breaksOff).length;
		} while (performance.now() < deadline);
		return counts;
	} finally {
		rmSync(scratch, { recursive: true, force: true });
	}
}
