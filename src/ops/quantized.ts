/**
 * Quantises matrices to 8 or 4 bits, multiplies by them, and looks up their rows. src/backends/contract/quantized.ts describes their
 * layout. The other operand of a product gets a gradient; the matrix gets none.
 */

import { currentAutocast } from '../autograd/modes';
import { defineOperation, NO_GRADIENT } from '../autograd/operation';
import type { QuantizedLayout } from '../backends/contract/quantized';
import { quantizedKernels } from '../backends/kernels';
import { describe, requireBoolean, requireCounts, requireOneOf } from '../core/checks';
import { requireDType, requireFloating } from '../core/dtype';
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../core/errors';
import { isHalf } from '../core/halves';
import { checkOptions } from '../core/options';
import { checkShape, numel, sameShape } from '../core/shape';
import { emptyOn, Tensor } from '../tensor';
import { requireFloatingTensor, requireRank, requireSameDevice, requireTensor } from '../tensorChecks';
import { composed } from './composed';
import { tensor } from './creation';
import { abs, add, clamp, div, le, mul, neg, round, sub, to, where } from './elementwise';
import { checkIndices } from './indexing/gather';
import { contiguous, detach, narrow, pad, reshape, unsqueeze } from './layout';
import { sumTo } from './operands';
import { amax, amin, sum } from './reduce';

/** A matrix [rows, columns] with the elements (code - zeroPoint) * scale, with one scale and zero point for each group of columns. */
export interface QuantizedWeight {
	/** int32 [rows, words]: see `quantizeWeight`. */
	readonly packed: Tensor;
	/** Floating [rows, groups]. */
	readonly scale: Tensor;
	/** uint8 [rows, groups]; null for a symmetric matrix, where all zero points are 2^(bits - 1). */
	readonly zeroPoint: Tensor | null;
	readonly bits: 8 | 4;
	/** The number of neighbouring columns in a row that share a scale. The last group of a row may be smaller. */
	readonly groupSize: number;
	readonly columns: number;
}

export interface QuantizeWeightOptions {
	/** Bits of a code. Default 8. */
	readonly bits?: 8 | 4;
	/** The number of neighbouring columns that share a scale. Default 32. */
	readonly groupSize?: number;
	/** Whether the middle code always means 0, so that no zero points are stored. Default true. */
	readonly symmetric?: boolean;
}

/** A group with a smaller range is stored as zeros, because its scale would underflow. */
const LEAST_RANGE = 1e-30;

const BITS = [8, 4] as const;

/** Checks the options that all functions for quantised weights share, and fills in the defaults. */
export function quantizeOptions(operation: string, options: QuantizeWeightOptions): Required<QuantizeWeightOptions> {
	const { bits = 8, groupSize = 32, symmetric = true } = options;
	requireOneOf(operation, 'bits', bits, BITS);
	requireCounts(operation, { groupSize }, 1);
	requireBoolean(operation, 'symmetric', symmetric);
	return { bits, groupSize, symmetric };
}

/**
 * Rounds `weight` [rows, columns] to codes of 8 or 4 bits, in groups of `groupSize` columns that share a scale. Rounds halves to even. With
 * b bits, for each group:
 *
 * - symmetric: scale = max|w| / (2^(b-1) - 1); code = round(w / scale) + 2^(b-1).
 * - else: low = min(w, 0), high = max(w, 0), scale = (high - low) / (2^b - 1); zeroPoint = round(-low / scale);
 *   code = round(w / scale) + zeroPoint, clamped to 0 .. 2^b - 1.
 *
 * A group of zeros has scale 1. Each element changes by at most half a scale. Words of 32 bits hold the codes, the first in the lowest
 * bits. Each group starts a new word. Not differentiable.
 */
export function quantizeWeight(weight: Tensor, options: QuantizeWeightOptions = {}): QuantizedWeight {
	checkOptions('quantizeWeight', options, ['bits', 'groupSize', 'symmetric']);
	const { bits, groupSize, symmetric } = quantizeOptions('quantizeWeight', options);
	requireFloatingTensor('quantizeWeight', weight, 'weight');
	requireRank('quantizeWeight', 'weight', weight, '[rows, columns]', 2);
	const columns = weight.shape[1]!;
	return composed('quantizeWeight', () => {
		const given = detach(weight);
		const grouped = inGroups(isHalf(given.dtype) ? to(given, 'float32') : given, groupSize);
		const { scale, zeroPoint } = rangesOf(grouped, bits, symmetric);
		const rounded = round(div(grouped, unsqueeze(scale, 2)));
		const zero = zeroPoint === null ? 2 ** (bits - 1) : unsqueeze(zeroPoint, 2);
		const codes = clamp(add(rounded, zero), { min: symmetric ? 1 : 0, max: 2 ** bits - 1 });
		const layout = { bits, groupSize: grouped.shape[2]!, columns };
		return {
			packed: pack(to(codes, 'int32'), layout),
			scale,
			zeroPoint: zeroPoint && to(zeroPoint, 'uint8'),
			...layout,
		};
	});
}

/** Reshapes a matrix to [rows, groups, groupSize], padded with zeros. */
export function inGroups(weight: Tensor, groupSize: number): Tensor {
	const [rows, columns] = weight.shape as [number, number];
	const size = Math.max(1, Math.min(groupSize, columns));
	const groups = Math.ceil(columns / size);
	return reshape(padTo(weight, groups * size), [rows, groups, size]);
}

/** The scales and zero points of a matrix in groups, [rows, groups], by the formulas of `quantizeWeight`. */
export function rangesOf(
	grouped: Tensor,
	bits: 8 | 4,
	symmetric: boolean,
): { readonly scale: Tensor; readonly zeroPoint: Tensor | null } {
	const low = symmetric ? null : clamp(amin(grouped, 2), { max: 0 });
	const range = low === null ? amax(abs(grouped), 2) : sub(clamp(amax(grouped, 2), { min: 0 }), low);
	const scale = where(le(range, LEAST_RANGE), 1, div(range, low === null ? 2 ** (bits - 1) - 1 : 2 ** bits - 1));
	return { scale, zeroPoint: low && round(div(neg(low), scale)) };
}

/** Pads the last dim of x with zeros up to `size`. */
function padTo(x: Tensor, size: number): Tensor {
	const missing = size - x.shape.at(-1)!;
	return missing === 0 ? x : pad(x, [0, missing]);
}

/** Packs codes [rows, groups, groupSize] into words [rows, words]. */
function pack(codes: Tensor, layout: QuantizedLayout): Tensor {
	const [rows, groups] = codes.shape as [number, number];
	const perWord = 32 / layout.bits;
	const words = Math.ceil(layout.groupSize / perWord);
	const shifts = Array.from({ length: perWord }, (_, i) => (1 << (i * layout.bits)) | 0);
	const inWords = reshape(padTo(codes, words * perWord), [rows, groups, words, perWord]);
	// Bits do not overlap, so the sum is their union; the highest code may make it negative.
	const packed = sum(mul(inWords, tensor(shifts, { dtype: 'int32', device: codes.device })), 3);
	return contiguous(narrow(reshape(packed, [rows, groups * words]), 1, 0, wordsOf(layout)));
}

/** The number of words in a row. */
export function wordsOf({ bits, groupSize, columns }: QuantizedLayout): number {
	const whole = Math.floor(columns / groupSize);
	return whole * Math.ceil((groupSize * bits) / 32) + Math.ceil(((columns - whole * groupSize) * bits) / 32);
}

/** The number of groups in a row. */
export function groupsOf({ groupSize, columns }: QuantizedLayout): number {
	return Math.ceil(columns / groupSize);
}

interface CheckedWeight {
	readonly tensors: Pick<QuantizedWeight, 'packed' | 'scale' | 'zeroPoint'>;
	readonly layout: QuantizedLayout;
	readonly rows: number;
}

/** The matrices that layers have already checked. Generation then skips the check at each token. */
const checked = new WeakMap<QuantizedWeight, CheckedWeight>();

/** Checks a matrix once for all calls with it. */
export function checkedOnce(operation: string, weight: QuantizedWeight): QuantizedWeight {
	checked.set(weight, requireQuantized(operation, weight));
	return Object.freeze(weight);
}

/** The checked parts of a quantised matrix, for the operations below. */
function requireQuantized(operation: string, weight: QuantizedWeight): CheckedWeight {
	const known = checked.get(weight);
	if (known !== undefined) return known;
	const isObject = typeof weight === 'object' && weight !== null && !Array.isArray(weight) && !(weight instanceof Tensor);
	if (!isObject)
		throw new ArgumentError(
			`${operation}: weight must be a quantised matrix, as quantizeWeight() gives it, not ${describe(weight)}`,
		);
	checkOptions(operation, weight, ['packed', 'scale', 'zeroPoint', 'bits', 'groupSize', 'columns']);
	const { packed, scale, zeroPoint = null, bits, groupSize, columns } = weight;
	requireTensor(operation, packed, 'weight.packed');
	requireTensor(operation, scale, 'weight.scale');
	if (zeroPoint !== null) requireTensor(operation, zeroPoint, 'weight.zeroPoint');
	quantizeOptions(operation, { bits, groupSize });
	requireCounts(operation, { columns });
	requireDType(operation, packed.dtype, ['int32'], 'weight.packed');
	requireFloating(operation, scale.dtype, 'weight.scale');
	if (zeroPoint !== null) requireDType(operation, zeroPoint.dtype, ['uint8'], 'weight.zeroPoint');
	requireSameDevice(operation, packed, scale, ...(zeroPoint === null ? [] : [zeroPoint]));
	const layout: QuantizedLayout = { bits, groupSize, columns };
	const rows = packed.shape[0] ?? 0;
	const expected = {
		packed: [rows, wordsOf(layout)],
		scale: [rows, groupsOf(layout)],
		zeroPoint: [rows, groupsOf(layout)],
	};
	for (const [name, part] of Object.entries({ packed, scale, zeroPoint })) {
		const shape = expected[name as keyof typeof expected];
		if (part !== null && !sameShape(part.shape, shape))
			throw new ShapeError(
				`${operation}: weight.${name} ${formatShape(part.shape)} must be ${formatShape(shape)} for ${columns} columns of ${bits} bits in groups of ${groupSize}`,
			);
	}
	return { tensors: { packed, scale, zeroPoint }, layout, rows };
}

type Parts = { readonly packed: Tensor; readonly scale: Tensor; readonly zeroPoint?: Tensor | null | undefined };

/** The views of a matrix that kernels take. */
function partsOf({ packed, scale, zeroPoint }: Parts) {
	return {
		packed: contiguous(packed),
		scale: contiguous(scale),
		zeroPoint: zeroPoint == null ? undefined : contiguous(zeroPoint),
	};
}

/** Converts the matrix back to floating point, in the dtype of its scales. Not differentiable. */
export function dequantizeWeight(weight: QuantizedWeight): Tensor {
	const { tensors, layout } = requireQuantized('dequantizeWeight', weight);
	return dequantizeOperation(tensors, layout);
}

const dequantizeOperation = defineOperation({
	name: 'dequantizeWeight',
	inputs: [],
	constants: ['packed', 'scale', 'zeroPoint?'],
	forward: (weight, layout: QuantizedLayout) => {
		const y = emptyOn(weight.scale, [weight.packed.shape[0]!, layout.columns]);
		quantizedKernels(y.backend).dequantizeWeight(partsOf(weight), { y }, layout);
		return y;
	},
	vjp: NO_GRADIENT,
});

/**
 * Returns x W^T + bias for a quantised W [outFeatures, inFeatures], x [..., inFeatures] and bias [outFeatures]. The result
 * [..., outFeatures] has the dtype of x. Computes in float32. x and bias get gradients; W gets none.
 */
export function quantizedLinear(x: Tensor, weight: QuantizedWeight, bias: Tensor | null = null): Tensor {
	const casting = currentAutocast();
	// The scales keep their dtype: they are a part of the weight.
	if (casting !== null)
		return casting.call('quantizedLinear', [x, bias], (inputs) => quantizedLinear(inputs[0], weight, inputs[1]));
	requireTensor('quantizedLinear', x);
	const { tensors, layout, rows } = requireQuantized('quantizedLinear', weight);
	requireFloating('quantizedLinear', x.dtype);
	requireSameDevice('quantizedLinear', x, tensors.packed);
	if (x.ndim === 0 || x.shape.at(-1) !== layout.columns) {
		throw new ShapeError(
			`quantizedLinear: input ${formatShape(x.shape)} must end in the ${layout.columns} features that the weight ${formatShape([rows, layout.columns])} takes`,
		);
	}
	if (bias !== null) {
		requireTensor('quantizedLinear', bias, 'bias');
		requireSameDevice('quantizedLinear', x, bias);
		if (!sameShape(bias.shape, [rows]))
			throw new ShapeError(
				`quantizedLinear: bias ${formatShape(bias.shape)} must be ${formatShape([rows])} for the weight ${formatShape([rows, layout.columns])}`,
			);
		if (bias.dtype !== x.dtype)
			throw new DTypeError(
				`quantizedLinear: dtypes differ: input ${x.dtype} and bias ${bias.dtype}. Convert one with .to('${x.dtype}')`,
			);
	}
	return linearOperation({ x, bias, ...tensors }, layout);
}

const linearOperation = defineOperation({
	name: 'quantizedLinear',
	inputs: ['x', 'bias?'],
	constants: ['packed', 'scale', 'zeroPoint?'],
	forward: ({ x, bias, ...weight }, layout: QuantizedLayout) => {
		const rows = weight.packed.shape[0]!;
		const lead = x.shape.slice(0, -1);
		checkShape('quantizedLinear', [...lead, rows]);
		const out = emptyOn(x, [numel(lead), rows]);
		quantizedKernels(x.backend).quantizedLinear(
			{ ...partsOf(weight), x: reshape(x, [numel(lead), layout.columns]), bias: bias ?? undefined },
			{ out },
			layout,
		);
		return reshape(out, [...lead, rows]);
	},
	saves: ['packed', 'scale', 'zeroPoint'],
	vjp: (gradient, { packed, scale, zeroPoint }, layout, needs): { x: Tensor | null; bias: Tensor | null } => ({
		x: needs.x && turnedOperation({ gradient, packed, scale, zeroPoint }, layout),
		bias: needs.bias && sumTo(gradient, needs.bias.shape),
	}),
});

/** Returns gradient W, the gradient of x. It is linear in `gradient`, so its own VJP is the product with W^T. */
const turnedOperation = defineOperation({
	name: 'quantizedLinear',
	inputs: ['gradient'],
	constants: ['packed', 'scale', 'zeroPoint?'],
	forward: ({ gradient, ...weight }, layout: QuantizedLayout) => {
		const lead = gradient.shape.slice(0, -1);
		const dx = emptyOn(gradient, [numel(lead), layout.columns]);
		const lines = reshape(gradient, [numel(lead), gradient.shape.at(-1)!]);
		quantizedKernels(gradient.backend).quantizedLinearGrad({ ...partsOf(weight), gradient: lines }, { dx }, layout);
		return reshape(dx, [...lead, layout.columns]);
	},
	saves: ['packed', 'scale', 'zeroPoint'],
	vjp: (dx, { packed, scale, zeroPoint }, layout): { gradient: Tensor } => ({
		gradient: linearOperation({ x: dx, packed, scale, zeroPoint }, layout),
	}),
});

/**
 * Looks up rows of a quantised matrix [rows, columns] by int32 `indices`. The result [...indices.shape, columns] has the dtype of the
 * scales. Not differentiable. An index out of range throws, as in `embedding`.
 */
export function quantizedEmbedding(indices: Tensor, weight: QuantizedWeight): Tensor {
	requireTensor('quantizedEmbedding', indices, 'indices');
	const { tensors, layout, rows } = requireQuantized('quantizedEmbedding', weight);
	const what = `the rows of ${formatShape([rows, layout.columns])}`;
	const check = checkIndices('quantizedEmbedding', tensors.packed, indices, rows, what);
	checkShape('quantizedEmbedding', [...indices.shape, layout.columns]);
	return rowsOperation({ indices, ...tensors }, layout, { check });
}

const rowsOperation = defineOperation({
	name: 'quantizedEmbedding',
	inputs: [],
	constants: ['indices', 'packed', 'scale', 'zeroPoint?'],
	forward: ({ indices, ...weight }, layout: QuantizedLayout, check) => {
		const y = emptyOn(weight.scale, [indices.size, layout.columns]);
		quantizedKernels(y.backend).quantizedEmbedding(
			{ ...partsOf(weight), index: reshape(indices, [-1]) },
			{ y },
			{ ...layout, check },
		);
		return reshape(y, [...indices.shape, layout.columns]);
	},
	vjp: NO_GRADIENT,
});
