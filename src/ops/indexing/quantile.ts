/** Quantiles, from sorted elements. */
import { roundHalfEven } from '../../backends/contract/special';
import { requireFraction, requireOneOf, wrongArgument } from '../../core/checks';
import { ArgumentError, formatShape } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { normalizeDim } from '../../core/shape';
import { Tensor } from '../../tensor';
import { requireFloatingTensor } from '../../tensorChecks';
import { inFloat32 } from '../composed';
import { add, ceil, clamp, floor, isnan, lerp, logicalNot, mul, round, sub, to, where } from '../elementwise';
import { movedim, reshape, select, squeeze, stack, unsqueeze } from '../layout';
import { sum } from '../reduce';
import { gathered } from './gather';
import { sort } from './order';

const INTERPOLATIONS = ['linear', 'lower', 'higher', 'midpoint', 'nearest'] as const;

export interface QuantileOptions {
	/** Whether to keep the reduced dim with size 1. Default false. */
	readonly keepdim?: boolean;
	/** The value between two elements. Default 'linear'. */
	readonly interpolation?: 'linear' | 'lower' | 'higher' | 'midpoint' | 'nearest';
}

type Fractions = number | readonly number[];

/**
 * The value below which the fraction `q` of the elements lies, along `dim` or of all elements. A list of fractions adds a leading dim. NaN
 * among the elements gives NaN. As `torch.quantile`.
 */
export function quantile(x: Tensor, q: Fractions, dim?: number | null, options: QuantileOptions = {}): Tensor {
	return quantiles('quantile', x, q, dim, options, (sorted, fraction, interpolation) => {
		const last = sorted.shape.at(-1)! - 1;
		const rank = fraction * last;
		const [low, high] = [select(sorted, -1, Math.floor(rank)), select(sorted, -1, Math.ceil(rank))];
		const value = between(low, high, interpolation, () => rank - Math.floor(rank), roundHalfEven(rank) === Math.floor(rank));
		return where(isnan(select(sorted, -1, last)), Number.NaN, value);
	});
}

/** `quantile` of the elements that are not NaN; NaN if there are none. As `torch.nanquantile`. */
export function nanquantile(x: Tensor, q: Fractions, dim?: number | null, options: QuantileOptions = {}): Tensor {
	return quantiles('nanquantile', x, q, dim, options, (sorted, fraction, interpolation) => {
		const count = sum(to(logicalNot(isnan(sorted)), sorted.dtype), -1, { keepdim: true });
		const rank = clamp(mul(sub(count, 1), fraction), { min: 0 });
		const at = (place: Tensor) => squeeze(gathered('nanquantile', sorted, sorted.ndim - 1, to(place, 'int32')), -1);
		if (interpolation === 'nearest') return at(round(rank));
		return between(at(floor(rank)), at(ceil(rank)), interpolation, () => squeeze(sub(rank, floor(rank)), -1), true);
	});
}

function between(
	low: Tensor,
	high: Tensor,
	interpolation: NonNullable<QuantileOptions['interpolation']>,
	weight: () => Tensor | number,
	isNearLow: boolean,
): Tensor {
	switch (interpolation) {
		case 'linear':
			return lerp(low, high, weight());
		case 'lower':
			return low;
		case 'higher':
			return high;
		case 'midpoint':
			return mul(add(low, high), 0.5);
		case 'nearest':
			return isNearLow ? low : high;
	}
}

function quantiles(
	name: string,
	x: Tensor,
	q: Fractions,
	dim: number | null | undefined,
	options: QuantileOptions,
	of: (sorted: Tensor, fraction: number, interpolation: NonNullable<QuantileOptions['interpolation']>) => Tensor,
): Tensor {
	const { keepdim = false, interpolation = 'linear' } = checkOptions(name, options, ['keepdim', 'interpolation']);
	requireFloatingTensor(name, x);
	requireOneOf(name, 'interpolation', interpolation, INTERPOLATIONS);
	if (typeof q !== 'number' && !Array.isArray(q)) {
		const cure = (q as unknown) instanceof Tensor ? '. Read it first: [...(await q.data())]' : '';
		throw wrongArgument(name, 'q', 'a number or a list of numbers', q, cure);
	}
	const fractions = typeof q === 'number' ? [q] : q;
	for (const fraction of fractions) requireFraction(name, 'q', fraction);
	const at = dim == null ? null : normalizeDim(name, dim, x.ndim);
	if ((at === null ? x.size : (x.shape[at] ?? 1)) === 0)
		throw new ArgumentError(`${name}: shape ${formatShape(x.shape)} has no elements to sort`);
	return inFloat32(name, [x], (wide) => {
		const lines = at === null || x.ndim === 0 ? reshape(wide, [-1]) : movedim(wide, at, -1);
		const sorted = sort(lines).values;
		const kept = (y: Tensor) => {
			if (!keepdim) return y;
			return at === null || x.ndim === 0
				? reshape(
						y,
						x.shape.map(() => 1),
					)
				: unsqueeze(y, at);
		};
		const results = fractions.map((fraction) => kept(of(sorted, fraction, interpolation)));
		return typeof q === 'number' ? results[0]! : stack(results);
	});
}
