/** Losses that compare each element of the input with the target's element at the same position. */

import { noGrad } from '../../autograd/modes';
import { defineOperation } from '../../autograd/operation';
import type { PointwiseLossOp } from '../../backends/contract/loss';
import { lossKernels } from '../../backends/kernels';
import { requireNonNegative, requirePositive } from '../../core/checks';
import { widerType } from '../../core/dtype';
import { formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { sameShape } from '../../core/shape';
import { emptyOn, type Tensor } from '../../tensor';
import { requireSameDevice, requireTensor } from '../../tensorChecks';
import { inFloat32, widened } from '../composed';
import {
	abs,
	add,
	clamp,
	div,
	eq,
	exp,
	gt,
	le,
	log,
	log1p,
	logSigmoid,
	lt,
	mul,
	ne,
	neg,
	relu,
	sigmoid,
	sign,
	square,
	sub,
	where,
} from '../elementwise';
import { reshape } from '../layout';
import { converted, floatingType } from '../operands';
import { sum } from '../reduce';
import { type LossOptions, type Reduction, reduced, requirePair } from './reduction';

type Derivative = (a: Tensor, b: Tensor, parameter: number) => Tensor;

/** The derivatives by input a and by target b, in differentiable operations. */
const DERIVATIVES: Record<PointwiseLossOp, { readonly a: Derivative; readonly b: Derivative }> = {
	mse: { a: (a, b) => mul(sub(a, b), 2), b: (a, b) => mul(sub(b, a), 2) },
	l1: { a: (a, b) => sign(sub(a, b)), b: (a, b) => sign(sub(b, a)) },
	smoothL1: { a: smoothSlope, b: (a, b, beta) => smoothSlope(b, a, beta) },
	huber: { a: huberSlope, b: (a, b, delta) => huberSlope(b, a, delta) },
	bce: {
		a: (a, b) => div(sub(a, b), clamp(mul(a, sub(1, a)), { min: 1e-12 })),
		b: (a) => sub(clamp(log1p(neg(a)), { min: -100 }), clamp(log(a), { min: -100 })),
	},
	bceWithLogits: { a: (a, b) => sub(sigmoid(a), b), b: (a) => neg(a) },
	klDiv: { a: (_, b) => neg(b), b: (a, b) => where(eq(b, 0), 0, sub(add(log(where(eq(b, 0), 1, b)), 1), a)) },
	klDivLog: { a: (_, b) => neg(exp(b)), b: (a, b) => mul(exp(b), add(sub(b, a), 1)) },
};

function smoothSlope(a: Tensor, b: Tensor, beta: number): Tensor {
	const difference = sub(a, b);
	return where(lt(abs(difference), beta), div(difference, beta), sign(difference));
}

function huberSlope(a: Tensor, b: Tensor, delta: number): Tensor {
	const difference = sub(a, b);
	return where(le(abs(difference), delta), difference, mul(sign(difference), delta));
}

/** The unreduced loss, in one launch. The caller checks input and target. */
function pointwiseLoss(name: string, op: PointwiseLossOp, input: Tensor, target: Tensor, parameter = 0): Tensor {
	return pointwiseLossOperation({ a: input, b: target }, { op, parameter }, { name });
}

const pointwiseLossOperation = defineOperation({
	name: 'mseLoss',
	inputs: ['a', 'b'],
	forward: ({ a, b }, attributes: PointwiseLossAttributes) => {
		const dtype = floatingType(widerType(a.dtype, b.dtype));
		const y = emptyOn(a, a.shape, dtype);
		lossKernels(a.backend).pointwiseLoss({ a: converted(a, dtype), b: converted(b, dtype) }, { y }, attributes);
		return y;
	},
	saves: ['a', 'b'],
	vjp: (gradient, { a, b }, attributes, needs) => ({
		a: needs.a && slope('a', gradient, a, b, attributes),
		b: needs.b && slope('b', gradient, a, b, attributes),
	}),
	fusedVjp: (gradient, { a, b }, attributes, needs) => {
		const { dtype } = gradient;
		const da = needs.a && emptyOn(gradient, gradient.shape, dtype);
		if (da) {
			const inputs = { a: converted(a, dtype), b: converted(b, dtype), gradient };
			lossKernels(gradient.backend).pointwiseLossGrad(inputs, { da }, attributes);
		}
		return { a: da, b: needs.b && slope('b', gradient, a, b, attributes) };
	},
});

interface PointwiseLossAttributes {
	readonly op: PointwiseLossOp;
	readonly parameter: number;
}

function slope(side: 'a' | 'b', gradient: Tensor, a: Tensor, b: Tensor, { op, parameter }: PointwiseLossAttributes): Tensor {
	const [g, wideA, wideB] = widened(gradient, a, b);
	return mul(g, DERIVATIVES[op][side](wideA, wideB, parameter));
}

function simple(
	name: string,
	op: PointwiseLossOp,
	input: Tensor,
	target: Tensor,
	reduction: Reduction,
	parameter?: number,
): Tensor {
	requirePair(name, input, target, reduction);
	return inFloat32(name, [input, target], (x, y) => reduced(pointwiseLoss(name, op, x, y, parameter), reduction));
}

/** (input - target)^2. As `torch.nn.functional.mse_loss`, but throws if the shapes differ. */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
	const { reduction = 'mean' } = checkOptions('mseLoss', options, ['reduction']);
	return simple('mseLoss', 'mse', input, target, reduction);
}

/** |input - target|. As `torch.nn.functional.l1_loss`, but throws if the shapes differ. */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
	const { reduction = 'mean' } = checkOptions('l1Loss', options, ['reduction']);
	return simple('l1Loss', 'l1', input, target, reduction);
}

export interface SmoothL1Options extends LossOptions {
	/** The difference at which the loss turns from quadratic to linear. 0 gives l1Loss. Default 1. */
	readonly beta?: number;
}

/** With d = |input - target|: d^2 / (2 beta) if d < beta, else d - beta / 2. As `torch.nn.functional.smooth_l1_loss`. */
export function smoothL1Loss(input: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
	const { reduction = 'mean', beta = 1 } = checkOptions('smoothL1Loss', options, ['beta', 'reduction']);
	requireNonNegative('smoothL1Loss', 'beta', beta);
	return simple('smoothL1Loss', beta === 0 ? 'l1' : 'smoothL1', input, target, reduction, beta);
}

export interface HuberOptions extends LossOptions {
	/** The difference at which the loss turns from quadratic to linear. Default 1. */
	readonly delta?: number;
}

/** With d = |input - target|: d^2 / 2 if d <= delta, else delta (d - delta / 2). As `torch.nn.functional.huber_loss`. */
export function huberLoss(input: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
	const { reduction = 'mean', delta = 1 } = checkOptions('huberLoss', options, ['delta', 'reduction']);
	requirePositive('huberLoss', 'delta', delta);
	return simple('huberLoss', 'huber', input, target, reduction, delta);
}

export interface WeightedOptions extends LossOptions {
	/** A factor for each element of the loss. Broadcasts to the input. Default none. */
	readonly weight?: Tensor | null;
}

function weighted(losses: Tensor, weight: Tensor | null): Tensor {
	if (weight === null) return losses;
	requireTensor('loss', weight, 'weight');
	return mul(losses, weight);
}

/**
 * -(target log(input) + (1 - target) log(1 - input)) for probabilities. Logarithms are at least -100. For logits use
 * binaryCrossEntropyWithLogits, which is more accurate. As `torch.nn.functional.binary_cross_entropy`.
 */
export function binaryCrossEntropy(input: Tensor, target: Tensor, options: WeightedOptions = {}): Tensor {
	const { reduction = 'mean', weight = null } = checkOptions('binaryCrossEntropy', options, ['weight', 'reduction']);
	requirePair('binaryCrossEntropy', input, target, reduction);
	return inFloat32('binaryCrossEntropy', [input, target, weight], (x, y, w) =>
		reduced(weighted(pointwiseLoss('binaryCrossEntropy', 'bce', x, y), w), reduction),
	);
}

export interface LogitsOptions extends WeightedOptions {
	/** A factor for the positive examples of each class. Broadcasts to the input. Default none. */
	readonly posWeight?: Tensor | null;
}

/**
 * -(posWeight target log(sigmoid(input)) + (1 - target) log(1 - sigmoid(input))), without overflow. As
 * `torch.nn.functional.binary_cross_entropy_with_logits`.
 */
export function binaryCrossEntropyWithLogits(input: Tensor, target: Tensor, options: LogitsOptions = {}): Tensor {
	const {
		reduction = 'mean',
		weight = null,
		posWeight = null,
	} = checkOptions('binaryCrossEntropyWithLogits', options, ['posWeight', 'weight', 'reduction']);
	const name = 'binaryCrossEntropyWithLogits';
	requirePair(name, input, target, reduction);
	if (posWeight !== null) requireTensor(name, posWeight, 'posWeight');
	return inFloat32('binaryCrossEntropyWithLogits', [input, target, weight, posWeight], (x, y, w, factor) => {
		let losses = pointwiseLoss(name, 'bceWithLogits', x, y);
		if (factor !== null) losses = sub(losses, mul(mul(sub(factor, 1), y), logSigmoid(x)));
		return reduced(weighted(losses, w), reduction);
	});
}

export interface KlDivOptions {
	/** 'batchmean' divides the sum by the batch size, as the definition of the divergence does. Default 'mean', over all elements. */
	readonly reduction?: Reduction | 'batchmean';
	/** Whether the target holds logarithms, like the input. Default false. */
	readonly logTarget?: boolean;
}

/** target (log(target) - input) for log-probabilities as input, and 0 for a target of 0. As `torch.nn.functional.kl_div`. */
export function klDiv(input: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
	const { reduction = 'mean', logTarget = false } = checkOptions('klDiv', options, ['reduction', 'logTarget']);
	requirePair('klDiv', input, target, reduction === 'batchmean' ? 'sum' : reduction);
	return inFloat32('klDiv', [input, target], (x, y) => {
		const losses = pointwiseLoss('klDiv', logTarget ? 'klDivLog' : 'klDiv', x, y);
		if (reduction !== 'batchmean') return reduced(losses, reduction);
		return input.ndim === 0 ? sum(losses) : div(sum(losses), input.shape[0]!);
	});
}

export interface PoissonNllOptions extends LossOptions {
	/** Whether the input is the logarithm of the rate. Default true. */
	readonly logInput?: boolean;
	/** Whether to add Stirling's approximation of log(target!) for targets above 1. Default false. */
	readonly full?: boolean;
	/** Keeps log(input) finite if `logInput` is false. Default 1e-8. */
	readonly eps?: number;
}

/** e^input - target input, or input - target log(input + eps) without `logInput`. As `torch.nn.functional.poisson_nll_loss`. */
export function poissonNllLoss(input: Tensor, target: Tensor, options: PoissonNllOptions = {}): Tensor {
	const {
		reduction = 'mean',
		logInput = true,
		full = false,
		eps = 1e-8,
	} = checkOptions('poissonNllLoss', options, ['logInput', 'full', 'eps', 'reduction']);
	requirePair('poissonNllLoss', input, target, reduction);
	return inFloat32('poissonNllLoss', [input, target], (x, count) => {
		let losses = logInput ? sub(exp(x), mul(count, x)) : sub(x, mul(count, log(add(x, eps))));
		if (full) {
			const large = where(gt(count, 1), count, 2);
			const stirling = add(sub(mul(large, log(large)), large), mul(log(mul(large, 2 * Math.PI)), 0.5));
			losses = add(losses, where(gt(count, 1), stirling, 0));
		}
		return reduced(losses, reduction);
	});
}

export interface GaussianNllOptions extends LossOptions {
	/** Whether to add the constant log(2 pi) / 2. Default false. */
	readonly full?: boolean;
	/** The least variance. The gradient of smaller ones passes as if they were not raised. Default 1e-6. */
	readonly eps?: number;
}

/**
 * (log(variance) + (input - target)^2 / variance) / 2. `variance` has the shape of the input, with its last dim, with size 1 there, or
 * without that dim. As `torch.nn.functional.gaussian_nll_loss`, but without its check for negative variances.
 */
export function gaussianNllLoss(input: Tensor, target: Tensor, variance: Tensor, options: GaussianNllOptions = {}): Tensor {
	const { reduction = 'mean', full = false, eps = 1e-6 } = checkOptions('gaussianNllLoss', options, ['full', 'eps', 'reduction']);
	requirePair('gaussianNllLoss', input, target, reduction);
	requireTensor('gaussianNllLoss', variance, 'variance');
	requireSameDevice('gaussianNllLoss', input, variance);
	requirePositive('gaussianNllLoss', 'eps', eps);
	const outer = input.shape.slice(0, -1);
	const lacking = sameShape(variance.shape, outer) && !sameShape(variance.shape, input.shape);
	if (!lacking && !sameShape(variance.shape, input.shape) && !sameShape(variance.shape, [...outer, 1])) {
		throw new ShapeError(
			`gaussianNllLoss: variance ${formatShape(variance.shape)} must have the shape of input ${formatShape(input.shape)}, with or without its last dim. Reshape it`,
		);
	}
	return inFloat32('gaussianNllLoss', [input, target, variance], (x, y, given) => {
		const v = lacking ? reshape(given, [...outer, 1]) : given;
		const raised = add(
			v,
			noGrad(() => sub(clamp(v, { min: eps }), v)),
		);
		let losses = mul(add(log(raised), div(square(sub(x, y)), raised)), 0.5);
		if (full) losses = add(losses, 0.5 * Math.log(2 * Math.PI));
		return reduced(losses, reduction);
	});
}

export interface MarginOptions extends LossOptions {
	/** Default 1. */
	readonly margin?: number;
}

/** max(0, margin - target input) for targets 1 and -1. */
export function hingeLoss(input: Tensor, target: Tensor, options: MarginOptions = {}): Tensor {
	const { reduction = 'mean', margin = 1 } = checkOptions('hingeLoss', options, ['margin', 'reduction']);
	requirePair('hingeLoss', input, target, reduction);
	return inFloat32('hingeLoss', [input, target], (x, y) => reduced(relu(sub(margin, mul(y, x))), reduction));
}

/** The input for target 1, max(0, margin - input) for target -1. As `torch.nn.functional.hinge_embedding_loss`. */
export function hingeEmbeddingLoss(input: Tensor, target: Tensor, options: MarginOptions = {}): Tensor {
	const { reduction = 'mean', margin = 1 } = checkOptions('hingeEmbeddingLoss', options, ['margin', 'reduction']);
	requirePair('hingeEmbeddingLoss', input, target, reduction);
	return inFloat32('hingeEmbeddingLoss', [input, target], (x, y) => {
		const near = where(ne(y, -1), x, 0);
		const far = where(ne(y, 1), clamp(sub(margin, x), { min: 0 }), 0);
		return reduced(add(near, far), reduction);
	});
}

/** log(1 + exp(-target input)) for targets 1 and -1, without overflow. As `torch.nn.functional.soft_margin_loss`. */
export function softMarginLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
	const { reduction = 'mean' } = checkOptions('softMarginLoss', options, ['reduction']);
	requirePair('softMarginLoss', input, target, reduction);
	return inFloat32('softMarginLoss', [input, target], (x, y) => reduced(neg(logSigmoid(mul(y, x))), reduction));
}
