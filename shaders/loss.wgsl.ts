/**
 * Losses.
 *
 * pair, pairGrad : elementwise losses of input a and target b, in the frame of elementwise.wgsl.ts.
 *
 * crossEntropy   : x is [outer, classes, inner], contiguous; a row is the classes of one (outer, inner). For each row the logarithm of the
 *                  sum of exponentials (of x - max), the loss and the weight of its target.
 *     whole : one workgroup of 64 does all rows, a thread each in turn, and sums the losses up: one launch for small batches.
 *     thread: a thread does a row; neighbours read neighbouring elements when inner > 1. Few classes.
 *     group : a workgroup of 64 does a row (inner = 1), with two tree reductions in workgroup memory. Many classes.
 * finish         : one workgroup of 256 sums losses and weights of all rows, each thread its own stride, then a tree: a fixed order.
 * crossEntropyGrad: a thread makes four consecutive elements of dx.
 *
 * A row whose target is ignored has loss and weight 0; one whose target is no class has loss NaN, since a kernel cannot throw.
 */
import { wgsl } from 'wgsl-preprocessor';
import { type ElementAccess, elementwiseSource } from './elementwise.wgsl';
import { mathFunctions } from './math.wgsl';
import type { Access, ShaderTemplate, StorageType } from './shader';

const PAIR = {
	mse: '(a - b) * (a - b)',
	l1: 'abs(a - b)',
	smoothL1: 'select(abs(a - b) - 0.5 * s, 0.5 * (a - b) * (a - b) / s, abs(a - b) < vec4(s))',
	huber: 'select(s * (abs(a - b) - 0.5 * s), 0.5 * (a - b) * (a - b), abs(a - b) <= vec4(s))',
	bce: '-(b * cutOff(logarithm(a)) + (1.0 - b) * cutOff(logarithm1p(-a)))',
	bceWithLogits: '(1.0 - b) * a + softplus(-a)',
	klDiv: 'select(b * (logarithm(b) - a), vec4(0.0), b == vec4(0.0))',
	klDivLog: 'exponential(b) * (b - a)',
};

export type PairName = keyof typeof PAIR;

/** Times the gradient g, by a. */
const PAIR_DERIVATIVE: Record<PairName, string> = {
	mse: '2.0 * g * (a - b)',
	l1: 'g * signOf(a - b)',
	smoothL1: 'g * select(signOf(a - b), (a - b) / s, abs(a - b) < vec4(s))',
	huber: 'g * select(s * signOf(a - b), a - b, abs(a - b) <= vec4(s))',
	bce: 'g * (a - b) / max(a * (1.0 - a), vec4(1e-12))',
	bceWithLogits: 'g * (sigmoid(a) - b)',
	klDiv: '-g * b',
	klDivLog: '-g * exponential(b)',
};

/** max(x, -100) that keeps NaN. */
const CUT_OFF = `
fn cutOff(x: vec4<f32>) -> vec4<f32> {
	return select(max(x, vec4(-100.0)), x, isNan(x));
}
`;

export type PairVariant = { op: PairName; type: StorageType; access: ElementAccess };

export const pairLoss: ShaderTemplate<PairVariant> = {
	name: 'loss.pair',
	source: ({ op, type, access }) =>
		elementwiseSource({
			access,
			operands: ['a', 'b'].map((name) => ({ name, stored: type, computed: 'f32' })),
			output: type,
			functions: op === 'bce' ? CUT_OFF : '',
			parameters: 'f32',
			value: PAIR[op],
		}),
};

export const pairLossGrad: ShaderTemplate<PairVariant> = {
	name: 'loss.pairGrad',
	source: ({ op, type, access }) =>
		elementwiseSource({
			access,
			operands: ['a', 'b', 'g'].map((name) => ({ name, stored: type, computed: 'f32' })),
			output: type,
			parameters: 'f32',
			value: PAIR_DERIVATIVE[op],
		}),
};

/** What forward and backward share. */
const COMMON = wgsl`
struct Params {
	rows: u32,
	classes: u32,
	inner: u32,
	ignoreIndex: i32,
	labelSmoothing: f32,
	xOffset: u32,
	targetOffset: u32,
	weightOffset: u32,
	gradientOffset: u32,
	size: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
`;

/** The weight of a class, from a buffer at `binding` if there is one. */
function classWeight(type: StorageType, binding: number | undefined): string {
	if (binding === undefined) return 'fn weightOf(c: u32) -> f32 {\n\treturn 1.0;\n}\n';
	return wgsl`
@group(0) @binding(${binding}) var<storage, read> weight: array<${type}>;
fn weightOf(c: u32) -> f32 {
	return f32(weight[p.weightOffset + c]);
}
`;
}

/** Sums of a value of every thread, in every thread. */
const treeSum = (threads: number) => wgsl`
var<workgroup> partial: array<vec2<f32>, ${threads}>;
fn treeSum(lid: u32, value: vec2<f32>) -> vec2<f32> {
	workgroupBarrier();
	partial[lid] = value;
	workgroupBarrier();
	for (var width = ${threads / 2}u; width > 0u; width /= 2u) {
		if (lid < width) {
			partial[lid] += partial[lid + width];
		}
		workgroupBarrier();
	}
	return partial[0];
}
`;

const TREE_MAX = wgsl`
fn treeMax(lid: u32, value: f32) -> f32 {
	workgroupBarrier();
	partial[lid].x = value;
	workgroupBarrier();
	for (var width = 32u; width > 0u; width /= 2u) {
		if (lid < width) {
			partial[lid].x = max(partial[lid].x, partial[lid + width].x);
		}
		workgroupBarrier();
	}
	return partial[0].x;
}
`;

/** Two sums as a reduced loss. Where every row is ignored the mean is 0 / 0, as in PyTorch. */
const REDUCED = wgsl`
fn reduced(sum: vec2<f32>) -> f32 {
	if (sum.x == 0.0 && sum.y == 0.0) {
		return nan();
	}
	return sum.x / sum.y;
}
`;

/** A row, four classes at a time: neighbouring ones, or together with the workgroup those that are 64 apart. */
const ROW = (logits: boolean, smoothed: boolean, together: boolean) => wgsl`
fn quad(first: u32, classes: vec4<u32>) -> vec4<f32> {
	let at = first + min(classes, vec4(p.classes - 1u)) * p.inner;
	return vec4(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
}

/** The loss of a row and the weight of its target; of a group of threads, in all of them. */
fn rowLoss(row: u32, lid: u32) -> vec2<f32> {
	let first = p.xOffset + row / p.inner * p.classes * p.inner + row % p.inner;
#if ${together}
	let start = vec4(lid) + vec4(0u, 64u, 128u, 192u);
	let step = 256u;
#else
	let start = vec4(0u, 1u, 2u, 3u);
	let step = 4u;
#endif
	var normalizer = 0.0;
#if ${logits}
	var quads = quad(first, start);
	for (var c = step; c < p.classes; c += step) {
		quads = max(quads, quad(first, start + c));
	}
	var largest = max(max(quads.x, quads.y), max(quads.z, quads.w));
#if ${together}
	largest = treeMax(lid, largest);
#endif
	var sums = vec4(0.0);
	for (var c = 0u; c < p.classes; c += step) {
		sums += select(vec4(0.0), exponential(quad(first, start + c) - largest), start + c < vec4(p.classes));
	}
	var sum = sums.x + sums.y + (sums.z + sums.w);
#if ${together}
	sum = treeSum(lid, vec2(sum, 0.0)).x;
#endif
	normalizer = largest + logarithm(vec4(sum)).x;
	if (lid == 0u || ${!together}) {
		logSumExp[row] = normalizer;
	}
#endif
	let t = labels[p.targetOffset + row];
	let valid = t >= 0 && u32(t) < p.classes;
	let c = select(0u, u32(t), valid);
	let w = weightOf(c);
	var value = -w * (f32(x[first + c * p.inner]) - normalizer);
#if ${smoothed}
	var smoothSum = 0.0;
	for (var k = ${together ? 'lid' : '0u'}; k < p.classes; k += ${together ? 64 : 1}u) {
		smoothSum -= weightOf(k) * (f32(x[first + k * p.inner]) - normalizer);
	}
#if ${together}
	smoothSum = treeSum(lid, vec2(smoothSum, 0.0)).x;
#endif
	value = (1.0 - p.labelSmoothing) * value + p.labelSmoothing / f32(p.classes) * smoothSum;
#endif
	if (t == p.ignoreIndex) {
		return vec2(0.0);
	}
	return select(vec2(nan(), 0.0), vec2(value, w), valid);
}
`;

export type CrossEntropyVariant = {
	/** Of x and weight. */
	type: StorageType;
	/** Of the losses: f32 for those that finish sums up. */
	loss: StorageType;
	method: 'whole' | 'thread' | 'group';
	logits: boolean;
	weighted: boolean;
	smoothed: boolean;
	/** What becomes of the losses; thread and group write each row's, and with sum or mean its weight too. */
	reduction: 'none' | 'sum' | 'mean';
};

/** Bindings: x, labels, weight if weighted, logSumExp if logits, loss, and total or row weights if reduced. */
export const crossEntropy: ShaderTemplate<CrossEntropyVariant> = {
	name: 'loss.crossEntropy',
	source({ type, loss, method, logits, weighted, smoothed, reduction }) {
		const together = method === 'group';
		const row = ROW(logits, smoothed, together) + (method === 'whole' && reduction === 'mean' ? REDUCED : '');
		let binding = weighted ? 4 : 3;
		const code = wgsl`
#if ${type === 'f16' || loss === 'f16'}
enable f16;
#endif
${COMMON}
@group(0) @binding(1) var<storage, read> x: array<${type}>;
@group(0) @binding(2) var<storage, read> labels: array<i32>;
${classWeight(type, weighted ? 3 : undefined)}
#if ${logits}
@group(0) @binding(${logits ? binding++ : 0}) var<storage, read_write> logSumExp: array<f32>;
#endif
@group(0) @binding(${binding++}) var<storage, read_write> loss: array<${loss}>;
#if ${reduction !== 'none'}
@group(0) @binding(${binding}) var<storage, read_write> total: array<f32>;
#endif
${mathFunctions(row)}
#if ${method !== 'thread'}
${treeSum(64)}
#endif
#if ${together && logits}
${TREE_MAX}
#endif
${row}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
#if ${method === 'whole'}
	var sum = vec2(0.0);
	for (var row = lid; row < p.rows; row += 64u) {
		sum += rowLoss(row, lid);
	}
	sum = treeSum(lid, sum);
	if (lid == 0u) {
		loss[0] = ${loss}(${reduction === 'mean' ? 'reduced(sum)' : 'sum.x'});
		total[0] = sum.y;
	}
#else
	let row = (wid.x + wid.y * nwg.x)${together ? '' : ' * 64u + lid'};
	if (row >= p.rows) {
		return;
	}
	let value = rowLoss(row, lid);
	if (lid == 0u || ${!together}) {
		loss[row] = ${loss}(value.x);
#if ${reduction !== 'none'}
		total[row] = value.y;
#endif
	}
#endif
}
`;
		const outputs = Number(logits) + 1 + Number(reduction !== 'none');
		const bindings: Access[] = [
			'read',
			'read',
			...(weighted ? (['read'] as const) : []),
			...new Array<Access>(outputs).fill('read_write'),
		];
		return { code, bindings };
	},
};

export type FinishVariant = { loss: StorageType; reduction: 'sum' | 'mean' };

/** Bindings: losses and weights of the rows, the reduced loss, and the total weight. */
export const finish: ShaderTemplate<FinishVariant> = {
	name: 'loss.finish',
	source({ loss, reduction }) {
		const code = wgsl`
#if ${loss === 'f16'}
enable f16;
#endif
struct Params {
	rows: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> losses: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<${loss}>;
@group(0) @binding(4) var<storage, read_write> total: array<f32>;
${mathFunctions(REDUCED)}
${REDUCED}
${treeSum(256)}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lid: u32) {
	var sum = vec2(0.0);
	for (var row = lid; row < p.rows; row += 256u) {
		sum += vec2(losses[row], weights[row]);
	}
	sum = treeSum(lid, sum);
	if (lid == 0u) {
		loss[0] = ${loss}(${reduction === 'mean' ? 'reduced(sum)' : 'sum.x'});
		total[0] = sum.y;
	}
}
`;
		return { code, bindings: ['read', 'read', 'read_write', 'read_write'] };
	},
};

export type CrossEntropyGradVariant = {
	/** Of x, weight, gradient and dx. */
	type: StorageType;
	logits: boolean;
	weighted: boolean;
	smoothed: boolean;
	reduction: 'none' | 'sum' | 'mean';
};

/** Bindings: x if logits, labels, gradient, weight if weighted, logSumExp if logits, total if mean; dx. */
export const crossEntropyGrad: ShaderTemplate<CrossEntropyGradVariant> = {
	name: 'loss.crossEntropyGrad',
	source({ type, logits, weighted, smoothed, reduction }) {
		const bindings: Access[] = [];
		const bind = (name: string, element: string, access: Access = 'read') => {
			bindings.push(access);
			return `@group(0) @binding(${bindings.length}) var<storage, ${access}> ${name}: array<${element}>;\n`;
		};
		const declarations = [
			logits ? bind('x', type) : '',
			bind('labels', 'i32'),
			bind('gradient', type),
			weighted ? classWeight(type, bindings.push('read')) : classWeight(type, undefined),
			logits ? bind('logSumExp', 'f32') : '',
			reduction === 'mean' ? bind('total', 'f32') : '',
			bind('dx', type, 'read_write'),
		].join('');
		const calls = logits ? 'exponential(x) nan()' : 'nan()';
		const code = wgsl`
#if ${type === 'f16'}
enable f16;
#endif
${COMMON}
${declarations}
${mathFunctions(calls)}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let begin = ((wid.x + wid.y * nwg.x) * 64u + lid) * 4u;
	if (begin >= p.size) {
		return;
	}
	let last = p.size - 1u;
	let at = min(vec4(begin) + vec4(0u, 1u, 2u, 3u), vec4(last));
	let group = at / p.inner;
	let label = group % p.classes;
	let row = group / p.classes * p.inner + (at - group * p.inner);
#if ${logits}
	let place = at + p.xOffset;
	let logits = vec4(f32(x[place.x]), f32(x[place.y]), f32(x[place.z]), f32(x[place.w]));
	let probability = exponential(logits - vec4(logSumExp[row.x], logSumExp[row.y], logSumExp[row.z], logSumExp[row.w]));
#else
	let probability = vec4(0.0);
#endif
#if ${smoothed}
	var weightSum = 0.0;
	for (var c = 0u; c < p.classes; c++) {
		weightSum += weightOf(c);
	}
#endif
	for (var k = 0u; k < min(4u, p.size - begin); k++) {
		let t = labels[p.targetOffset + row[k]];
		let valid = t >= 0 && u32(t) < p.classes;
		let hit = valid && u32(t) == label[k];
		var value = weightOf(select(0u, u32(t), valid)) * (probability[k] - select(0.0, 1.0, hit));
#if ${smoothed}
		let smoothPart = probability[k] * ${logits ? 'weightSum' : '0.0'} - weightOf(label[k]);
		value = (1.0 - p.labelSmoothing) * value + p.labelSmoothing / f32(p.classes) * smoothPart;
#endif
#if ${reduction === 'none'}
		value *= f32(gradient[p.gradientOffset + row[k]]);
#elif ${reduction === 'mean'}
		value *= f32(gradient[p.gradientOffset]) / total[0];
#else
		value *= f32(gradient[p.gradientOffset]);
#endif
		value = select(value, nan(), !valid);
		dx[begin + k] = ${type}(select(value, 0.0, t == p.ignoreIndex));
	}
}
`;
		return { code, bindings };
	},
};
