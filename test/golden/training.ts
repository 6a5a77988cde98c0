/** The training runs with PyTorch's losses in golden files: the same weights, images and steps, drawn from the same stream. */
import { crossEntropy, type Device, type DType, noGrad, optim, type Tensor, tensor, tidy } from 'wgrad';
import { mnistCnn } from '../../examples/mnist/model';
import { stream } from '../ops/database';
import golden from './training.json';

export { golden };
export type Run = 'sgd' | 'adam' | 'amsgrad' | 'adamw';
export const RUNS: readonly Run[] = ['sgd', 'adam', 'amsgrad', 'adamw'];

const BATCH = 16;
const STEPS = 20;

function draws(name: string, count: number, scale: number): number[] {
	const next = stream(name);
	return Array.from({ length: count }, () => Math.fround((2 * next() - 1) * scale));
}

function optimizerOf(run: Run, parameters: Tensor[]): optim.SGD | optim.Adam {
	switch (run) {
		case 'sgd':
			return new optim.SGD(parameters, { lr: 0.005, momentum: 0.9, nesterov: true, weightDecay: 1e-3 });
		case 'adam':
			return new optim.Adam(parameters, { lr: 2e-4, weightDecay: 1e-2 });
		case 'amsgrad':
			return new optim.Adam(parameters, { lr: 2e-4, amsgrad: true });
		case 'adamw':
			return new optim.AdamW(parameters, { lr: 2e-4, weightDecay: 0.1 });
	}
}

export interface TrainingResult {
	readonly losses: number[];
	/** The sum of squares of each parameter after 20 steps, the last step in the golden files. */
	readonly squares: Record<string, number>;
	/** All parameters at the end. */
	readonly parameters: ArrayLike<number>[];
}

function sumOfSquares(values: Awaited<ReturnType<Tensor['data']>>): number {
	let sum = 0;
	for (const value of values) sum += value * value;
	return sum;
}

/** Trains the network of `npm start` for 20 steps or more on one batch of noise, and reports every loss. */
export async function trainOnNoise(run: Run, device: Device, dtype: DType, steps = STEPS): Promise<TrainingResult> {
	const model = mnistCnn();
	model.to(dtype);
	await model.to(device);
	noGrad(() =>
		tidy(() => {
			for (const [name, parameter] of model.namedParameters()) {
				const fan = parameter.ndim > 1 ? parameter.size / parameter.shape[0]! : parameter.size;
				const values = draws(name, parameter.size, 1 / Math.sqrt(fan));
				parameter.copy_(tensor(values, { shape: parameter.shape, dtype, device }));
			}
		}),
	);
	const images = tensor(draws('images', BATCH * 784, 1), { shape: [BATCH, 1, 28, 28], dtype, device });
	const labels = tensor(
		Int32Array.from({ length: BATCH }, (_, i) => i % 10),
		{ device },
	);
	const optimizer = optimizerOf(run, model.parameters());
	const losses: number[] = [];
	const squares: Record<string, number> = {};
	for (let step = 0; step < steps; step++) {
		using loss = tidy(() => {
			optimizer.zeroGrad();
			const result = crossEntropy(model.forward(images), labels);
			result.backward();
			optimizer.step();
			return result.detach();
		});
		losses.push(await loss.item());
		if (step === STEPS - 1)
			for (const [name, parameter] of model.namedParameters()) squares[name] = sumOfSquares(await parameter.data());
	}
	const parameters = await Promise.all(model.parameters().map((parameter) => parameter.data()));
	return { losses, squares, parameters };
}
