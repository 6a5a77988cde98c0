/**
 * A training with the same result everywhere, and a program for workers.ts to start in a worker: it trains, posts its result, and
 * ends by itself.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { crossEntropy, DeviceLostError, init, manualSeed, nn, optim, randint, randn, shutdown, tidy } from 'wgrad';

export interface Task {
	readonly seed: number;
	readonly steps: number;
	readonly end: End;
}

/**
 * How a worker ends after its training: with an idle device that it shuts down, or in the middle of a further training. Then it shuts the
 * device down, and ends by itself or is terminated, or it leaves the device alone and exits or throws.
 */
export const ENDS = ['idle', 'shutdown', 'terminated', 'exit', 'throw'] as const;
export type End = (typeof ENDS)[number];
export const EXIT_CODE = 7;
export const MESSAGE = 'on purpose';

function step(model: nn.Sequential, optimizer: optim.AdamW) {
	return tidy(() => {
		const loss = crossEntropy(model.forward(randn([16, 8])), randint(0, 4, [16]));
		optimizer.zeroGrad();
		loss.backward();
		optimizer.step();
		return loss;
	});
}

/** The bits of the parameters after `steps`, and a function that continues the training. */
export async function train({ seed, steps }: Task): Promise<{ bits: number[]; goOn: () => Promise<never> }> {
	manualSeed(seed);
	const model = new nn.Sequential(new nn.Linear(8, 16), new nn.ReLU(), new nn.Dropout(0.2), new nn.Linear(16, 4));
	const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-2 });
	for (let i = 0; i < steps; i++) step(model, optimizer).dispose();
	const values = await Promise.all(Object.values(model.stateDict()).map((tensor) => tensor.data()));
	const goOn = async () => {
		for (;;) {
			const loss = step(model, optimizer);
			await loss.item();
			loss.dispose();
		}
	};
	return { bits: values.flatMap((value) => [...new Int32Array(new Float32Array(value).buffer)]), goOn };
}

if (!isMainThread) {
	const task = workerData as Task;
	await init({ device: 'webgpu' });
	const { bits, goOn } = await train(task);
	parentPort!.postMessage(bits);
	if (task.end !== 'idle') {
		goOn().catch((error: unknown) => {
			if (!(error instanceof DeviceLostError)) throw error;
		});
		await new Promise((resolve) => setTimeout(resolve, task.seed % 20));
	}
	if (task.end === 'exit') process.exit(EXIT_CODE);
	if (task.end === 'throw') throw new Error(MESSAGE);
	await shutdown();
	if (task.end === 'terminated') {
		parentPort!.postMessage('down');
		// Nothing that is pending can settle.
		Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
	}
}
