/** Occlusion: how the target changes when a window of the input is covered. */
import { requireArray, requireInteger, requireSizesOf } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { tensor } from '../ops/creation';
import { add, div, logicalAnd, mul, sub, to, where } from '../ops/elementwise';
import { reshape, unsqueeze } from '../ops/layout';
import { sum } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { DEFAULT_ROWS } from './integrated';
import {
	type AttributionOptions,
	type Baseline,
	baselinesOf,
	type Inputs,
	type Interpretable,
	inInference,
	type Like,
	like,
	listOf,
	repeated,
	Subject,
} from './model';

/** A size for each dim of the input but the batch; for several inputs a list of such. */
type Sizes = readonly number[] | readonly (readonly number[])[];

export interface OcclusionOptions extends AttributionOptions {
	/** The window, a size for each dim of the input but the batch: [3, 8, 8] for images [N, 3, H, W]. A list for several inputs. */
	readonly slidingWindowShapes: Sizes;
	/** How far the window moves in each dim, at most its own size. A number holds for all dims. Default 1. */
	readonly strides?: number | Sizes;
	/** What covers the window. Default 0. */
	readonly baselines?: Baseline | readonly Baseline[];
	/** Windows in one forward pass. Default: as many as give 64 rows. */
	readonly perturbationsPerEval?: number;
}

/**
 * Covers the input by a window in each of its places, and returns how much the target falls, [N, ...]: for each element the mean over the
 * windows that cover it. Windows at the far end are cut off. Takes inputs of any dtype, token ids too. Zeiler and Fergus 2013. As
 * `captum.attr.Occlusion`.
 */
export function occlusion<I extends Inputs>(model: Interpretable, input: I, options: OcclusionOptions): Like<I> {
	checkOptions('occlusion', options ?? {}, [
		'target',
		'additionalForwardArgs',
		'slidingWindowShapes',
		'strides',
		'baselines',
		'perturbationsPerEval',
	]);
	const inputs = listOf('occlusion', input);
	const subject = new Subject('occlusion', model, inputs, options);
	const baselines = baselinesOf('occlusion', inputs, options.baselines);
	const windows = sizesOf('slidingWindowShapes', options.slidingWindowShapes, inputs);
	const strides = options.strides;
	const steps =
		strides === undefined || typeof strides === 'number'
			? inputs.map(({ shape }) => shape.slice(1).map(() => strides ?? 1))
			: sizesOf('strides', strides, inputs);
	const grids = inputs.map(({ shape }, i) => shape.slice(1).map((size, j) => axis(size, windows[i]![j]!, steps[i]![j]!)));
	const perEval = options.perturbationsPerEval ?? Math.max(1, Math.floor(DEFAULT_ROWS / Math.max(1, subject.rows)));
	requireInteger('occlusion', 'perturbationsPerEval', perEval, 1);
	return tidy(() =>
		inInference(model, () => {
			const whole = subject.values(inputs);
			const results = inputs.map((_, i) => {
				const cover = (masks: Tensor, times: number) =>
					subject.values(
						inputs.map((x, j) => (i === j ? covered(x, baselines[j]!, masks) : repeated(x, times))),
						times,
					);
				return attribute(whole, inputs[i]!, grids[i]!, perEval, cover);
			});
			return like(input, results);
		}),
	);
}

/** The first place of each window along a dim, its size, and how many windows cover each place. */
interface Axis {
	readonly size: number;
	readonly window: number;
	readonly starts: readonly number[];
}

function axis(size: number, window: number, stride: number): Axis {
	requireSizesOf('occlusion', { slidingWindowShapes: window, strides: stride });
	if (window > size) throw new ShapeError(`occlusion: a window of ${window} does not fit a dim of size ${size}`);
	if (stride > window)
		throw new ArgumentError(
			`occlusion: strides of ${stride} would skip elements between windows of ${window}; use at most ${window}`,
		);
	const count = Math.ceil((size - window) / stride) + 1;
	return { size, window, starts: Array.from({ length: count }, (_, i) => i * stride) };
}

function sizesOf(name: string, given: unknown, inputs: readonly Tensor[]): readonly (readonly number[])[] {
	requireArray('occlusion', name, given, 'a list of sizes, one for each dim but the batch');
	const lists = (Array.isArray(given[0]) ? given : [given]) as readonly (readonly number[])[];
	if (lists.length !== inputs.length)
		throw new ArgumentError(`occlusion: ${inputs.length} inputs but ${lists.length} lists in ${name}; give one for each`);
	for (const [i, { shape }] of inputs.entries()) {
		if (lists[i]!.length === shape.length - 1) continue;
		throw new ShapeError(
			`occlusion: ${name} ${formatShape(lists[i]!)} must have ${shape.length - 1} sizes for an input ${formatShape(shape)}: one for each dim but the batch`,
		);
	}
	return lists;
}

/** Puts the baseline where the masks [times, 1, ...] are true: [times * N, ...]. */
function covered(x: Tensor, baseline: Tensor, masks: Tensor): Tensor {
	const all = where(masks, baseline, unsqueeze(x, 0));
	return reshape(all, [all.shape[0]! * x.shape[0]!, ...x.shape.slice(1)]);
}

function attribute(
	whole: Tensor,
	x: Tensor,
	grid: readonly Axis[],
	perEval: number,
	cover: (masks: Tensor, times: number) => Tensor,
): Tensor {
	const count = grid.reduce((product, { starts }) => product * starts.length, 1);
	let total: Tensor | null = null;
	for (let begin = 0; begin < count; begin += perEval) {
		const before: Tensor | null = total;
		total = tidy(() => {
			const times = Math.min(perEval, count - begin);
			const masks = masksOf(grid, begin, times, x);
			const falls = sub(unsqueeze(whole, 0), reshape(cover(masks, times), [times, -1]));
			const spread = mul(reshape(falls, [...falls.shape, ...grid.map(() => 1)]), to(masks, falls.dtype));
			const part = sum(spread, 0);
			return before === null ? part : add(before, part);
		});
	}
	return grid.reduce((result, each, j) => {
		const covers = new Float32Array(each.size);
		for (const start of each.starts) for (let i = start; i < Math.min(start + each.window, each.size); i++) covers[i]!++;
		const counts = tensor(covers, { shape: [1, ...grid.map((_, k) => (k === j ? each.size : 1))], device: x.device });
		return div(result, to(counts, result.dtype));
	}, total!);
}

/** Which elements windows `begin` to `begin + times - 1` cover, bool [times, 1, ...]: the product of what they cover along each dim. */
function masksOf(grid: readonly Axis[], begin: number, times: number, { device }: Tensor): Tensor {
	let masks: Tensor | null = null;
	let inner = 1;
	for (let j = grid.length - 1; j >= 0; j--) {
		const { size, window, starts } = grid[j]!;
		const covers = Array.from({ length: times * size }, (_, at) => {
			const start = starts[Math.floor((begin + Math.floor(at / size)) / inner) % starts.length]!;
			return at % size >= start && at % size < start + window;
		});
		const own = tensor(covers, { shape: [times, 1, ...grid.map((_, k) => (k === j ? size : 1))], device });
		masks = masks === null ? own : logicalAnd(masks, own);
		inner *= starts.length;
	}
	return (
		masks ??
		tensor(
			Array.from({ length: times }, () => true),
			{ shape: [times, 1], device },
		)
	);
}
