/** Batch normalization over the batches of all ranks. */
import { customOp } from '../autograd/custom';
import { noGrad } from '../autograd/modes';
import { requireInstance } from '../core/checks';
import { DeviceError, formatShape, ShapeError } from '../core/errors';
import { Module } from '../nn';
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from '../nn/normalization';
import type { Parameter } from '../nn/parameter';
import { tensor } from '../ops/creation';
import { add, div, mul, rsqrt, square, sub } from '../ops/elementwise';
import { add_, mul_ } from '../ops/inplace';
import { contiguous, reshape } from '../ops/layout';
import { sum } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { alike } from './collectives';
import type { Values } from './communicator';
import { communicatorOf } from './group';

type BatchNorm = BatchNorm1d | BatchNorm2d | BatchNorm3d;

/** The sum over the ranks, and of its gradient. It waits within the call, which only the CPU's memory allows. */
const sumOverRanks = customOp({
	name: 'SyncBatchNorm',
	forward: (_, x: Tensor) => summed(x),
	backward: (_, gradient) => sumOverRanks(gradient),
}) as (x: Tensor) => Tensor;

function summed(x: Tensor): Tensor {
	const whole = contiguous(x);
	const all = whole.storage.hostData!() as Values;
	const own = all.slice(whole.offset, whole.offset + whole.size);
	const total = alike(own, own.length);
	communicatorOf('SyncBatchNorm').allReduceNow(own, total, 'sum', 'SyncBatchNorm');
	return tensor(total, { shape: x.shape, dtype: x.dtype, device: 'cpu' });
}

/**
 * Batch normalization that uses mean and variance of the whole global batch, [N, C, ...], in training. The ranks' batches may differ in size. Parameters,
 * buffers and state are those of the BatchNorm that it replaces. As `torch.nn.SyncBatchNorm`; make it by `convertSyncBatchNorm`.
 *
 * Only on the CPU: the forward pass needs the sums of the other ranks at once, and the memory of a GPU cannot be read without waiting for the event
 * loop. On GPUs use larger batches a rank, or GroupNorm.
 */
export class SyncBatchNorm extends Module {
	readonly weight: Parameter | null;
	readonly bias: Parameter | null;
	readonly #eps: number;
	readonly #momentum: number | null;
	readonly #original: BatchNorm;

	/** Takes over the parameters and buffers of `original`. */
	constructor(original: BatchNorm) {
		super();
		this.#original = original;
		this.weight = original.weight;
		this.bias = original.bias;
		this.#eps = original.options.eps ?? 1e-5;
		this.#momentum = original.options.momentum === undefined ? 0.1 : original.options.momentum;
		for (const [name, buffer] of original.namedBuffers()) this.registerBuffer(name, buffer);
		this.training = original.training;
	}

	override forward(input: Tensor): Tensor {
		requireTensor('SyncBatchNorm', input);
		this.#original.training = this.training;
		const tracks = this.#original.options.trackRunningStats ?? true;
		if (!this.training && tracks) return this.#original.forward(input);
		if (input.device !== 'cpu')
			throw new DeviceError(
				`SyncBatchNorm: it works on the CPU only, because a forward pass cannot wait for a GPU. The input ${formatShape(input.shape)} is on ${input.device}. Use larger batches a rank, or GroupNorm`,
			);
		const channels = this.#original.numFeatures;
		if (input.ndim < 2 || input.shape[1] !== channels)
			throw new ShapeError(`SyncBatchNorm: input must be [N, ${channels}, ...], not ${formatShape(input.shape)}`);
		return tidy(() => this.#normalize(input, tracks));
	}

	#normalize(input: Tensor, tracks: boolean): Tensor {
		const dims = input.shape.flatMap((_, dim) => (dim === 1 ? [] : [dim]));
		const form = input.shape.map((size, dim) => (dim === 1 ? size : 1));
		const channels = input.shape[1]!;
		const count = Float64Array.of(input.size / channels);
		const counts = new Float64Array(1);
		communicatorOf('SyncBatchNorm').allReduceNow(count, counts, 'sum', 'SyncBatchNorm');
		const n = counts[0]!;
		// Two passes, as everywhere: E[x²] - E[x]² would lose digits.
		const mean = div(sumOverRanks(sum(input, dims)), n);
		const centred = sub(input, reshape(mean, form));
		const variance = div(sumOverRanks(sum(square(centred), dims)), n);
		if (tracks) noGrad(() => this.#track(mean, variance, n));
		let output = mul(centred, reshape(rsqrt(add(variance, this.#eps)), form));
		if (this.weight !== null) output = mul(output, reshape(this.weight, form));
		return this.bias === null ? output : add(output, reshape(this.bias, form));
	}

	/** Moves the running statistics, the unbiased variance among them, towards those of the batch. */
	#track(mean: Tensor, variance: Tensor, n: number): void {
		const count = this.buffer('num_batches_tracked');
		add_(count, 1);
		const weight = this.#momentum ?? 1 / Number(count.storage.hostData!()[count.offset]);
		const unbiased = mul(variance, n / Math.max(1, n - 1));
		for (const [name, value] of [
			['running_mean', mean],
			['running_var', unbiased],
		] as const)
			add_(mul_(this.buffer(name), 1 - weight), mul(value, weight));
	}
}

/** Replaces every BatchNorm of a model by a SyncBatchNorm with its parameters, in place, and returns the model. Do it before `wrap`. */
export function convertSyncBatchNorm<M extends Module>(model: M): M {
	requireInstance('convertSyncBatchNorm', 'the model', model, Module, 'a module');
	for (const parent of model.modules()) {
		for (const [name, child] of parent.namedChildren()) {
			if (child instanceof BatchNorm1d || child instanceof BatchNorm2d || child instanceof BatchNorm3d)
				parent.addModule(name, new SyncBatchNorm(child) as never);
		}
	}
	return model;
}
