/**
 * The floating-point operations of each kernel of a forward pass, computed from shapes alone.
 *
 * A multiply-add counts 2, in padding too. Adding a bias to a product is free. Any other arithmetic operation, comparison or
 * function (exp, tanh, sqrt) of one number counts 1. Moving, converting, sorting and drawing numbers counts 0.
 */
import { numel } from '../../core/shape';
import type { Kernels, View } from '../contract';
import type { GradScalerKernels } from '../contract/gradScaler';
import type { OptimizerKernels } from '../contract/optimizer';
import { type CellKind, GATES } from '../contract/rnn';
import type { SampleAttributes } from '../contract/sample';

/** The kernels of forward passes. A new kernel that is neither a gradient nor an optimizer step needs a line in COUNTS. */
type ForwardKernel =
	| Exclude<keyof Kernels, keyof OptimizerKernels | keyof GradScalerKernels | `${string}Grad${string}` | 'attentionRows'>
	| 'convInputGrad';

type Counts = {
	readonly [K in ForwardKernel]: (
		inputs: Parameters<Kernels[K]>[0],
		outputs: Parameters<Kernels[K]>[1],
		attributes: NonNullable<Parameters<Kernels[K]>[2]>,
	) => number;
};

const none = () => 0;
const size = (view: View | undefined) => (view === undefined ? 0 : numel(view.shape));
const ofOutput = (_: unknown, { y }: { y: View }) => size(y);
const ofInput = ({ x }: { x: View }) => size(x);

/** One step for one unit: the sums of the inputs' and the state's products, the activations, and the new state. */
const STEP: Readonly<Record<CellKind, number>> = {
	// 4 sums, 4 activations, f c + i g (3), tanh(c'), times o.
	lstm: 13,
	// r and z: 2 sums, 2 activations; n: times r, a sum, tanh; (1 - z) n + z h (4).
	gru: 11,
	tanh: 2,
	relu: 2,
};

/** Twice the weights that each element of a convolution's input (or output) is multiplied with. */
const perElement = (weight: View) => 2 * numel(weight.shape.slice(1));

const COUNTS: Counts = {
	unary: ofOutput,
	predicate: ofOutput,
	binary: ofOutput,
	binaryScalar: ofOutput,
	binaryInPlace: (_, { a }) => size(a),
	binaryScalarInPlace: (_, { x }) => size(x),
	compare: ofOutput,
	compareScalar: ofOutput,
	combine: (_, { y }, { op }) => size(y) * (op === 'lerp' ? 3 : 2),
	where: none,
	ternary: (_, { y }) => 3 * size(y),
	cast: none,

	// logsumexp: maximum, difference, exp, sum. norm: power, sum.
	reduce: ({ x }, _, { op }) => size(x) * (op === 'logsumexp' ? 4 : op === 'norm' ? 2 : 1),
	// The sum of the mean, and for each deviation: difference, square, sum.
	variance: ({ x }) => 4 * size(x),
	extremum: ofInput,
	median: none,
	scan: ({ x }, _, { op }) => size(x) * (op === 'linear' ? 2 : 1),

	matmul: ({ a }, { out }) => 2 * size(out) * a.shape.at(-1)!,

	conv: ({ weight }, { y }) => perElement(weight) * size(y),
	convInputGrad: ({ gradY, weight }) => perElement(weight) * size(gradY),

	maxPool: (_, { y }, { kernel }) => size(y) * numel(kernel),
	maxPoolGather: none,
	avgPool: (_, { y }, { kernel }) => size(y) * numel(kernel),
	adaptiveAvgPool: adaptive,
	adaptiveMaxPool: adaptive,

	// Maximum, difference, exp, sum, quotient (or the difference from the logarithm).
	softmax: ({ x }) => 5 * size(x),
	luFactor: (_, { lu }) => (2 * size(lu) * lu.shape.at(-1)!) / 3,
	choleskyFactor: (_, { l }) => (size(l) * l.shape.at(-1)!) / 3,
	triangularSolve: ({ t }, { x }) => size(t) * x.shape.at(-1)!,

	groupNorm: ({ x, weight, bias }, { mean }) =>
		size(x) * ((mean === undefined ? 3 : 6) + (weight === undefined ? 0 : 1) + (bias === undefined ? 0 : 1)),
	channelStatistics: ({ x }) => 4 * size(x),
	// An addition, a root and a reciprocal; 3 operations for each running average.
	channelScale: ({ variance }, { runningMean }) => size(variance) * (runningMean === undefined ? 3 : 9),
	channelNorm: ({ x, weight, bias }) => size(x) * (2 + (weight === undefined ? 0 : 1) + (bias === undefined ? 0 : 1)),

	// For each pair of a query and a key that it may attend to: two products, the scale, the mask, a softmax.
	attention: ({ q, k, v, mask }, _, { causal }) => {
		const [batch = 0, heads = 0, queries = 0, width = 0] = q.shape;
		const keys = k.shape[2]!;
		const seen = Math.min(queries, keys);
		const pairs = causal ? (seen * (seen + 1)) / 2 + (queries - seen) * keys : queries * keys;
		return batch * heads * pairs * (2 * width + 2 * v.shape[3]! + 6 + (mask === undefined ? 0 : 1));
	},

	quantizedLinear: ({ x }, { out }) => 2 * size(out) * x.shape.at(-1)!,
	// A difference and a product for each element.
	quantizedEmbedding: (_, { y }) => 2 * size(y),
	dequantizeWeight: (_, { y }) => 2 * size(y),

	custom: none,
	embedding: none,
	checkIndices: none,
	gather: none,
	scatterAddInto: ({ source }) => size(source),
	scatterReduceInto: ({ source }) => size(source),
	scatterInto: none,
	sort: none,
	searchsorted: none,

	pixels: none,
	affineSample: sampled,
	gridSample: sampled,

	copy: none,
	copyInto: none,
	fill: none,
	arange: none,
	pad: none,

	randomUniform: none,
	randomNormal: none,
	randomInteger: none,
	bernoulli: none,
	dropout: ofOutput,

	rnnStep: ({ recurrent }, _, { cell }) => (size(recurrent) / GATES[cell]) * STEP[cell],

	pointwiseLoss: (_, { y }, { op }) => size(y) * (op === 'mse' || op === 'l1' ? 2 : 4),
	crossEntropy: ({ x, target }, _, { logits }) => (logits ? 5 * size(x) : 0) + 2 * size(target),
	// For each position and step: the largest of three, three differences, exps and sums, a logarithm, the emission.
	ctc: (_, { alpha }) => 6 * size(alpha),
};

/** Adjacent windows share an element if the sizes do not divide evenly. The count ignores this overlap. */
function adaptive({ x }: { x: View }, { y }: { y: View }): number {
	return Math.max(size(x), size(y));
}

/** Bilinear: the weighted sum of four pixels. Position arithmetic is not counted, because all channels share it. */
function sampled(_: unknown, { y }: { y: View }, { mode }: SampleAttributes): number {
	return mode === 'bilinear' ? 7 * size(y) : 0;
}

/** The floating-point operations of one kernel call; 0 for kernels of backward passes and optimizers. */
export function flopsOf(kernel: string, inputs: unknown, outputs: unknown, attributes: unknown): number {
	const count = (COUNTS as unknown as Readonly<Record<string, (...args: unknown[]) => number>>)[kernel];
	return count?.(inputs, outputs, attributes ?? {}) ?? 0;
}
