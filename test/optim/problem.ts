/**
 * The small problem behind PyTorch's trajectories in the golden files: least squares of a hyperbolic tangent. See
 * test/golden/optim.py.
 */
import { type Device, type DType, optim, type Tensor, tensor, tidy } from 'wgrad';
import { stream } from '../ops/database';

export interface Problem {
	readonly params: readonly [Tensor, Tensor];
	readonly loss: () => Tensor;
}

export function problem(device: Device, dtype: DType): Problem {
	const draw = (name: string, ...shape: number[]): Tensor => {
		const next = stream(name);
		const count = shape.reduce((size, dim) => size * dim, 1);
		const values = Array.from({ length: count }, () => Math.fround(2 * next() - 1));
		return tensor(values, { shape, dtype, device });
	};
	const params = [draw('weight', 3, 5).requiresGrad_(), draw('bias', 3).requiresGrad_()] as const;
	const [x, y] = [draw('x', 16, 5), draw('y', 16, 3)];
	return { params, loss: () => x.matmul(params[0].transpose(0, 1)).add(params[1]).tanh().sub(y).square().mean() };
}

/** All parameters as one list. */
export async function flat(params: readonly Tensor[]): Promise<number[]> {
	const values = await Promise.all(params.map((param) => param.data()));
	return values.flatMap((array) => Array.from(array));
}

/** The optimizers of test/golden/optim.py, with the same options. */
export const OPTIMIZERS: Readonly<Record<string, (params: Iterable<Tensor>) => optim.Optimizer<optim.CommonOptions>>> = {
	rmsprop: (p) => new optim.RMSprop(p),
	'rmsprop centered, momentum': (p) =>
		new optim.RMSprop(p, { lr: 5e-3, alpha: 0.9, eps: 1e-6, centered: true, momentum: 0.9, weightDecay: 0.05 }),
	'rmsprop maximize': (p) => new optim.RMSprop(p, { momentum: 0.5, maximize: true }),
	adagrad: (p) => new optim.Adagrad(p, { lr: 0.1 }),
	'adagrad decay': (p) =>
		new optim.Adagrad(p, { lr: 0.1, lrDecay: 0.1, weightDecay: 0.05, initialAccumulatorValue: 0.5, eps: 1e-6 }),
	adadelta: (p) => new optim.Adadelta(p),
	'adadelta rho': (p) => new optim.Adadelta(p, { lr: 0.5, rho: 0.8, eps: 1e-4, weightDecay: 0.05 }),
	adamax: (p) => new optim.Adamax(p, { lr: 0.02 }),
	'adamax betas': (p) => new optim.Adamax(p, { lr: 0.02, betas: [0.8, 0.95], eps: 1e-4, weightDecay: 0.05, maximize: true }),
	nadam: (p) => new optim.NAdam(p, { lr: 0.02 }),
	'nadam decay': (p) => new optim.NAdam(p, { lr: 0.02, betas: [0.8, 0.95], weightDecay: 0.05, momentumDecay: 0.01 }),
	radam: (p) => new optim.RAdam(p, { lr: 0.02 }),
	'radam betas': (p) => new optim.RAdam(p, { lr: 0.02, betas: [0.8, 0.95], eps: 1e-4, weightDecay: 0.05 }),
};

export function descend({ loss }: Problem, optimizer: optim.Optimizer<optim.CommonOptions>, steps: number): void {
	for (let step = 0; step < steps; step++) {
		tidy(() => {
			optimizer.zeroGrad();
			loss().backward();
			optimizer.step();
		});
	}
}

/** The parameters after every fifth step of 30. */
export async function trajectory(name: string, device: Device, dtype: DType): Promise<number[][]> {
	const made = problem(device, dtype);
	const optimizer = OPTIMIZERS[name]!(made.params);
	const states: number[][] = [];
	for (let i = 0; i < 6; i++) {
		descend(made, optimizer, 5);
		states.push(await flat(made.params));
	}
	return states;
}

/** Four steps of L-BFGS, as in test/golden/optim.py. */
export async function lbfgs(options: Partial<optim.LBFGSOptions>, device: Device, dtype: DType, steps = 4) {
	const { params, loss } = problem(device, dtype);
	const optimizer = new optim.LBFGS(params, options);
	let evaluations = 0;
	const closure = async () => {
		evaluations++;
		return tidy(() => {
			optimizer.zeroGrad();
			const value = loss();
			value.backward();
			return value.detach();
		});
	};
	const [losses, states]: [number[], number[][]] = [[], []];
	for (let step = 0; step < steps; step++) {
		losses.push(await (await optimizer.step(closure)).item());
		states.push(await flat(params));
	}
	return { losses, states, evaluations, optimizer, closure };
}
