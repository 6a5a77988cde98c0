/**
 * Random tensors and dropout. Every call takes the next key of the default generator, so the same seed gives the same bits on every device.
 * Normal numbers may differ by rounding.
 */

import { defineOperation } from '../autograd/operation';
import { setRequiresGrad } from '../autograd/tape';
import type { DeviceName } from '../backends/contract';
import { elementwiseKernels, randomKernels } from '../backends/kernels';
import { backendOf, deviceOfNew } from '../backends/registry';
import { requireFraction, requireInteger } from '../core/checks';
import { type DType, fillValue, isInteger, requireFloating, requireKnownDType } from '../core/dtype';
import { ArgumentError } from '../core/errors';
import { defaultGenerator } from '../core/generator';
import { halfBelow } from '../core/halves';
import { checkOptions, type Leading, leadingOptions } from '../core/options';
import { type RandomKey, randomPermutation } from '../core/philox';
import { runOperation } from '../core/scope';
import { checkShape, type Shape } from '../core/shape';
import { empty, emptyOn, Tensor } from '../tensor';
import { requireFloatingTensor, requireRank, requireTensor } from '../tensorChecks';
import { BATCHED_FORMS } from './windows';

export interface RandomOptions {
	/** Default float32. */
	readonly dtype?: DType;
	/** Default `defaultDevice()`. */
	readonly device?: DeviceName;
	/** Default false. */
	readonly requiresGrad?: boolean;
}

const RANDOM_OPTIONS = ['dtype', 'device', 'requiresGrad'] as const;

function make(
	operation: string,
	shape: Shape,
	{ dtype = 'float32', device = deviceOfNew(), requiresGrad = false }: RandomOptions,
	fill: (out: Tensor) => void,
): Tensor {
	checkShape(operation, shape);
	requireKnownDType(operation, dtype);
	return runOperation(operation, () => {
		const out = empty(shape, dtype, device);
		fill(out);
		if (requiresGrad) setRequiresGrad(out, true);
		return out;
	});
}

/** Draws uniform numbers in [0, 1), of a floating dtype. As `torch.rand`. */
export function rand(shape: Shape, options: RandomOptions = {}): Tensor {
	checkOptions('rand', options, RANDOM_OPTIONS);
	requireFloating('rand', options.dtype ?? 'float32', 'dtype');
	return make('rand', shape, options, (out) =>
		randomKernels(out.backend).randomUniform(
			{},
			{ out },
			{ ...defaultGenerator.next(), low: 0, high: 1, largest: halfBelow(out.dtype, 1) },
		),
	);
}

/** Draws from the standard normal distribution, in a floating dtype. As `torch.randn`. */
export function randn(shape: Shape, options: RandomOptions = {}): Tensor {
	checkOptions('randn', options, RANDOM_OPTIONS);
	requireFloating('randn', options.dtype ?? 'float32', 'dtype');
	return make('randn', shape, options, (out) =>
		randomKernels(out.backend).randomNormal({}, { out }, { ...defaultGenerator.next(), mean: 0, std: 1 }),
	);
}

/** Draws uniform integers from `low` to `high` - 1. `randint(high, shape)` starts at 0. Default dtype int32. As `torch.randint`. */
export function randint(high: number, shape: Shape, options?: RandomOptions): Tensor;
export function randint(low: number, high: number, shape: Shape, options?: RandomOptions): Tensor;
export function randint(first: number, second: number | Shape, third?: Shape | RandomOptions, fourth?: RandomOptions): Tensor {
	const [low, high, shape, options] =
		typeof second === 'number'
			? [first, second, third as Shape, fourth === undefined ? {} : fourth]
			: [0, first, second, (third === undefined ? {} : third) as RandomOptions];
	checkOptions('randint', options, RANDOM_OPTIONS);
	requireInteger('randint', 'low', low, -(2 ** 31), 2 ** 31);
	requireInteger('randint', 'high', high, -(2 ** 31), 2 ** 31);
	if (low >= high) throw new ArgumentError(`randint: low ${low} must be below high ${high}`);
	const { dtype = 'int32', ...rest } = options;
	requireKnownDType('randint', dtype);
	for (const value of isInteger(dtype) ? [low, high - 1] : []) fillValue('randint', dtype, value);
	const integers = make('randint', shape, { ...rest, dtype: 'int32', requiresGrad: false }, (out) =>
		randomKernels(out.backend).randomInteger({}, { out }, { ...defaultGenerator.next(), low, high }),
	);
	if (dtype === 'int32') return integers;
	return runOperation('randint', () => {
		const converted = emptyOn(integers, shape, dtype);
		elementwiseKernels(converted.backend).cast({ x: integers }, { y: converted }, {});
		integers.dispose();
		if (options.requiresGrad) setRequiresGrad(converted, true);
		return converted;
	});
}

/** Draws a permutation of 0 .. n - 1, int32 [n], on the host. As `torch.randperm`. */
export function randperm(n: number, options: Pick<RandomOptions, 'device'> = {}): Tensor {
	const { device = deviceOfNew() } = checkOptions('randperm', options, ['device']);
	requireInteger('randperm', 'n', n, 0, 2 ** 31);
	const permutation = randomPermutation(defaultGenerator.next(), n);
	return runOperation('randperm', () => new Tensor(backendOf(device).upload(permutation, 'int32'), [n]));
}

/** Draws 1 with the probability in each element of floating `p`, else 0, in p's dtype. Has no gradient. As `torch.bernoulli`. */
export function bernoulli(p: Tensor): Tensor {
	requireFloatingTensor('bernoulli', p, 'p');
	return runOperation('bernoulli', () => {
		const out = emptyOn(p, p.shape);
		randomKernels(p.backend).bernoulli({ p }, { out }, defaultGenerator.next());
		return out;
	});
}

/** Draws uniform numbers in [0, 1) with the shape, dtype and device of `x`. As `torch.rand_like`. */
export function randLike(x: Tensor, options: RandomOptions = {}): Tensor {
	checkOptions('randLike', options, RANDOM_OPTIONS);
	requireTensor('randLike', x);
	return rand(x.shape, { dtype: x.dtype, device: x.device, ...options });
}

/** Draws from the standard normal distribution with the shape, dtype and device of `x`. As `torch.randn_like`. */
export function randnLike(x: Tensor, options: RandomOptions = {}): Tensor {
	checkOptions('randnLike', options, RANDOM_OPTIONS);
	requireTensor('randnLike', x);
	return randn(x.shape, { dtype: x.dtype, device: x.device, ...options });
}

export interface DropoutOptions {
	/** The probability of zeroing an element. Default 0.5. */
	readonly p?: number;
	/** Whether to drop at all. Default true, as in `torch.nn.functional.dropout`. */
	readonly training?: boolean;
}

/**
 * Zeroes each element of floating x with probability p and multiplies the others by 1 / (1 - p). The mask is not stored: the backward pass
 * draws it again from the same key. As `torch.nn.functional.dropout`.
 */
export function dropout(x: Tensor, ...given: Leading<[p: number, training: boolean], DropoutOptions>): Tensor {
	return dropGroups('dropout', x, dropoutOptions('dropout', given), 1);
}

/** Zeroes whole feature maps of x, [N, C, H, W] or [C, H, W], with probability p. As `torch.nn.functional.dropout2d`. */
export function dropout2d(x: Tensor, ...given: Leading<[p: number, training: boolean], DropoutOptions>): Tensor {
	const options = dropoutOptions('dropout2d', given);
	requireTensor('dropout2d', x);
	requireRank('dropout2d', 'input', x, BATCHED_FORMS[2], 3, 4);
	return dropGroups('dropout2d', x, options, Math.max(1, x.shape.at(-1)! * x.shape.at(-2)!));
}

function dropoutOptions(operation: string, given: readonly unknown[]): DropoutOptions {
	return checkOptions(operation, leadingOptions<DropoutOptions>(operation, given, ['p', 'training']), ['p', 'training']);
}

function dropGroups(operation: string, x: Tensor, { p = 0.5, training = true }: DropoutOptions, group: number): Tensor {
	requireFloatingTensor(operation, x);
	requireFraction(operation, 'p', p);
	if (!training || p === 0) return x;
	return dropoutOperation({ x }, { ...defaultGenerator.next(), p, group }, { name: operation });
}

/** y = x * mask / (1 - p). It is linear, so its VJP is the same operation. */
const dropoutOperation = defineOperation({
	name: 'dropout',
	inputs: ['x'],
	forward: ({ x }, attributes: RandomKey & { readonly p: number; readonly group: number }) => {
		const y = emptyOn(x, x.shape);
		randomKernels(x.backend).dropout({ x }, { y }, attributes);
		return y;
	},
	vjp: (gradient, _, attributes, _needs, name): { x: Tensor } => ({ x: dropoutOperation({ x: gradient }, attributes, { name }) }),
});
