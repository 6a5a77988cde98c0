/** Attention in plain loops, one query at a time: the reference for shaders/attention.wgsl.ts. Sums are float64. */
import { fillWords, uniformThreshold } from '../../core/philox';
import type { View } from '../contract';
import type { AttentionAttributes, AttentionKernels } from '../contract/attention';
import { cpuData } from './storage';

/** One query: its indices, its scores, and its dropout factors. */
interface Query {
	readonly b: number;
	readonly h: number;
	/** The head of k and v that the query reads. */
	readonly g: number;
	readonly i: number;
	/** The start of this query's row in a view such as q, o or a gradient. */
	row(view: View): number;
	/** Scores of keys 0 .. S - 1; -infinity where the query may not attend. */
	readonly scores: Float64Array;
	/** Dropout's factor for each weight: 0 or 1 / (1 - p). */
	readonly kept: Float64Array;
}

function rowOf({ offset, strides }: View, b: number, h: number, i: number): number {
	return offset + b * strides[0]! + h * strides[1]! + i * strides[2]!;
}

function dot(a: View, atA: number, b: View, atB: number): number {
	const [x, y] = [cpuData(a), cpuData(b)];
	let sum = 0;
	for (let d = 0; d < a.shape[3]!; d++) sum += x[atA + d]! * y[atB + d]!;
	return sum;
}

/** target[at ...] += factor * source[from ...] over `count` elements. */
function addScaled(target: Float64Array, at: number, source: View, from: number, factor: number, count: number): void {
	const data = cpuData(source);
	for (let d = 0; d < count; d++) target[at + d]! += factor * data[from + d]!;
}

function forEachQuery(
	{ q, k, mask }: { q: View; k: View; mask?: View },
	{ scale, causal, dropout }: AttentionAttributes,
	visit: (query: Query) => void,
): void {
	const [batch, heads, length] = q.shape as [number, number, number];
	const groups = k.shape[1]!;
	const keys = k.shape[2]!;
	const padded = Math.ceil(keys / 4) * 4;
	const words = new Uint32Array(padded);
	const scores = new Float64Array(keys);
	const kept = new Float64Array(keys).fill(1);
	for (let b = 0; b < batch; b++) {
		for (let h = 0; h < heads; h++) {
			const g = Math.floor(h / (heads / groups));
			for (let i = 0; i < length; i++) {
				const row = (view: View) => rowOf(view, b, h, i);
				for (let j = 0; j < keys; j++) {
					const bias = mask === undefined ? 0 : biasOf(mask, rowOf(mask, b, h, i) + j * mask.strides[3]!);
					const seen = !(causal && j > i) && bias !== Number.NEGATIVE_INFINITY;
					scores[j] = seen ? scale * dot(q, row(q), k, rowOf(k, b, g, j)) + bias : Number.NEGATIVE_INFINITY;
				}
				if (dropout !== null) {
					fillWords(words, dropout, ((b * heads + h) * length + i) * padded);
					const threshold = uniformThreshold(dropout.p);
					for (let j = 0; j < keys; j++) kept[j] = words[j]! >>> 8 >= threshold ? 1 / (1 - dropout.p) : 0;
				}
				visit({ b, h, g, i, row, scores, kept });
			}
		}
	}
}

function biasOf(mask: View, at: number): number {
	const value = cpuData(mask)[at]!;
	if (mask.dtype !== 'bool') return value;
	return value === 0 ? Number.NEGATIVE_INFINITY : 0;
}

/** Copies the rows of a contiguous [B, H, L, D] array into a view of that shape. */
function store(view: View, values: Float64Array): void {
	const [batch, heads, length, size] = view.shape as [number, number, number, number];
	const data = cpuData(view);
	let next = 0;
	for (let b = 0; b < batch; b++) {
		for (let h = 0; h < heads; h++) {
			for (let i = 0; i < length; i++) {
				const at = rowOf(view, b, h, i);
				for (let d = 0; d < size; d++) data[at + d] = values[next++]!;
			}
		}
	}
}

/** The largest score, and the log of the sum of exp(score - largest); zeros for a query that attends to no key. */
function logSumExpOf(scores: Float64Array): readonly [largest: number, logSum: number] {
	let largest = Number.NEGATIVE_INFINITY;
	// The negated comparison lets a NaN become and stay the largest.
	for (const score of scores) if (!(score <= largest)) largest = score;
	if (largest === Number.NEGATIVE_INFINITY) return [0, 0];
	let sum = 0;
	for (const score of scores) sum += Math.exp(score - largest);
	return [largest, Math.log(sum)];
}

/** Calls `visit` with the weight of each key after dropout, and with the gradient of the product of query and key. */
function forEachPair(
	{ q, k, v, gradient, rows, mask }: { q: View; k: View; v: View; gradient: View; rows: View; mask?: View },
	attributes: AttentionAttributes,
	visit: (query: Query, j: number, weight: number, dScore: number) => void,
): void {
	const statistics = cpuData(rows);
	forEachQuery({ q, k, ...(mask && { mask }) }, attributes, (query) => {
		const at = rowOf(rows, query.b, query.h, query.i);
		// Recomputed from unrounded float64 scores: float32 may have rounded the largest score in `rows`.
		const [largest, logSum] = logSumExpOf(query.scores);
		const delta = statistics[at + 2]!;
		for (let j = 0; j < k.shape[2]!; j++) {
			const weight = Math.exp(query.scores[j]! - largest - logSum);
			const dWeight = query.kept[j]! * dot(gradient, query.row(gradient), v, rowOf(v, query.b, query.g, j));
			visit(query, j, weight * query.kept[j]!, attributes.scale * weight * (dWeight - delta));
		}
	});
}

export const attention: AttentionKernels = {
	attention({ q, k, v, mask }, { o, logSumExp }, attributes) {
		const size = v.shape[3]!;
		const result = new Float64Array(q.shape[0]! * q.shape[1]! * q.shape[2]! * size);
		const statistics = cpuData(logSumExp);
		let n = 0;
		forEachQuery({ q, k, ...(mask && { mask }) }, attributes, ({ b, g, scores, kept }) => {
			const [largest, logSum] = logSumExpOf(scores);
			const empty = scores.every((score) => score === Number.NEGATIVE_INFINITY);
			for (let j = 0; j < scores.length && !empty; j++) {
				const weight = Math.exp(scores[j]! - largest - logSum) * kept[j]!;
				addScaled(result, n * size, v, rowOf(v, b, g, j), weight, size);
			}
			statistics[2 * n] = largest;
			statistics[2 * n + 1] = logSum;
			n++;
		});
		store(o, result);
	},

	attentionRows({ o, gradient, logSumExp }, { rows }) {
		const [batch, heads, length] = o.shape as [number, number, number];
		const [statistics, data] = [cpuData(logSumExp), cpuData(rows)];
		for (let n = 0; n < batch * heads * length; n++) {
			const [b, h, i] = [Math.floor(n / length / heads), Math.floor(n / length) % heads, n % length];
			data[4 * n] = statistics[logSumExp.offset + 2 * n]!;
			data[4 * n + 1] = statistics[logSumExp.offset + 2 * n + 1]!;
			data[4 * n + 2] = dot(o, rowOf(o, b, h, i), gradient, rowOf(gradient, b, h, i));
		}
	},

	attentionGradQuery(inputs, { dq }, attributes) {
		const { q, k } = inputs;
		const [, heads, length, size] = q.shape as [number, number, number, number];
		const result = new Float64Array(q.shape[0]! * heads * length * size);
		forEachPair(inputs, attributes, ({ b, h, g, i }, j, _weight, dScore) => {
			addScaled(result, ((b * heads + h) * length + i) * size, k, rowOf(k, b, g, j), dScore, size);
		});
		store(dq, result);
	},

	attentionGradKeyValue(inputs, { dk, dv }, attributes) {
		const { q, k, v, gradient } = inputs;
		const [batch, groups, keys, size] = k.shape as [number, number, number, number];
		const valueSize = v.shape[3]!;
		const dKeys = new Float64Array(batch * groups * keys * size);
		const dValues = new Float64Array(batch * groups * keys * valueSize);
		forEachPair(inputs, attributes, ({ b, g, row }, j, weight, dScore) => {
			const n = (b * groups + g) * keys + j;
			addScaled(dKeys, n * size, q, row(q), dScore, size);
			addScaled(dValues, n * valueSize, gradient, row(gradient), weight, valueSize);
		});
		store(dk, dKeys);
		store(dv, dValues);
	},
};
