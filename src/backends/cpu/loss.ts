/** Losses on the host: the reference for shaders/loss.wgsl.ts. */
import type { TypedArray } from '../../core/dtype';
import { numel } from '../../core/shape';
import type { View } from '../contract';
import type { CrossEntropyAttributes, LossKernels, PointwiseLossOp } from '../contract/loss';
import { ctc } from './ctc';
import { cpuData, positions } from './storage';

const { abs, exp, log, log1p, max } = Math;

type PointwiseLoss = (a: number, b: number, parameter: number) => number;

const POINTWISE: Record<PointwiseLossOp, PointwiseLoss> = {
	mse: (a, b) => (a - b) ** 2,
	l1: (a, b) => abs(a - b),
	smoothL1: (a, b, beta) => (abs(a - b) < beta ? (0.5 * (a - b) ** 2) / beta : abs(a - b) - 0.5 * beta),
	huber: (a, b, delta) => (abs(a - b) <= delta ? 0.5 * (a - b) ** 2 : delta * (abs(a - b) - 0.5 * delta)),
	bce: (a, b) => -(b * max(log(a), -100) + (1 - b) * max(log1p(-a), -100)),
	bceWithLogits: (a, b) => (1 - b) * a + max(-a, 0) + log1p(exp(-abs(a))),
	klDiv: (a, b) => (b === 0 ? 0 : b * (log(b) - a)),
	klDivLog: (a, b) => exp(b) * (b - a),
};

/** Derivatives with respect to a. */
const POINTWISE_DERIVATIVE: Record<PointwiseLossOp, PointwiseLoss> = {
	mse: (a, b) => 2 * (a - b),
	l1: (a, b) => Math.sign(a - b),
	smoothL1: (a, b, beta) => (abs(a - b) < beta ? (a - b) / beta : Math.sign(a - b)),
	huber: (a, b, delta) => (abs(a - b) <= delta ? a - b : delta * Math.sign(a - b)),
	bce: (a, b) => (a - b) / max(a * (1 - a), 1e-12),
	bceWithLogits: (a, b) => 1 / (1 + exp(-a)) - b,
	klDiv: (_, b) => -b,
	klDivLog: (_, b) => -exp(b),
};

/** Reads element i of a contiguous view. */
function reader(view: View): (i: number) => number {
	const data = cpuData(view);
	return (i) => data[view.offset + i]!;
}

/** A logit minus the log-sum-exp of its row, largest part first; x itself if there are no logits. */
function withoutLogSum(x: number, logSums: TypedArray | null, row: number): number {
	return logSums === null ? x : x - logSums[2 * row]! - logSums[2 * row + 1]!;
}

/** Calls `visit` for each row that is not ignored, with the position of its first class and its target. */
function forEachRow(
	target: View,
	{ outer, classes, inner, ignoreIndex }: CrossEntropyAttributes,
	visit: (row: number, first: number, target: number) => void,
): void {
	const at = reader(target);
	for (let o = 0; o < outer; o++) {
		for (let i = 0; i < inner; i++) {
			const row = o * inner + i;
			if (at(row) !== ignoreIndex) visit(row, o * classes * inner + i, at(row));
		}
	}
}

export const loss: LossKernels = {
	...ctc,

	pointwiseLoss({ a, b }, { y }, { op, parameter }) {
		const f = POINTWISE[op];
		const [aData, bData, data] = [cpuData(a), cpuData(b), cpuData(y)];
		const bAt = positions(b);
		positions(a).forEach((position, i) => {
			data[i] = f(aData[position]!, bData[bAt[i]!]!, parameter);
		});
	},

	pointwiseLossGrad({ a, b, gradient }, { da }, { op, parameter }) {
		const f = POINTWISE_DERIVATIVE[op];
		const [aData, bData, gradientData, data] = [cpuData(a), cpuData(b), cpuData(gradient), cpuData(da)];
		const [bAt, gradientAt] = [positions(b), positions(gradient)];
		positions(a).forEach((position, i) => {
			data[i] = gradientData[gradientAt[i]!]! * f(aData[position]!, bData[bAt[i]!]!, parameter);
		});
	},

	crossEntropy({ x, target, weight }, { loss: output, total, logSumExp }, attributes) {
		const { outer, classes, inner, labelSmoothing, reduction } = attributes;
		const at = reader(x);
		const weightOf = weight === undefined ? () => 1 : reader(weight);
		const losses = new Float64Array(outer * inner);
		let weights = 0;
		const logSums = logSumExp === undefined ? null : cpuData(logSumExp);
		if (logSums !== null) {
			for (let row = 0; row < outer * inner; row++) {
				const first = Math.floor(row / inner) * classes * inner + (row % inner);
				let largest = Number.NEGATIVE_INFINITY;
				for (let c = 0; c < classes; c++) largest = max(largest, at(first + c * inner));
				let sum = 0;
				for (let c = 0; c < classes; c++) sum += exp(at(first + c * inner) - largest);
				logSums[2 * row] = largest;
				logSums[2 * row + 1] = log(sum);
			}
		}
		forEachRow(target, attributes, (row, first, t) => {
			if (t < 0 || t >= classes) {
				losses[row] = Number.NaN;
				return;
			}
			const logProbability = (c: number) => withoutLogSum(at(first + c * inner), logSums, row);
			let smooth = 0;
			if (labelSmoothing > 0) {
				for (let c = 0; c < classes; c++) smooth -= weightOf(c) * logProbability(c);
			}
			const hard = -weightOf(t) * logProbability(t);
			losses[row] = (1 - labelSmoothing) * hard + (labelSmoothing === 0 ? 0 : (labelSmoothing / classes) * smooth);
			weights += weightOf(t);
		});
		if (total !== undefined) cpuData(total)[0] = weights;
		if (reduction === 'none') {
			cpuData(output).set(losses);
			return;
		}
		const sum = losses.reduce((before, value) => before + value, 0);
		cpuData(output)[0] = reduction === 'mean' ? sum / weights : sum;
	},

	crossEntropyGrad({ x, target, weight, total, logSumExp, gradient }, { dx }, attributes) {
		const { classes, inner, labelSmoothing, reduction } = attributes;
		const at = reader(x);
		const logSums = logSumExp === undefined ? null : cpuData(logSumExp);
		const weightOf = weight === undefined ? () => 1 : reader(weight);
		const g = reader(gradient);
		const data = cpuData(dx);
		data.fill(0, 0, numel(dx.shape));
		let weightSum = 0;
		for (let c = 0; c < classes; c++) weightSum += weightOf(c);
		forEachRow(target, attributes, (row, first, t) => {
			const scale = reduction === 'none' ? g(row) : reduction === 'mean' ? g(0) / cpuData(total!)[0]! : g(0);
			const valid = t >= 0 && t < classes;
			for (let c = 0; c < classes; c++) {
				const position = first + c * inner;
				const probability = logSums === null ? 0 : exp(withoutLogSum(at(position), logSums, row));
				const hard = weightOf(t) * (probability - (c === t ? 1 : 0));
				const smooth = labelSmoothing === 0 ? 0 : probability * weightSum - weightOf(c);
				data[position] = valid ? scale * ((1 - labelSmoothing) * hard + (labelSmoothing / classes) * smooth) : Number.NaN;
			}
		});
	},
};
