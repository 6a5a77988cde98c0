/** Launches of shaders/reduce.wgsl.ts: splits a view into kept and reduced dims, and chooses lanes, reads and segments. */
import { accumulatorType, type ReduceShaderOp, type ReduceVariant, reduceKernel } from '../../../shaders/reduce.wgsl';
import { type StorageType, WORKGROUP_SIZE } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import type { ReduceAttributes, ReduceKernels } from '../contract/reduce';
import { decidedNumber } from './decisions';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';
import { type Axis, axesView, collapseAxes } from './strides';

/** The kept and the reduced dims of a view, each with adjacent dims merged, innermost last, and at least one dim. */
interface Split {
	readonly kept: readonly Axis[];
	readonly reduced: readonly Axis[];
	readonly keptCount: number;
	readonly reducedCount: number;
	readonly offset: number;
}

/** If `ordered`, positions among the reduced elements matter; else the dims may be walked in the order of their strides. */
function split(view: Pick<View, 'shape' | 'strides' | 'offset'>, dims: readonly number[], ordered: boolean): Split {
	const axes = view.shape.map((size, d) => ({ size, stride: view.strides[d]! }));
	const reduced = axes.filter((_, d) => dims.includes(d));
	const kept = axes.filter((_, d) => !dims.includes(d));
	const count = (list: readonly Axis[]) => list.reduce((product, { size }) => product * size, 1);
	// Dims with stride 0 go outermost.
	const rank = ({ stride }: Axis) => (stride === 0 ? Infinity : stride);
	if (!ordered) reduced.sort((a, b) => (rank(a) === rank(b) ? 0 : rank(b) - rank(a)));
	const reducedCount = count(reduced);
	return {
		kept: collapseAxes(kept),
		reduced: reducedCount === 0 ? collapseAxes([]) : collapseAxes(reduced),
		keptCount: count(kept),
		reducedCount,
		offset: view.offset,
	};
}

interface Plan {
	readonly along: ReduceVariant['along'];
	readonly lanes: 1 | 64;
	readonly segment: number;
	readonly segments: number;
}

/** From this many elements on, a line gets a workgroup. */
const LONG_LINE = 64;
/** Below this many elements a single launch does everything. */
const SMALL = 1 << 16;

/**
 * Software adapters have two or four cores and pay for barriers. A thousand independent invocations are enough for them, and a
 * workgroup shares a line only if there are few lines. GPUs want some ten thousand invocations, and adjacent invocations that
 * read adjacent elements.
 */
function plan(
	gpu: Gpu,
	{ kept, reduced, keptCount, reducedCount, offset }: Split,
	wide: readonly ReduceVariant['along'][],
): Plan {
	const innerKept = kept[kept.length - 1]!;
	const innerReduced = reduced[reduced.length - 1]!;
	const others = [...kept, ...reduced].filter((axis) => axis !== innerKept && axis !== innerReduced);
	const aligned = offset % 4 === 0 && others.every(({ stride }) => stride % 4 === 0);
	const rows = innerReduced.stride === 1 && innerReduced.size > 1;
	const columns = innerKept.stride === 1 && innerKept.size > 1;
	const wideRows =
		wide.includes('reduced') && aligned && rows && innerReduced.size % 4 === 0 && (keptCount === 1 || innerKept.stride % 4 === 0);
	const wideColumns =
		wide.includes('kept') &&
		aligned &&
		columns &&
		innerKept.size % 4 === 0 &&
		(reducedCount <= 1 || innerReduced.stride % 4 === 0);

	const big = keptCount * reducedCount >= SMALL;
	const invocations = decidedNumber(gpu, 'reduce.invocations', gpu.isSoftware ? 1024 : 65536);
	const enoughLines = gpu.isSoftware ? big || keptCount >= LONG_LINE : keptCount >= 4096 && !rows;
	const together = innerReduced.size >= LONG_LINE && (!enoughLines || (rows && !gpu.isSoftware));
	const lanes = decidedNumber(gpu, 'reduce.lanes', together && !(columns && big) ? 64 : 1) === 64 ? 64 : 1;

	const along = wideRows ? 'reduced' : wideColumns && lanes === 1 ? 'kept' : 'scalar';
	const step = lanes * (along === 'reduced' ? 4 : 1);
	const items = along === 'kept' ? keptCount / 4 : keptCount;
	// A segment has at least 16 steps, and there are few enough segments for one more launch to finish.
	const wanted = big ? Math.max(1, Math.floor(invocations / (items * lanes))) : 1;
	const segment = Math.max(16 * step, Math.ceil(Math.ceil(reducedCount / wanted) / step) * step);
	return { along, lanes, segment, segments: Math.max(1, Math.ceil(reducedCount / segment)) };
}

/** Where reads may be vec4. Most pair accumulators combine one at a time; partial results are always read one at a time. */
const ALL_READ: readonly ReduceVariant['along'][] = ['reduced', 'kept'];
const PAIRS_READ: readonly ReduceVariant['along'][] = ['reduced'];

/** Scalars of some operations: see ReduceShaderOp. */
interface Scalars {
	readonly flip?: number;
	readonly root?: boolean;
	readonly divisor?: number;
	readonly power?: number;
	readonly share?: number;
}

interface ReduceRequest {
	readonly op: ReduceShaderOp;
	readonly x: View;
	readonly dims: readonly number[];
	/** `y`; for 'position', `values` or `indices` or both. */
	readonly outputs: { readonly y?: Storage; readonly values?: Storage | undefined; readonly indices?: Storage | undefined };
	readonly output: ReduceVariant['output'];
	/**
	 * For 'spread': a float32 near the mean of each kept element. If `recentre`, the kernel replaces it by the mean in two parts.
	 */
	readonly centres?: Storage;
	readonly recentre?: boolean;
	readonly scalars?: Scalars;
}

/** The op that combines partial results, if these are plain numbers. */
const CONTINUATION: Partial<Record<ReduceShaderOp, ReduceShaderOp>> = {
	sum: 'sum',
	count: 'sum',
	sumAbs: 'sum',
	sumSquares: 'sum',
	prod: 'prod',
};

/** The variant of one launch in a chain, without the part that says how it walks. */
function stage(
	{ op, output, outputs: { values, indices }, recentre = false }: ReduceRequest,
	input: StorageType,
	from: ReduceVariant['from'],
	to: ReduceVariant['to'],
): Omit<ReduceVariant, 'along' | 'lanes'> {
	const outputs = indices === undefined ? 'values' : values === undefined ? 'indices' : 'both';
	const continuation = CONTINUATION[op];
	if (continuation === undefined) return { op, input, output, from, to, outputs, recentre };
	const partial = accumulatorType(op, input) as 'f32' | 'i32';
	return {
		op: from === 'partials' ? continuation : op,
		input: from === 'partials' ? partial : input,
		output: to === 'partials' ? partial : output,
		from: 'elements',
		to: 'result',
		outputs,
		recentre,
	};
}

/** Encodes a reduction: one launch, or two or more with partial results in scratch memory. */
export function launchReduction(gpu: Gpu, request: ReduceRequest): void {
	const input = storageType(request.x);
	const accumulator = accumulatorType(request.op, input);
	const pair = accumulator.startsWith('vec2');
	const { flip = 0, root = false, divisor = 1, power = 1, share = 0 } = request.scalars ?? {};
	let geometry = split(request.x, request.dims, request.op === 'position');
	let source = request.x.storage;
	let from: ReduceVariant['from'] = 'elements';
	for (;;) {
		const { kept, reduced, keptCount, reducedCount, offset } = geometry;
		if (keptCount === 0) return;
		const wide = !pair || (request.op === 'spread' && from === 'elements') ? ALL_READ : from === 'elements' ? PAIRS_READ : [];
		const { along, lanes, segment, segments } = plan(gpu, geometry, wide);
		const to = segments === 1 ? 'result' : 'partials';
		const perItem = along === 'kept' ? 4 : 1;
		const items = (keptCount / perItem) * segments;
		const partials =
			to === 'partials'
				? gpu.scratch(
						keptCount * segments * (pair ? 2 : 1),
						accumulator === 'f32' || accumulator === 'vec2<f32>' ? 'float32' : 'int32',
					)
				: null;
		const centres = from === 'elements' || request.recentre ? request.centres : undefined;
		gpu.launch({
			kernel: reduceKernel,
			variant: { ...stage(request, input, from, to), along, lanes },
			buffers: { x: source, ...(partials === null ? request.outputs : { y: partials }), centres },
			params: {
				keptDims: axesView(kept, offset),
				reducedDims: axesView(reduced),
				kept: keptCount / perItem,
				count: reducedCount,
				segment,
				items,
				flip,
				root: root && to === 'result',
				divisor: to === 'result' ? divisor : 1,
				power,
				share,
				nan: Number.NaN,
				infinity: Number.POSITIVE_INFINITY,
			},
			grid: [lanes === 1 ? Math.ceil(items / WORKGROUP_SIZE) : items],
			flops: keptCount * reducedCount,
			bytes: keptCount * (reducedCount * (from === 'elements' ? gpuBytes(request.x.dtype) : pair ? 8 : 4) + segments * 4),
		});
		if (from === 'partials') gpu.release(source);
		if (partials === null) return;
		geometry = split({ shape: [segments, keptCount], strides: [keptCount, 1], offset: 0 }, [0], false);
		source = partials;
		from = 'partials';
	}
}

/** The shader op and scalars of a contract op over `count` elements. */
function shaderOp({ op, p = 2 }: ReduceAttributes, count: number): { op: ReduceShaderOp; scalars: Scalars } {
	const max = { flip: 0 };
	const min = { flip: 0xffffffff };
	switch (op) {
		case 'sum':
			return { op: 'sum', scalars: { divisor: 1 } };
		case 'mean':
			return { op: 'sum', scalars: { divisor: count } };
		case 'prod':
			return { op: 'prod', scalars: {} };
		case 'amax':
			return { op: 'extreme', scalars: max };
		case 'amin':
			return { op: 'extreme', scalars: min };
		case 'any':
			return { op: 'truth', scalars: { flip: 0 } };
		case 'all':
			return { op: 'truth', scalars: { flip: 1 } };
		case 'logsumexp':
			return { op: 'logSumExp', scalars: {} };
		case 'norm':
			if (p === 0) return { op: 'count', scalars: {} };
			if (p === 1) return { op: 'sumAbs', scalars: {} };
			if (p === 2) return { op: 'sumSquares', scalars: { root: true } };
			// Over no elements every norm is 0.
			if (count === 0) return { op: 'sumAbs', scalars: {} };
			if (p === Infinity) return { op: 'extremeAbs', scalars: max };
			if (p === -Infinity) return { op: 'extremeAbs', scalars: min };
			return { op: 'sumPowers', scalars: { power: p } };
	}
}

function reducedCount(x: View, dims: readonly number[]): number {
	return numel(dims.map((d) => x.shape[d]!));
}

/**
 * Variance in two passes: first the mean, then the mean square of the deviations minus the square of their mean, which corrects
 * the mean's rounding error (the corrected two-pass algorithm of Chan, Golub and LeVeque 1983). A requested mean, [2, ...], has
 * two parts.
 */
export function launchVariance(
	gpu: Gpu,
	x: View,
	dims: readonly number[],
	outputs: { readonly result: View; readonly mean?: View },
	{ correction, root }: { correction: number; root: boolean },
): void {
	const count = reducedCount(x, dims);
	const { result } = outputs;
	const mean = outputs.mean?.storage ?? gpu.scratch(numel(result.shape), 'float32');
	launchReduction(gpu, { op: 'sum', x, dims, outputs: { y: mean }, output: 'f32', scalars: { divisor: count } });
	launchReduction(gpu, {
		op: 'spread',
		x,
		dims,
		outputs: { y: result.storage },
		output: storageType(result),
		centres: mean,
		recentre: outputs.mean !== undefined,
		scalars: { root, divisor: Math.max(0, count - correction), share: 1 / Math.max(1, count) },
	});
	if (outputs.mean === undefined) gpu.release(mean);
}

export function reduceKernels(gpu: Gpu): ReduceKernels {
	return {
		reduce({ x }, { y }, attributes) {
			const { op, scalars } = shaderOp(attributes, reducedCount(x, attributes.dims));
			launchReduction(gpu, { op, x, dims: attributes.dims, outputs: { y: y.storage }, output: storageType(y), scalars });
		},

		variance({ x }, { y }, { dims, ...moment }) {
			launchVariance(gpu, x, dims, { result: y }, moment);
		},

		extremum({ x }, { values, indices }, { op, dims }) {
			const outputs = { values: values?.storage, indices: indices?.storage };
			const scalars = { flip: op === 'max' ? 0 : 0xffffffff };
			launchReduction(gpu, { op: 'position', x, dims, outputs, output: storageType(x), scalars });
		},
	};
}
