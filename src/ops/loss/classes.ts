/** Losses that compare class scores with classes. */

import { isGradEnabled } from '../../autograd/modes';
import { defineOperation } from '../../autograd/operation';
import type { CrossEntropyAttributes } from '../../backends/contract/loss';
import { layoutKernels, lossKernels } from '../../backends/kernels';
import { requireFraction, requireInteger, requireOneOf } from '../../core/checks';
import { isFloating, requireDType, requireFloating } from '../../core/dtype';
import { AutogradError, formatShape, ShapeError } from '../../core/errors';
import type { IndexCheck } from '../../core/indexCheck';
import { checkOptions } from '../../core/options';
import { MAX_RANK, numel, type Shape, sameShape } from '../../core/shape';
import { emptyOn, packed, type Tensor } from '../../tensor';
import { requireFloatingTensor, requireRank, requireSameDevice, requireShape, requireTensor } from '../../tensorChecks';
import { inFloat32, widened } from '../composed';
import { arange } from '../creation';
import { add, div, eq, mul, neg, pow, relu, sub, where } from '../elementwise';
import { indexSelect } from '../indexing';
import { boundsCheck, gathered } from '../indexing/gather';
import { reshape, unsqueeze } from '../layout';
import { converted } from '../operands';
import { sum } from '../reduce';
import { logSoftmax, softmax } from '../softmax';
import { type LossOptions, reduced, requireReduction } from './reduction';

const CLASS_DTYPES = ['int32'] as const;
const MARGIN_POWERS = [1, 2] as const;

export interface NllOptions extends LossOptions {
	/** A factor for each class, [C]. The mean divides by the sum of the factors of the targets. It gets no gradient. Default none. */
	readonly weight?: Tensor | null;
	/** The target that is ignored, also in the count of the mean. Default -100. */
	readonly ignoreIndex?: number;
}

export interface CrossEntropyOptions extends NllOptions {
	/** The share of the target, from 0 to 1, that is spread evenly over all classes. Default 0. */
	readonly labelSmoothing?: number;
}

/**
 * The cross-entropy of softmax(input) and the target, computed from logits without overflow. As `torch.nn.functional.cross_entropy`.
 *
 * `input` is floating, [C], [N, C] or [N, C, d1, ...]. `target` holds either classes, int32 of shape [], [N] or [N, d1, ...], or
 * probabilities, floating and of the input's shape. If every target is ignored the mean is NaN. A target that is no class throws: on WebGPU
 * at the next read, `sync()` or `step()`.
 */
export function crossEntropy(input: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
	const {
		reduction = 'mean',
		weight = null,
		ignoreIndex = -100,
		labelSmoothing = 0,
	} = checkOptions('crossEntropy', options, ['labelSmoothing', 'weight', 'ignoreIndex', 'reduction']);
	requireReduction('crossEntropy', reduction);
	requireTensor('crossEntropy', input);
	requireTensor('crossEntropy', target, 'target');
	requireFraction('crossEntropy', 'labelSmoothing', labelSmoothing);
	if (isFloating(target.dtype)) return softCrossEntropy(input, target, { reduction, weight, labelSmoothing });
	return classLoss('crossEntropy', input, target, weight, { ignoreIndex, labelSmoothing, logits: true, reduction });
}

/**
 * -input[target] for log-probabilities. Shapes, options and errors are those of crossEntropy with classes as targets. As
 * `torch.nn.functional.nll_loss`.
 */
export function nllLoss(input: Tensor, target: Tensor, options: NllOptions = {}): Tensor {
	const {
		reduction = 'mean',
		weight = null,
		ignoreIndex = -100,
	} = checkOptions('nllLoss', options, ['weight', 'ignoreIndex', 'reduction']);
	requireReduction('nllLoss', reduction);
	requireTensor('nllLoss', input);
	requireTensor('nllLoss', target, 'target');
	return classLoss('nllLoss', input, target, weight, { ignoreIndex, labelSmoothing: 0, logits: false, reduction });
}

function requireWeight(operation: string, weight: Tensor | null, classes: number, input: Tensor): void {
	if (weight === null) return;
	requireFloatingTensor(operation, weight, 'weight');
	requireSameDevice(operation, input, weight);
	requireShape(operation, 'weight', weight, [classes], input);
}

/** The batch size, the classes and the positions of scores [C], [N, C] or [N, C, d1, ...]. `rows` is the shape of the targets. */
function classShape(operation: string, input: Tensor): { outer: number; classes: number; inner: number; rows: Shape } {
	requireFloating(operation, input.dtype);
	requireRank(operation, 'input', input, '[C], [N, C] or [N, C, d1, ...]', 1, MAX_RANK);
	const { shape } = input;
	const at = shape.length === 1 ? 0 : 1;
	const classes = shape[at]!;
	if (classes === 0) throw new ShapeError(`${operation}: input ${formatShape(shape)} has no classes`);
	return {
		outer: at === 0 ? 1 : shape[0]!,
		classes,
		inner: numel(shape.slice(at + 1)),
		rows: [...shape.slice(0, at), ...shape.slice(at + 1)],
	};
}

function classLoss(
	name: string,
	input: Tensor,
	target: Tensor,
	weight: Tensor | null,
	options: Pick<CrossEntropyAttributes, 'ignoreIndex' | 'labelSmoothing' | 'logits' | 'reduction'>,
): Tensor {
	const { outer, classes, inner, rows } = classShape(name, input);
	requireSameDevice(name, input, target);
	requireDType(name, target.dtype, CLASS_DTYPES, 'target');
	requireShape(name, 'target', target, rows, input);
	requireWeight(name, weight, classes, input);
	if (weight?.requiresGrad && isGradEnabled())
		throw new AutogradError(`${name}: with classes as targets it gives weight no gradient; pass weight.detach()`);
	requireInteger(name, 'ignoreIndex', options.ignoreIndex);
	const check = classCheck(name, target, classes, options.ignoreIndex);
	return classLossOperation({ input, target, weight }, { outer, classes, inner, ...options }, { name, check });
}

const classLossOperation = defineOperation({
	name: 'crossEntropy',
	inputs: ['input'],
	constants: ['target', 'weight?'],
	forward: ({ input, target, weight }, attributes: CrossEntropyAttributes, check) => {
		const { reduction, logits } = attributes;
		const statistic = input.dtype === 'float64' ? 'float64' : 'float32';
		const output = emptyOn(input, reduction === 'none' ? target.shape : [], input.dtype);
		const total = reduction === 'none' ? null : emptyOn(input, [], statistic);
		const logSumExp = logits ? emptyOn(input, [...target.shape, 2], statistic) : null;
		lossKernels(input.backend).crossEntropy(
			{ x: packed(input), target: packed(target), ...weightFor(input, weight) },
			{ loss: output, ...(total && { total }), ...(logSumExp && { logSumExp }) },
			{ ...attributes, check },
		);
		return { output, total, logSumExp };
	},
	saves: ['input', 'target', 'weight', 'total', 'logSumExp'],
	/** The loss is the sum of coefficients * log-probabilities. The fused kernel computes the coefficients from a gradient of ones. */
	vjp: (gradient, { input: x, target, weight, total }, attributes) => {
		const [logits, g, wide] = widened(x, gradient, weightFor(x, weight).weight);
		const coefficients = emptyOn(logits, x.shape);
		const ones = emptyOn(logits, g.shape);
		layoutKernels(x.backend).fill({}, { y: ones }, { value: 1 });
		lossKernels(x.backend).crossEntropyGrad(
			{ x: packed(logits), target: packed(target), gradient: ones, ...(total && { total }), ...(wide && { weight: wide }) },
			{ dx: coefficients },
			{ ...attributes, logits: false },
		);
		const dim = x.ndim === 1 ? 0 : 1;
		const sums = () => sum(coefficients, dim, { keepdim: true });
		const slope = attributes.logits ? sub(coefficients, mul(softmax(logits, dim), sums())) : coefficients;
		return { input: mul(slope, attributes.reduction === 'none' ? unsqueeze(g, dim) : g) };
	},
	fusedVjp: (gradient, { input: x, target, weight, total, logSumExp }, attributes) => {
		const dx = emptyOn(x, x.shape);
		const inputs = {
			x: packed(x),
			target: packed(target),
			gradient: packed(gradient),
			...(total && { total }),
			...(logSumExp && { logSumExp }),
			...weightFor(x, weight),
		};
		lossKernels(x.backend).crossEntropyGrad(inputs, { dx }, attributes);
		return { input: dx };
	},
});

/** The weight, contiguous and in x's dtype. */
function weightFor(x: Tensor, weight: Tensor | null | undefined): { weight?: Tensor } {
	return weight ? { weight: packed(converted(weight, x.dtype)) } : {};
}

/** On the CPU, throws unless every target is a class or ignored. On WebGPU, the check for the kernel that takes the target. */
function classCheck(operation: string, target: Tensor, classes: number, ignoreIndex?: number): IndexCheck | undefined {
	const rule = `is no class: they are 0 to ${classes - 1}`;
	return boundsCheck(target, {
		operation,
		least: 0,
		count: classes,
		noun: 'target',
		...(ignoreIndex === undefined ? { rule } : { rule: `${rule}, or ignoreIndex ${ignoreIndex}`, ignored: ignoreIndex }),
	});
}

function softCrossEntropy(
	input: Tensor,
	target: Tensor,
	{ reduction, weight, labelSmoothing }: { reduction: 'none' | 'sum' | 'mean'; weight: Tensor | null; labelSmoothing: number },
): Tensor {
	const { classes, rows } = classShape('crossEntropy', input);
	requireSameDevice('crossEntropy', input, target);
	requireWeight('crossEntropy', weight, classes, input);
	if (!sameShape(input.shape, target.shape)) {
		throw new ShapeError(
			`crossEntropy: probabilities ${formatShape(target.shape)} must have the shape of input ${formatShape(input.shape)}. Classes must be int32: convert with .to('int32')`,
		);
	}
	return inFloat32('crossEntropy', [input, target, weight], (x, given, w) => {
		const dim = x.ndim === 1 ? 0 : 1;
		let shares = labelSmoothing === 0 ? given : add(mul(given, 1 - labelSmoothing), labelSmoothing / classes);
		if (w !== null) shares = mul(shares, reshape(w, [classes, ...new Array<number>(x.ndim - dim - 1).fill(1)]));
		const products = mul(logSoftmax(x, dim), shares);
		if (reduction === 'none') return neg(sum(products, dim));
		return mul(sum(products), reduction === 'mean' ? -1 / numel(rows) : -1);
	});
}

export interface MultiMarginOptions extends LossOptions {
	/** The power of the margins, 1 or 2. Default 1. */
	readonly p?: 1 | 2;
	/** Default 1. */
	readonly margin?: number;
	/** A factor for each class, [C]. Default none. */
	readonly weight?: Tensor | null;
}

/**
 * The sum of max(0, margin - input[t] + input[c])^p over all classes c except the target t, divided by C. `input` is floating [C] or [N, C],
 * `target` int32 [] or [N]. A target that is no class throws: on WebGPU at the next read, `sync()` or `step()`. As
 * `torch.nn.functional.multi_margin_loss`.
 */
export function multiMarginLoss(input: Tensor, target: Tensor, options: MultiMarginOptions = {}): Tensor {
	const {
		reduction = 'mean',
		p = 1,
		margin = 1,
		weight = null,
	} = checkOptions('multiMarginLoss', options, ['p', 'margin', 'weight', 'reduction']);
	const name = 'multiMarginLoss';
	requireReduction(name, reduction);
	requireTensor(name, input);
	requireTensor(name, target, 'target');
	requireSameDevice(name, input, target);
	const { classes, rows } = classShape(name, input);
	requireRank(name, 'input', input, '[C] or [N, C]', 1, 2);
	requireOneOf(name, 'p', p, MARGIN_POWERS);
	requireDType(name, target.dtype, CLASS_DTYPES, 'target');
	requireShape(name, 'target', target, rows, input);
	requireWeight(name, weight, classes, input);
	const check = classCheck(name, target, classes);
	return inFloat32('multiMarginLoss', [input, weight], (x, factors) => {
		const labels = unsqueeze(target, -1);
		const excess = relu(add(sub(x, gathered(name, x, x.ndim - 1, labels, check)), margin));
		const others = where(eq(labels, arange(classes, { device: input.device })), 0, p === 2 ? pow(excess, 2) : excess);
		let losses = div(sum(others, -1), classes);
		if (factors !== null) losses = mul(losses, reshape(indexSelect(factors, 0, reshape(target, [numel(rows)])), rows));
		return reduced(losses, reduction);
	});
}
