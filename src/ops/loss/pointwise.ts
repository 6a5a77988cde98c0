/** Losses that compare each element of the input with the element of the target at its place. */
import { noGrad } from '../../autograd/modes';
import { defineOperation } from '../../autograd/operation';
import type { PairLossOp } from '../../backends/contract/loss';
import { promoteTypes } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
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

/** Derivatives by input a and by target b, of differentiable operations. */
const DERIVATIVES: Record<PairLossOp, { readonly a: Derivative; readonly b: Derivative }> = {
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

/** The unreduced loss in one launch; input and target have been checked. */
function pairLoss(name: string, op: PairLossOp, input: Tensor, target: Tensor, parameter = 0): Tensor {
	return pairLossOperation({ a: input, b: target }, { op, parameter }, { name });
}

const pairLossOperation = defineOperation({
	name: 'mseLoss',
	inputs: ['a', 'b'],
	forward: ({ a, b }, attributes: PairLossAttributes) => {
		const dtype = floatingType(promoteTypes(a.dtype, b.dtype));
		const y = emptyOn(a, a.shape, dtype);
		a.backend.kernels.pairLoss({ a: converted(a, dtype), b: converted(b, dtype) }, { y }, attributes);
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
			gradient.backend.kernels.pairLossGrad(inputs, { da }, attributes);
		}
		return { a: da, b: needs.b && slope('b', gradient, a, b, attributes) };
	},
});

interface PairLossAttributes {
	readonly op: PairLossOp;
	readonly parameter: number;
}

function slope(side: 'a' | 'b', gradient: Tensor, a: Tensor, b: Tensor, { op, parameter }: PairLossAttributes): Tensor {
	const [g, wideA, wideB] = widened(gradient, a, b);
	return mul(g, DERIVATIVES[op][side](wideA, wideB, parameter));
}

function simple(name: string, op: PairLossOp, input: Tensor, target: Tensor, reduction: Reduction, parameter?: number): Tensor {
	requirePair(name, input, target, reduction);
	return inFloat32(name, [input, target], (x, y) => reduced(pairLoss(name, op, x, y, parameter), reduction));
}

/** (input - target)^2. As `torch.nn.functional.mse_loss`, but shapes must be equal. */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
	const { reduction = 'mean' } = checkOptions('mseLoss', options, ['reduction']);
	return simple('mseLoss', 'mse', input, target, reduction);
}

/** |input - target|. As `torch.nn.functional.l1_loss`, but shapes must be equal. */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
	const { reduction = 'mean' } = checkOptions('l1Loss', options, ['reduction']);
	return simple('l1Loss', 'l1', input, target, reduction);
}

export interface SmoothL1Options extends LossOptions {
	/** Where the loss turns from quadratic to linear; 0 is l1Loss. Default 1. */
	readonly beta?: number;
}

/** With d = |input - target|: d^2 / (2 beta) where d < beta, else d - beta / 2. As `torch.nn.functional.smooth_l1_loss`. */
export function smoothL1Loss(input: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
	const { reduction = 'mean', beta = 1 } = checkOptions('smoothL1Loss', options, ['beta', 'reduction']);
	if (!(beta >= 0)) throw new ArgumentError(`smoothL1Loss: beta ${beta} must be at least 0`);
	return simple('smoothL1Loss', beta === 0 ? 'l1' : 'smoothL1', input, target, reduction, beta);
}

export interface HuberOptions extends LossOptions {
	/** Where the loss turns from quadratic to linear. Default 1. */
	readonly delta?: number;
}

/** With d = |input - target|: d^2 / 2 where d <= delta, else delta (d - delta / 2). As `torch.nn.functional.huber_loss`. */
export function huberLoss(input: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
	const { reduction = 'mean', delta = 1 } = checkOptions('huberLoss', options, ['delta', 'reduction']);
	if (!(delta > 0)) throw new ArgumentError(`huberLoss: delta ${delta} must be above 0`);
	return simple('huberLoss', 'huber', input, target, reduction, delta);
}

export interface WeightedOptions extends LossOptions {
	/** A factor for each loss; broadcasts to the input. Default none. */
	readonly weight?: Tensor | null;
}

function weighted(losses: Tensor, weight: Tensor | null): Tensor {
	if (weight === null) return losses;
	requireTensor('loss', weight, 'weight');
	return mul(losses, weight);
}

/**
 * -(target log(input) + (1 - target) log(1 - input)) of probabilities, logarithms cut off at -100. As
 * `torch.nn.functional.binary_cross_entropy`. Of logits use binaryCrossEntropyWithLogits, which keeps the digits.
 */
export function binaryCrossEntropy(input: Tensor, target: Tensor, options: WeightedOptions = {}): Tensor {
	const { reduction = 'mean', weight = null } = checkOptions('binaryCrossEntropy', options, ['weight', 'reduction']);
	requirePair('binaryCrossEntropy', input, target, reduction);
	return inFloat32('binaryCrossEntropy', [input, target, weight], (x, y, w) =>
		reduced(weighted(pairLoss('binaryCrossEntropy', 'bce', x, y), w), reduction),
	);
}

export interface LogitsOptions extends WeightedOptions {
	/** A factor for positive examples, for each class: broadcasts to the input. Default none. */
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
		let losses = pairLoss(name, 'bceWithLogits', x, y);
		if (factor !== null) losses = sub(losses, mul(mul(sub(factor, 1), y), logSigmoid(x)));
		return reduced(weighted(losses, w), reduction);
	});
}

export interface KlDivOptions {
	/** 'batchmean' divides the sum by the batch size, which is the mathematical definition. Default 'mean', over all elements. */
	readonly reduction?: Reduction | 'batchmean';
	/** Whether the target holds logarithms too. Default false. */
	readonly logTarget?: boolean;
}

/** target (log(target) - input) for inputs that are log-probabilities, 0 where the target is. As `torch.nn.functional.kl_div`. */
export function klDiv(input: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
	const { reduction = 'mean', logTarget = false } = checkOptions('klDiv', options, ['reduction', 'logTarget']);
	requirePair('klDiv', input, target, reduction === 'batchmean' ? 'sum' : reduction);
	return inFloat32('klDiv', [input, target], (x, y) => {
		const losses = pairLoss('klDiv', logTarget ? 'klDivLog' : 'klDiv', x, y);
		if (reduction !== 'batchmean') return reduced(losses, reduction);
		return input.ndim === 0 ? sum(losses) : div(sum(losses), input.shape[0]!);
	});
}

export interface PoissonNllOptions extends LossOptions {
	/** Whether the input is the logarithm of the rate. Default true. */
	readonly logInput?: boolean;
	/** Add Stirling's approximation of log(target!) where target > 1. Default false. */
	readonly full?: boolean;
	/** Keeps log(input) finite when `logInput` is false. Default 1e-8. */
	readonly eps?: number;
}

/** e^input - target input, or input - target log(input + eps). As `torch.nn.functional.poisson_nll_loss`. */
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
	/** Add the constant log(2 pi) / 2. Default false. */
	readonly full?: boolean;
	/** Variances below it count as it; their gradient passes nevertheless. Default 1e-6. */
	readonly eps?: number;
}

/**
 * (log(variance) + (input - target)^2 / variance) / 2. `variance` has the shape of the input, or lacks its last dim, or has size 1
 * there. As `torch.nn.functional.gaussian_nll_loss`, without its check that no variance is negative.
 */
export function gaussianNllLoss(input: Tensor, target: Tensor, variance: Tensor, options: GaussianNllOptions = {}): Tensor {
	const { reduction = 'mean', full = false, eps = 1e-6 } = checkOptions('gaussianNllLoss', options, ['full', 'eps', 'reduction']);
	requirePair('gaussianNllLoss', input, target, reduction);
	requireTensor('gaussianNllLoss', variance, 'variance');
	requireSameDevice('gaussianNllLoss', input, variance);
	if (!(eps > 0)) throw new ArgumentError(`gaussianNllLoss: eps ${eps} must be above 0`);
	const outer = input.shape.slice(0, -1);
	const lacking = sameShape(variance.shape, outer) && !sameShape(variance.shape, input.shape);
	if (!lacking && !sameShape(variance.shape, input.shape) && !sameShape(variance.shape, [...outer, 1])) {
		throw new ShapeError(
			`gaussianNllLoss: variance ${formatShape(variance.shape)} fits input ${formatShape(input.shape)} neither whole nor without its last dim. Reshape it`,
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
	readonly margin?: number;
}

/** max(0, margin - target input) for targets 1 and -1; margin 1 by default. */
export function hingeLoss(input: Tensor, target: Tensor, options: MarginOptions = {}): Tensor {
	const { reduction = 'mean', margin = 1 } = checkOptions('hingeLoss', options, ['margin', 'reduction']);
	requirePair('hingeLoss', input, target, reduction);
	return inFloat32('hingeLoss', [input, target], (x, y) => reduced(relu(sub(margin, mul(y, x))), reduction));
}

/** The input where the target is 1, max(0, margin - input) where it is -1; margin 1 by default. As `torch.nn.functional.hinge_embedding_loss`. */
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
