/** Rounds as quantisation does but returns floating values, so that training sees the rounding errors. */
import { defineOperation } from '../autograd/operation';
import { requireCounts, requireNumber } from '../core/checks';
import { requireFloating } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { isHalf } from '../core/halves';
import { checkOptions } from '../core/options';
import { normalizeDim } from '../core/shape';
import { Tensor } from '../tensor';
import { requireSameDevice, requireTensor } from '../tensorChecks';
import { add, clamp, div, ge, le, logicalAnd, mul, round, sub, to, where } from './elementwise';
import { reshape } from './layout';

export interface FakeQuantizeOptions {
	/** The smallest code. Default 0. */
	readonly quantMin?: number;
	/** The largest code. Default 255. */
	readonly quantMax?: number;
	/** The dim with one scale and one zeroPoint for each entry. Default: one of each for all of x. */
	readonly axis?: number;
}

/**
 * Rounds x to values that codes can hold: (clamp(round(x / scale) + zeroPoint, quantMin, quantMax) - zeroPoint) * scale. Rounds halves to
 * even, and maps NaN to the smallest code. The gradient passes unchanged where the code was not clamped, and is 0 elsewhere. scale and
 * zeroPoint get no gradient. They are numbers or scalars, or vectors with `axis`. As `torch.fake_quantize_per_tensor_affine`, and with
 * `axis` as `torch.fake_quantize_per_channel_affine`.
 */
export function fakeQuantize(
	x: Tensor,
	scale: Tensor | number,
	zeroPoint: Tensor | number,
	options: FakeQuantizeOptions = {},
): Tensor {
	const { quantMin = 0, quantMax = 255, axis } = checkOptions('fakeQuantize', options, ['quantMin', 'quantMax', 'axis']);
	requireTensor('fakeQuantize', x);
	requireFloating('fakeQuantize', x.dtype);
	requireCounts('fakeQuantize', { quantMin, quantMax }, Number.NEGATIVE_INFINITY);
	if (quantMin > quantMax) throw new ArgumentError(`fakeQuantize: quantMin ${quantMin} is above quantMax ${quantMax}`);
	const dim = axis === undefined ? null : normalizeDim('fakeQuantize', axis, x.ndim);
	const [scales, zeros] = [requireValues(x, dim, 'scale', scale), requireValues(x, dim, 'zeroPoint', zeroPoint)];
	if (typeof zeroPoint === 'number' && (zeroPoint < quantMin || zeroPoint > quantMax))
		throw new ArgumentError(
			`fakeQuantize: zeroPoint ${zeroPoint} must lie between quantMin ${quantMin} and quantMax ${quantMax}`,
		);
	return fakeQuantizeOperation(
		{ x, scale: scales, zeroPoint: zeros },
		{ dim, scale: Number(scales === null && scale), zeroPoint: Number(zeros === null && zeroPoint), quantMin, quantMax },
	);
}

/** The scales or zero points as a tensor; null for a number. */
function requireValues(x: Tensor, dim: number | null, name: string, value: Tensor | number): Tensor | null {
	if (!(value instanceof Tensor)) {
		requireNumber('fakeQuantize', name, value);
		return null;
	}
	requireTensor('fakeQuantize', value, name);
	requireSameDevice('fakeQuantize', x, value);
	const wanted = dim === null ? 1 : (x.shape[dim] ?? 1);
	if (value.size !== wanted || value.ndim > 1)
		throw new ShapeError(
			`fakeQuantize: ${name} ${formatShape(value.shape)} must be ${dim === null ? 'a number or a scalar; for one value for each entry of a dim set axis' : formatShape([wanted])} for input ${formatShape(x.shape)}`,
		);
	return value;
}

interface Attributes {
	readonly dim: number | null;
	readonly scale: number;
	readonly zeroPoint: number;
	readonly quantMin: number;
	readonly quantMax: number;
}

const fakeQuantizeOperation = defineOperation({
	name: 'fakeQuantize',
	inputs: ['x'],
	constants: ['scale?', 'zeroPoint?'],
	isComposed: true,
	forward: ({ x, scale, zeroPoint }, attributes: Attributes) => {
		const { dim, quantMin, quantMax } = attributes;
		const shape = dim === null ? [] : x.shape.map((size, d) => (d === dim ? size : 1));
		const steps = scale == null ? attributes.scale : reshape(scale, shape);
		const zeros = zeroPoint == null ? attributes.zeroPoint : reshape(zeroPoint, shape);
		const wide = isHalf(x.dtype) ? to(x, 'float32') : x;
		const codes = add(round(div(wide, steps)), zeros);
		const isLarge = ge(codes, quantMin);
		// As in PyTorch, NaN gets the smallest code. clamp would keep it.
		const bounded = where(isLarge, clamp(codes, { max: quantMax }), quantMin);
		const rounded = mul(sub(bounded, zeros), steps);
		return { output: to(rounded, x.dtype), isInside: logicalAnd(isLarge, le(codes, quantMax)) };
	},
	saves: ['isInside'],
	vjp: (gradient, { isInside }): { x: Tensor } => ({ x: where(isInside, gradient, 0) }),
});
