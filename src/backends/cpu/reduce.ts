/** Reductions in plain loops: the reference for shaders/reduce.wgsl.ts. Sums are float64. */
import { isFloating } from '../../core/dtype';
import type { View } from '../contract';
import type { ReduceAttributes, ReduceKernels } from '../contract/reduce';
import { cpuData, positions } from './storage';

/** The positions of x's elements, split at `dims`: element j of output k is at `kept[k] + reduced[j]`. */
export function splitPositions(x: View, dims: readonly number[]): { kept: Int32Array; reduced: Int32Array } {
	const pick = (inside: boolean, offset: number) => {
		const chosen = x.shape.map((_, d) => d).filter((d) => dims.includes(d) === inside);
		return positions({ shape: chosen.map((d) => x.shape[d]!), strides: chosen.map((d) => x.strides[d]!), offset });
	};
	return { kept: pick(false, x.offset), reduced: pick(true, 0) };
}

/** `at(j)` is element j of a line of `count`. */
export type Line = (j: number) => number;

function sum(at: Line, count: number): number {
	let total = 0;
	for (let j = 0; j < count; j++) total += at(j);
	return total;
}

/** Sums differences from the first element, so that the mean of equal elements is exact. */
export function meanOf(at: Line, count: number): number {
	const first = at(0);
	let total = 0;
	for (let j = 0; j < count; j++) total += at(j) - first;
	return first + total / count;
}

function product(at: Line, count: number): number {
	let total = 1;
	for (let j = 0; j < count; j++) total *= at(j);
	return total;
}

/** int32 products wrap around on every device. */
function integerProduct(at: Line, count: number): number {
	let total = 1;
	for (let j = 0; j < count; j++) total = Math.imul(total, at(j));
	return total;
}

/** The position of the first largest (sign 1) or smallest (sign -1) element. The first NaN wins. */
function extremePosition(at: Line, count: number, sign: 1 | -1): number {
	let best = 0;
	for (let j = 0; j < count; j++) {
		const value = at(j);
		if (Number.isNaN(value)) return j;
		if (sign * value > sign * at(best)) best = j;
	}
	return best;
}

function logSumExp(at: Line, count: number): number {
	if (count === 0) return -Infinity;
	const largest = at(extremePosition(at, count, 1));
	const shift = Math.abs(largest) === Infinity ? 0 : largest;
	return shift + Math.log(sum((j) => Math.exp(at(j) - shift), count));
}

function norm(at: Line, count: number, p: number): number {
	const magnitude = (j: number) => Math.abs(at(j));
	if (count === 0) return 0;
	if (p === 0) return sum((j) => (at(j) !== 0 ? 1 : 0), count);
	if (Math.abs(p) === Infinity) return magnitude(extremePosition(magnitude, count, p > 0 ? 1 : -1));
	return sum((j) => magnitude(j) ** p, count) ** (1 / p);
}

function reducer({ op, p = 2 }: ReduceAttributes, integer: boolean): (at: Line, count: number) => number {
	switch (op) {
		case 'sum':
			return sum;
		case 'mean':
			return (at, count) => sum(at, count) / count;
		case 'prod':
			return integer ? integerProduct : product;
		case 'amax':
			return (at, count) => at(extremePosition(at, count, 1));
		case 'amin':
			return (at, count) => at(extremePosition(at, count, -1));
		case 'any':
			return (at, count) => (sum((j) => (at(j) !== 0 ? 1 : 0), count) > 0 ? 1 : 0);
		case 'all':
			return (at, count) => (sum((j) => (at(j) !== 0 ? 0 : 1), count) > 0 ? 0 : 1);
		case 'logsumexp':
			return logSumExp;
		case 'norm':
			return (at, count) => norm(at, count, p);
	}
}

export const reduce: ReduceKernels = {
	reduce({ x }, { y }, attributes) {
		const data = cpuData(x);
		const result = cpuData(y);
		const { kept, reduced } = splitPositions(x, attributes.dims);
		const apply = reducer(attributes, !isFloating(x.dtype));
		kept.forEach((base, k) => {
			result[k] = apply((j) => data[base + reduced[j]!]!, reduced.length);
		});
	},

	variance({ x }, { y }, { dims, correction, root }) {
		const data = cpuData(x);
		const result = cpuData(y);
		const { kept, reduced } = splitPositions(x, dims);
		const count = reduced.length;
		kept.forEach((base, k) => {
			const at: Line = (j) => data[base + reduced[j]!]!;
			const mean = meanOf(at, count);
			const variance = sum((j) => (at(j) - mean) ** 2, count) / Math.max(0, count - correction);
			result[k] = root ? Math.sqrt(variance) : variance;
		});
	},

	extremum({ x }, { values, indices }, { op, dims }) {
		const data = cpuData(x);
		const { kept, reduced } = splitPositions(x, dims);
		kept.forEach((base, k) => {
			const at: Line = (j) => data[base + reduced[j]!]!;
			const position = extremePosition(at, reduced.length, op === 'max' ? 1 : -1);
			if (values) cpuData(values)[k] = at(position);
			if (indices) cpuData(indices)[k] = position;
		});
	},
};
