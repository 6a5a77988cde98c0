/**
 * Losses.
 *
 * pair, pairGrad : elementwise losses of input a and target b, in the frame of elementwise.wgsl.ts.
 *
 * crossEntropy   : x is [outer, classes, inner], contiguous; a row is the classes of one (outer, inner). Each row yields its
 *                  largest element and the logarithm of the sum of exp(x - largest), the loss, and the weight of its target. The
 *                  kernel subtracts the two one after the other, because their sum would round the logarithm off.
 *     whole : one workgroup of 64 does all rows, each thread in turn, and sums the losses: one launch for small batches.
 *     thread: a thread does a row; adjacent threads read adjacent elements if inner > 1. For few classes.
 *     group : a workgroup of 64 does a row (inner = 1), with two reductions in workgroup memory. For many classes.
 * finish         : one workgroup of 64 sums losses and weights of all rows. Each thread takes every 64th, in blocks of 32: a
 *                  fixed order.
 * crossEntropyGrad: a thread makes four consecutive elements of dx.
 *
 * An ignored target gives loss 0 and weight 0. An invalid class gives loss NaN, and crossEntropy reports the class.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineElementwiseKernel, type ElementAccess, operand } from './elementwise.wgsl';
import { mathFunctions } from './math.wgsl';
import { defineKernel, read, readWrite, type StorageType, WORKGROUP_SIZE } from './shader';
import { workgroupSum } from './workgroupReduction';

const PAIR = {
	mse: '(a - b) * (a - b)',
	l1: 'abs(a - b)',
	smoothL1: 'select(abs(a - b) - 0.5 * s, 0.5 * (a - b) * (a - b) / s, abs(a - b) < vec4(s))',
	huber: 'select(s * (abs(a - b) - 0.5 * s), 0.5 * (a - b) * (a - b), abs(a - b) <= vec4(s))',
	bce: '-(b * cutOff(logarithm(a)) + (1.0 - b) * cutOff(logarithm1p(-a)))',
	// This order keeps the digits of a small logarithm: a cancels first.
	bceWithLogits: '((1.0 - b) * a + max(-a, vec4(0.0))) + logarithm1p(exponential(-abs(a)))',
	klDiv: 'select(b * (logarithm(b) - a), vec4(0.0), b == vec4(0.0))',
	klDivLog: 'exponential(b) * (b - a)',
};

type PointwiseLossName = keyof typeof PAIR;

/** The gradient g times the derivative with respect to a. */
const PAIR_DERIVATIVE: Record<PointwiseLossName, string> = {
	mse: '2.0 * g * (a - b)',
	l1: 'g * signOf(a - b)',
	smoothL1: 'g * select(signOf(a - b), (a - b) / s, abs(a - b) < vec4(s))',
	huber: 'g * select(s * signOf(a - b), a - b, abs(a - b) <= vec4(s))',
	bce: 'g * (a - b) / max(a * (1.0 - a), vec4(1e-12))',
	bceWithLogits: 'g * (sigmoid(a) - b)',
	klDiv: '-g * b',
	klDivLog: '-g * exponential(b)',
};

/** max(x, -100), but keeps NaN. */
const CUT_OFF = `
fn cutOff(x: vec4<f32>) -> vec4<f32> {
	return select(max(x, vec4(-100.0)), x, isNan(x));
}
`;

type PointwiseLossVariant = { op: PointwiseLossName; type: StorageType; access: ElementAccess };

export const pointwiseLoss = defineElementwiseKernel('loss.pointwise', ({ op, type, access }: PointwiseLossVariant) => ({
	access,
	operands: { a: operand(type), b: operand(type) },
	output: type,
	functions: op === 'bce' ? CUT_OFF : '',
	parameters: 'f32',
	value: PAIR[op],
}));

export const pointwiseLossGrad = defineElementwiseKernel('loss.pointwiseGrad', ({ op, type, access }: PointwiseLossVariant) => ({
	access,
	operands: { a: operand(type), b: operand(type), g: operand(type) },
	output: type,
	parameters: 'f32',
	value: PAIR_DERIVATIVE[op],
}));

/** Parameters that forward and backward share. */
const CLASS_PARAMS = {
	rows: 'u32',
	classes: 'u32',
	inner: 'u32',
	ignoreIndex: 'i32',
	labelSmoothing: 'f32',
	xOffset: 'u32',
	targetOffset: 'u32',
	weightOffset: 'u32?',
	gradientOffset: 'u32?',
	size: 'u32',
} as const;

/** The weight of a class. */
const classWeight = (weighted: boolean) => `
fn weightOf(c: u32) -> f32 {
	return ${weighted ? 'f32(weight[p.weightOffset + c])' : '1.0'};
}
`;

const WORKGROUP_SUM = workgroupSum('vec2<f32>', WORKGROUP_SIZE);

/** The largest value of all threads, returned to each of them. It borrows the memory of the sum. */
const LARGEST = wgsl`
fn largestOfAll(mine: f32, lid: u32) -> f32 {
	workgroupBarrier();
	shares[lid].x = mine;
	workgroupBarrier();
	var largest = mine;
	for (var lane = 0u; lane < ${WORKGROUP_SIZE}u; lane++) {
		largest = max(largest, shares[lane].x);
	}
	return largest;
}
`;

/** Two sums as a reduced loss. If every row is ignored, the mean is 0 / 0, as in PyTorch. */
const REDUCED = wgsl`
fn reduced(sum: vec2<f32>) -> f32 {
	return orNan(vec4(sum.x / sum.y), vec4(sum.x == 0.0 && sum.y == 0.0)).x;
}
`;

/**
 * A row, by one thread or by the workgroup. In a workgroup each thread takes classes 64 apart and adds them up in blocks of 32.
 */
const ROW = (logits: boolean, smoothed: boolean, together: boolean) => {
	const logProbability = (c: string) => {
		const element = `f32(x[first + ${c} * p.inner])`;
		return logits ? `((${element} - largest) - logSum)` : element;
	};
	return wgsl`
/** The loss of a row and the weight of its target. In a workgroup every thread gets them. */
fn rowLoss(row: u32, lid: u32) -> vec2<f32> {
	let first = p.xOffset + row / p.inner * p.classes * p.inner + row % p.inner;
	let begin = ${together ? 'lid' : '0u'};
	let step = ${together ? WORKGROUP_SIZE : 1}u;
#if ${logits}
	var largest = f32(x[first + begin * p.inner]);
	for (var c = begin + step; c < p.classes; c += step) {
		largest = max(largest, f32(x[first + c * p.inner]));
	}
#if ${together}
	largest = largestOfAll(largest, lid);
#endif
	var sum = 0.0;
	var next = begin;
	while (next < p.classes) {
		let until = min(p.classes, next + 32u * step);
		var block = 0.0;
		for (; next < until; next += step) {
			block += exponential(vec4(f32(x[first + next * p.inner]) - largest)).x;
		}
		sum += block;
	}
#if ${together}
	sum = workgroupSum(vec2(sum, 0.0), lid).x;
#endif
	let logSum = logarithm(vec4(sum)).x;
	if (lid == 0u || ${!together}) {
		logSumExp[row] = vec2(largest, logSum);
	}
#endif
	let t = labels[p.targetOffset + row];
	let valid = t >= 0 && u32(t) < p.classes;
	let c = select(0u, u32(t), valid);
	let w = weightOf(c);
	var value = -w * ${logProbability('c')};
#if ${smoothed}
	var smoothSum = 0.0;
	for (var k = begin; k < p.classes; k += step) {
		smoothSum -= weightOf(k) * ${logProbability('k')};
	}
#if ${together}
	smoothSum = workgroupSum(vec2(smoothSum, 0.0), lid).x;
#endif
	value = (1.0 - p.labelSmoothing) * value + p.labelSmoothing / f32(p.classes) * smoothSum;
#endif
	if (t == p.ignoreIndex) {
		return vec2(0.0);
	}
	if (!valid) {
		reportIndex(t);
	}
	return vec2(orNan(vec4(value), vec4(!valid)).x, select(0.0, w, valid));
}
`;
};

type CrossEntropyVariant = {
	/** The type of x and weight. */
	type: StorageType;
	/** The type of the losses: f32 if finish sums them. */
	loss: StorageType;
	method: 'whole' | 'thread' | 'group';
	logits: boolean;
	weighted: boolean;
	smoothed: boolean;
	/** The reduction of the losses. thread and group write the loss of each row; with sum or mean also its weight. */
	reduction: 'none' | 'sum' | 'mean';
};

export const crossEntropyKernel = defineKernel({
	name: 'loss.crossEntropy',
	params: CLASS_PARAMS,
	reportsIndices: true,
	define({ type, loss, method, logits, weighted, smoothed, reduction }: CrossEntropyVariant) {
		const together = method === 'group';
		const row = ROW(logits, smoothed, together) + (method === 'whole' && reduction === 'mean' ? REDUCED : '');
		return {
			bindings: {
				x: read(type),
				labels: read('i32'),
				weight: weighted && read(type),
				logSumExp: logits && readWrite('vec2<f32>'),
				loss: readWrite(loss),
				/** One total for all rows, or one for each. */
				total: reduction !== 'none' && readWrite('f32'),
			},
			invocations: method === 'thread' ? 'p.rows' : undefined,
			functions: wgsl`
${classWeight(weighted)}
${mathFunctions(row)}
#if ${method !== 'thread'}
${WORKGROUP_SUM}
#endif
#if ${together && logits}
${LARGEST}
#endif
${row}
`,
			main: wgsl`
#if ${method === 'whole'}
	var sum = vec2(0.0);
	for (var row = lid; row < p.rows; row += ${WORKGROUP_SIZE}u) {
		sum += rowLoss(row, lid);
	}
	sum = workgroupSum(sum, lid);
	if (lid == 0u) {
		loss[0] = ${loss}(${reduction === 'mean' ? 'reduced(sum)' : 'sum.x'});
		total[0] = sum.y;
	}
#else
#if ${together}
	let row = groupIndex;
	if (row >= p.rows) {
		return;
	}
#else
	let row = i;
#endif
	let value = rowLoss(row, lid);
	if (lid == 0u || ${!together}) {
		loss[row] = ${loss}(value.x);
#if ${reduction !== 'none'}
		total[row] = value.y;
#endif
	}
#endif
`,
		};
	},
});

type FinishVariant = { loss: StorageType; reduction: 'sum' | 'mean' };

export const finish = defineKernel({
	name: 'loss.finish',
	params: { rows: 'u32' },
	define: ({ loss, reduction }: FinishVariant) => ({
		bindings: { losses: read('f32'), weights: read('f32'), loss: readWrite(loss), total: readWrite('f32') },
		functions: mathFunctions(REDUCED) + REDUCED + WORKGROUP_SUM,
		main: wgsl`
	var sum = vec2(0.0);
	var row = lid;
	while (row < p.rows) {
		let until = min(p.rows, row + ${32 * WORKGROUP_SIZE}u);
		var block = vec2(0.0);
		for (; row < until; row += ${WORKGROUP_SIZE}u) {
			block += vec2(losses[row], weights[row]);
		}
		sum += block;
	}
	sum = workgroupSum(sum, lid);
	if (lid == 0u) {
		loss[0] = ${loss}(${reduction === 'mean' ? 'reduced(sum)' : 'sum.x'});
		total[0] = sum.y;
	}
`,
	}),
});

type CrossEntropyGradVariant = {
	/** The type of x, weight, gradient and dx. */
	type: StorageType;
	logits: boolean;
	weighted: boolean;
	smoothed: boolean;
	reduction: 'none' | 'sum' | 'mean';
};

export const crossEntropyGrad = defineKernel({
	name: 'loss.crossEntropyGrad',
	params: CLASS_PARAMS,
	define: ({ type, logits, weighted, smoothed, reduction }: CrossEntropyGradVariant) => ({
		bindings: {
			x: logits && read(type),
			labels: read('i32'),
			gradient: read(type),
			weight: weighted && read(type),
			logSumExp: logits && read('vec2<f32>'),
			total: reduction === 'mean' && read('f32'),
			dx: readWrite(type),
		},
		invocations: '(p.size + 3u) / 4u',
		functions: classWeight(weighted) + mathFunctions(logits ? 'exponential(x) orNan()' : 'orNan()'),
		main: wgsl`
#if ${smoothed}
	var weightSum = 0.0;
	for (var c = 0u; c < p.classes; c++) {
		weightSum += weightOf(c);
	}
#endif
	for (var at = 4u * i; at < min(4u * i + 4u, p.size); at++) {
		let group = at / p.inner;
		let label = group % p.classes;
		let row = group / p.classes * p.inner + (at - group * p.inner);
#if ${logits}
		let logSum = logSumExp[row];
		let probability = exponential(vec4((f32(x[p.xOffset + at]) - logSum.x) - logSum.y)).x;
#else
		let probability = 0.0;
#endif
		let t = labels[p.targetOffset + row];
		let valid = t >= 0 && u32(t) < p.classes;
		let hit = valid && u32(t) == label;
		var value = weightOf(select(0u, u32(t), valid)) * (probability - select(0.0, 1.0, hit));
#if ${smoothed}
		let smoothPart = probability * ${logits ? 'weightSum' : '0.0'} - weightOf(label);
		value = (1.0 - p.labelSmoothing) * value + p.labelSmoothing / f32(p.classes) * smoothPart;
#endif
#if ${reduction === 'none'}
		value *= f32(gradient[p.gradientOffset + row]);
#elif ${reduction === 'mean'}
		value *= f32(gradient[p.gradientOffset]) / total[0];
#else
		value *= f32(gradient[p.gradientOffset]);
#endif
		value = orNan(vec4(value), vec4(!valid)).x;
		dx[at] = ${type}(select(value, 0.0, t == p.ignoreIndex));
	}
`,
	}),
});
