/**
 * A training with the same result everywhere, and a program for workers.ts to start in a worker: it trains, posts its result, and
 * ends by itself.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { crossEntropy, DeviceLostError, init, manualSeed, nn, optim, randint, randn, shutdown, tidy } from 'wgrad';

export interface Task {
	readonly seed: number;
	readonly steps: number;
	/** Whether it also shuts its device down in the middle of a second training, and then ends. */
	readonly breaksOff: boolean;
}

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
	if (task.breaksOff) {
		const broken = goOn().catch((error: unknown) => error);
		await new Promise((resolve) => setTimeout(resolve, task.seed % 20));
		await shutdown();
		if (!((await broken) instanceof DeviceLostError)) throw await broken;
	} else await shutdown();
}
