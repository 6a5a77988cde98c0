/**
 * Normalization of groups of neighbouring elements. Layer, RMS, group and instance normalization share one kernel each way, on x viewed as
 * [batch, channels, spatial]. The VJP has a fused form, which uses the saved statistics, and one in differentiable operations.
 */

import { currentAutocast } from '../../autograd/modes';
import { defineOperation } from '../../autograd/operation';
import type { GroupNormShape } from '../../backends/contract/norm';
import { normKernels } from '../../backends/kernels';
import { requireNonNegative } from '../../core/checks';
import { type DType, requireDType } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { MAX_RANK, numel, type Shape, sameShape } from '../../core/shape';
import { emptyOn, type Tensor } from '../../tensor';
import { requireFloatingTensor, requireRank, requireSameDevice, requireShape, requireTensor } from '../../tensorChecks';
import { widened } from '../composed';
import { add, mul, rsqrt, square, sub } from '../elementwise';
import { contiguous, reshape, select } from '../layout';
import { converted } from '../operands';
import { mean, sum } from '../reduce';

export interface AffineOptions {
	/** The scale of each channel or element. Default none. */
	readonly weight?: Tensor | null;
	/** The shift of each channel or element. Default none. */
	readonly bias?: Tensor | null;
	/** Added to the variance. Default 1e-5. */
	readonly eps?: number;
}

const AFFINE_OPTIONS = ['weight', 'bias', 'eps'] as const;

/** The dtype of means and inverse deviations. */
export function statisticsType(dtype: DType): DType {
	return dtype === 'float64' ? 'float64' : 'float32';
}

/** Checks x and the tensors of one element for each channel, which have `shape` and x's dtype; beside float16 they may be float32. */
export function requireAffine(
	name: string,
	x: Tensor,
	shape: Shape,
	tensors: Readonly<Record<string, Tensor | null | undefined>>,
): void {
	for (const [argument, tensor] of Object.entries(tensors)) {
		if (tensor == null) continue;
		requireTensor(name, tensor, argument);
		requireShape(name, argument, tensor, shape, x);
		const wide = statisticsType(x.dtype);
		if (tensor.dtype !== wide) requireDType(name, tensor.dtype, x.dtype === wide ? [wide] : [x.dtype, wide], argument);
		requireSameDevice(name, x, tensor);
	}
}

/** A parameter in the layout and dtype that kernels read beside x. */
export function parameterFor(x: Tensor, parameter: Tensor): Tensor {
	return contiguous(converted(parameter, x.dtype));
}

/**
 * (x - mean) / sqrt(var + eps) * weight + bias over the last dims of floating x, which have `normalizedShape` (a number for one dim). weight
 * and bias have that shape. The variance is the biased one. Ba et al. 2016. As `torch.nn.functional.layer_norm`.
 */
export function layerNorm(x: Tensor, normalizedShape: number | Shape, options: AffineOptions = {}): Tensor {
	const { weight, bias, eps = 1e-5 } = checkOptions('layerNorm', options, AFFINE_OPTIONS);
	const casting = currentAutocast();
	if (casting !== null) {
		return casting.call('layerNorm', [x, weight, bias], ([x, weight, bias]) =>
			layerNorm(x, normalizedShape, { weight, bias, eps }),
		);
	}
	const { shape, view } = lastDims('layerNorm', x, normalizedShape);
	requireAffine('layerNorm', x, shape, { weight, bias });
	return normalizeGroups({ name: 'layerNorm', x, weight, bias, view, eps, centred: true });
}

export interface RmsNormOptions {
	/** The scale of each element, of shape `normalizedShape`. Default none. */
	readonly weight?: Tensor | null;
	/** Added to the mean square. Default the machine epsilon of the dtype. */
	readonly eps?: number | null;
}

/** Machine epsilons, as `torch.finfo` has them; half precision is computed in float32 but rounds as itself. */
const EPSILON: Readonly<Partial<Record<DType, number>>> = {
	float16: 2 ** -10,
	bfloat16: 2 ** -7,
	float32: 2 ** -23,
	float64: 2 ** -52,
};

/** x / sqrt(mean(x^2) + eps) * weight over the last dims, `normalizedShape`. Zhang and Sennrich 2019. As `torch.nn.functional.rms_norm`. */
export function rmsNorm(x: Tensor, normalizedShape: number | Shape, options: RmsNormOptions = {}): Tensor {
	const { weight, eps } = checkOptions('rmsNorm', options, ['weight', 'eps']);
	const casting = currentAutocast();
	if (casting !== null) {
		return casting.call('rmsNorm', [x, weight], ([x, weight]) => rmsNorm(x, normalizedShape, { ...options, weight }));
	}
	const { shape, view } = lastDims('rmsNorm', x, normalizedShape);
	requireAffine('rmsNorm', x, shape, { weight });
	return normalizeGroups({ name: 'rmsNorm', x, weight, bias: null, view, eps: eps ?? EPSILON[x.dtype]!, centred: false });
}

function lastDims(name: string, x: Tensor, normalizedShape: number | Shape): { shape: Shape; view: GroupNormShape } {
	requireFloatingTensor(name, x);
	const shape = typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape;
	if (!Array.isArray(shape) || shape.length === 0)
		throw new ShapeError(`${name}: normalizedShape ${String(normalizedShape)} must be a size or a list of sizes`);
	if (shape.length > x.ndim || !sameShape(x.shape.slice(x.ndim - shape.length), shape)) {
		throw new ShapeError(`${name}: the last dimensions of ${formatShape(x.shape)} are not normalizedShape ${formatShape(shape)}`);
	}
	const batch = numel(x.shape.slice(0, x.ndim - shape.length));
	return { shape, view: { batch, channels: numel(shape), groups: 1, spatial: 1 } };
}

/**
 * Normalizes floating x, [N, C, ...], over groups of C / numGroups channels and all positions of a sample. weight and bias are [C]. Throws if
 * numGroups does not divide C. Wu and He 2018. As `torch.nn.functional.group_norm`.
 */
export function groupNorm(x: Tensor, numGroups: number, options: AffineOptions = {}): Tensor {
	const { weight, bias, eps = 1e-5 } = checkOptions('groupNorm', options, AFFINE_OPTIONS);
	const casting = currentAutocast();
	if (casting !== null) {
		return casting.call('groupNorm', [x, weight, bias], ([x, weight, bias]) => groupNorm(x, numGroups, { weight, bias, eps }));
	}
	const [batch, channels, spatial] = checkNormInput('groupNorm', x, 2);
	if (!Number.isInteger(numGroups) || numGroups < 1 || channels % numGroups !== 0) {
		throw new ArgumentError(
			`groupNorm: numGroups ${numGroups} does not divide the ${channels} channels of ${formatShape(x.shape)}`,
		);
	}
	requireAffine('groupNorm', x, [channels], { weight, bias });
	return normalizeGroups({
		name: 'groupNorm',
		x,
		weight,
		bias,
		view: { batch, channels, groups: numGroups, spatial },
		eps,
		centred: true,
	});
}

/** Checks x, and returns its sizes as [batch, channels, spatial]. */
export function checkNormInput(name: string, x: Tensor, least: number): [batch: number, channels: number, spatial: number] {
	requireFloatingTensor(name, x);
	requireRank(name, 'input', x, least > 2 ? '[N, C, positions, ...]' : '[N, C, ...]', least, MAX_RANK);
	return [x.shape[0]!, x.shape[1]!, numel(x.shape.slice(2))];
}

interface Groups {
	readonly name: string;
	readonly x: Tensor;
	readonly weight: Tensor | null | undefined;
	readonly bias: Tensor | null | undefined;
	readonly view: GroupNormShape;
	readonly eps: number;
	readonly centred: boolean;
}

export function normalizeGroups({ name, x, weight, bias, view, eps, centred }: Groups): Tensor {
	requireNonNegative(name, 'eps', eps);
	return groupsOperation({ x, weight, bias }, { ...view, eps, centred }, { name });
}

type GroupsAttributes = GroupNormShape & { readonly eps: number; readonly centred: boolean };

const groupsOperation = defineOperation({
	name: 'groupNorm',
	inputs: ['x', 'weight?', 'bias?'],
	forward: ({ x, weight, bias }, attributes: GroupsAttributes) => {
		const size = [attributes.batch, attributes.groups];
		const output = emptyOn(x, x.shape);
		const rstd = emptyOn(x, size, statisticsType(x.dtype));
		const mean = attributes.centred ? emptyOn(x, [2, ...size], rstd.dtype) : null;
		normKernels(x.backend).groupNorm(
			{ x: contiguous(x), ...(weight && { weight: parameterFor(x, weight) }), ...(bias && { bias: parameterFor(x, bias) }) },
			{ y: output, rstd, ...(mean && { mean }) },
			attributes,
		);
		return { output, mean, rstd };
	},
	saves: ['x', 'weight', 'mean', 'rstd'],
	vjp: (gradient, saved, { batch, channels, groups, spatial, eps }, needs) => {
		const [incomingWide, x, weight] = widened(gradient, saved.x, saved.weight);
		const inGroups = [batch, groups, channels / groups, spatial];
		const over = (t: Tensor) => mean(t, [2, 3], { keepdim: true });
		const values = reshape(x, inGroups);
		const incoming = reshape(incomingWide, inGroups);
		const deviation = saved.mean ? deviations(values, saved.mean, [batch, groups, 1, 1], [2, 3]) : values;
		const rstd = rsqrt(add(over(square(deviation)), eps));
		const normal = mul(deviation, rstd);
		const scaled = weight ? mul(incoming, reshape(weight, [1, groups, channels / groups, 1])) : incoming;
		const level = saved.mean ? sub(scaled, over(scaled)) : scaled;
		const channelwise = (t: Tensor, shape: Shape) => reshape(sum(t, [0, 3]), shape);
		return {
			x: needs.x && reshape(mul(rstd, sub(level, mul(normal, over(mul(scaled, normal))))), needs.x.shape),
			weight: needs.weight && channelwise(mul(incoming, normal), needs.weight.shape),
			bias: needs.bias && channelwise(incoming, needs.bias.shape),
		};
	},
	fusedVjp: (gradient, { x, weight, mean, rstd }, attributes, needs) => {
		const inputs = { x: contiguous(x), gradient: contiguous(gradient), rstd, ...(mean && { mean }) };
		const dx = needs.x && emptyOn(x, x.shape);
		if (dx)
			normKernels(x.backend).groupNormGrad({ ...inputs, ...(weight && { weight: parameterFor(x, weight) }) }, { dx }, attributes);
		const { dweight, dbias } = parameterSums(inputs, attributes, needs.weight !== null, needs.bias !== null);
		return {
			x: dx,
			weight: dweight && reshape(dweight, needs.weight!.shape),
			bias: dbias && reshape(dbias, needs.bias!.shape),
		};
	},
});

/** The wanted gradients of weight and bias, each [channels] in the dtype of the statistics. */
export function parameterSums(
	inputs: { readonly x: Tensor; readonly gradient: Tensor; readonly rstd: Tensor; readonly mean?: Tensor },
	view: GroupNormShape,
	wantsWeight: boolean,
	wantsBias: boolean,
): { dweight: Tensor | null; dbias: Tensor | null } {
	const { rstd } = inputs;
	const dweight = wantsWeight ? emptyOn(rstd, [view.channels]) : null;
	const dbias = wantsBias ? emptyOn(rstd, [view.channels]) : null;
	if (dweight || dbias) {
		normKernels(rstd.backend).normParametersGrad(inputs, { ...(dweight && { dweight }), ...(dbias && { dbias }) }, view);
	}
	return { dweight, dbias };
}

/**
 * values minus their mean over dims. First subtracts the saved means, two parts of `shape`, as constants. The mean of the rest carries the
 * gradient, and is so small that subtracting it loses no digits.
 */
export function deviations(values: Tensor, centre: Tensor, shape: Shape, dims: readonly number[]): Tensor {
	const [high, low] = [0, 1].map((part) => reshape(select(centre, 0, part), shape)) as [Tensor, Tensor];
	const near = sub(sub(values, high), low);
	return sub(near, mean(near, dims, { keepdim: true }));
}
