/** Sets the input ranges of quantised layers from example inputs. */
import { noGrad } from '../autograd/modes';
import { requireOneOf, wrongArgument } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { add, clamp, div, le, maximum, minimum, mul, neg, round, sub, to, where } from '../ops/elementwise';
import { sort } from '../ops/indexing';
import { clone, detach, reshape, select } from '../ops/layout';
import { amax, amin } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { keep, tidy } from '../tidy';
import { type Module, requireModule } from './module';
import { QuantizedLinear } from './quantized';

export interface CalibrateOptions<B> {
	/**
	 * 'minMax' takes the smallest and the largest input of all batches. 'percentile' ignores outliers: it takes the percentiles
	 * 100 - `percentile` and `percentile` of each batch, and averages them over the batches. Default 'minMax'.
	 */
	readonly method?: 'minMax' | 'percentile';
	/** For 'percentile': the upper percentile, from 50 to 100. Default 99.9. */
	readonly percentile?: number;
	/** Runs the model on a batch. Default: model.forward of the batch, or of the batch's first item if it is a list. */
	readonly forward?: (batch: B) => unknown;
}

/** The range of a layer's inputs so far; for percentiles, the sum of the batches' ranges. */
interface Seen {
	low: Tensor;
	high: Tensor;
	batches: number;
}

/**
 * Runs `model` on the batches in inference mode, and makes its QuantizedLinear layers round their inputs to 8 bits within the observed
 * range ('static8'). With low = min(range, 0) and high = max(range, 0), scale = (high - low) / 255 and zeroPoint = round(-low / scale).
 * During the run no layer rounds its input. Returns the model. As PyTorch's static quantisation with a MinMaxObserver or a percentile
 * observer.
 */
export async function calibrate<M extends Module, B = unknown>(
	model: M,
	batches: Iterable<B> | AsyncIterable<B>,
	options: CalibrateOptions<B> = {},
): Promise<M> {
	const {
		method = 'minMax',
		percentile = 99.9,
		forward,
	} = checkOptions('calibrate', options, ['method', 'percentile', 'forward']);
	requireModule('calibrate', 'model', model);
	requireOneOf('calibrate', 'method', method, ['minMax', 'percentile']);
	if (!(percentile >= 50 && percentile <= 100)) throw wrongArgument('calibrate', 'percentile', 'in [50, 100]', percentile);
	const layers = model.modules().filter((module): module is QuantizedLinear => module instanceof QuantizedLinear);
	if (layers.length === 0)
		throw new ArgumentError('calibrate: the model has no QuantizedLinear layer. Make them with quantize(model)');
	const run = forward ?? ((batch: B) => (model.forward as (x: unknown) => unknown)(Array.isArray(batch) ? batch[0] : batch));
	const modes = model.modules().map((module) => [module, module.training] as const);
	const seen = new Map<QuantizedLinear, Seen>();
	const isMinMax = method === 'minMax';
	for (const layer of layers) layer.observe((x) => note(seen, layer, x, isMinMax ? null : percentile / 100));
	model.eval();
	try {
		for await (const batch of batches) noGrad(() => tidy(() => void run(batch)));
	} finally {
		for (const layer of layers) layer.observe(null);
		for (const [module, training] of modes) module.training = training;
	}
	if (seen.size === 0) throw new ArgumentError('calibrate: no layer saw an input; give at least one batch');
	for (const [layer, range] of seen) setRange(layer, range, isMinMax ? 1 : range.batches);
	return model;
}

/** Extends the range of `layer` by x, or adds x's percentiles to it. */
function note(seen: Map<QuantizedLinear, Seen>, layer: QuantizedLinear, x: Tensor, share: number | null): void {
	if (x.size === 0) return;
	const before = seen.get(layer);
	const { low, high } = tidy(() => {
		const values = reshape(detach(x), [x.size]);
		const sorted = share === null ? null : sort(values).values;
		const last = x.size - 1;
		const at = Math.round((share ?? 1) * last);
		const now =
			sorted === null
				? { low: amin(values), high: amax(values) }
				: { low: select(sorted, 0, last - at), high: select(sorted, 0, at) };
		// Copies, because a view would keep all sorted inputs alive.
		if (before === undefined) return { low: clone(now.low), high: clone(now.high) };
		if (share !== null) return { low: add(before.low, now.low), high: add(before.high, now.high) };
		return { low: minimum(before.low, now.low), high: maximum(before.high, now.high) };
	});
	before?.low.dispose();
	before?.high.dispose();
	seen.set(layer, { low: keep(low), high: keep(high), batches: (before?.batches ?? 0) + 1 });
}

function setRange(layer: QuantizedLinear, { low, high }: Seen, count: number): void {
	const { scale, zeroPoint } = tidy(() => {
		const least = clamp(mul(to(low, 'float32'), 1 / count), { max: 0 });
		const range = sub(clamp(mul(to(high, 'float32'), 1 / count), { min: 0 }), least);
		const step = where(le(range, 1e-30), 1, div(range, 255));
		return { scale: step, zeroPoint: to(round(div(neg(least), step)), 'int32') };
	});
	low.dispose();
	high.dispose();
	layer.setInputRange(scale, zeroPoint);
}
