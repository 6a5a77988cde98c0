import * as w from 'wgrad';
import type { Case, Draw, Input } from './draw';
import { testRandom } from './drive';

/** A scale and a shift, each of them optional. */
function affine(
	d: Draw,
	shape: readonly number[],
): { inputs: Input[]; of(rest: w.Tensor[]): { weight?: w.Tensor; bias?: w.Tensor } } {
	const [weight, bias] = [d.bool(), d.bool()];
	const inputs = [...(weight ? [d.input(shape)] : []), ...(bias ? [d.input(shape)] : [])];
	return {
		inputs,
		of: (rest) => ({ ...(weight && { weight: rest[0]! }), ...(bias && { bias: rest[weight ? 1 : 0]! }) }),
	};
}

function images(d: Draw, channels: number): Input {
	const spatial = d.shape(d.int(0, 2), { empty: false, elements: d.oneIn(6) ? 2000 : 60 });
	return d.input([d.int(3, 5), channels, ...spatial], 'float32', { low: d.pick([-2, 48]), high: 50 });
}

function rows(d: Draw): Case {
	const shape = d.shape(d.int(1, 4), { empty: false, elements: d.oneIn(6) ? 5000 : 500 });
	const normalized = shape.slice(d.int(0, shape.length - 1));
	// With one or two elements, the gradient is the rounding error of a difference of equal terms.
	if (normalized.every((size) => size < 3)) shape[shape.length - 1] = normalized[normalized.length - 1] = 3;
	const eps = d.pick([1e-5, 1e-3, 0.1]);
	const x = d.input(shape, 'float32', { distinct: true, low: d.pick([-2, 8]), high: 10 });
	if (d.bool()) {
		const { inputs, of } = affine(d, normalized);
		const call = ([t, ...rest]: w.Tensor[]) => w.layerNorm(t!, normalized, { ...of(rest), eps });
		return d.case('layerNorm', [x, ...inputs], call, { normalized, eps });
	}
	const weight = d.bool() ? [d.input(normalized)] : [];
	const call = ([t, s]: w.Tensor[]) => w.rmsNorm(t!, normalized, { ...(s && { weight: s }), eps });
	return d.case('rmsNorm', [x, ...weight], call, { normalized, eps });
}

function groups(d: Draw): Case {
	const [number, each] = [d.int(1, 3), d.int(3, 5)];
	const x = images(d, number * each);
	const { inputs, of } = affine(d, [number * each]);
	if (d.bool() && x.shape.length > 2) {
		return d.case('instanceNorm', [{ ...x, distinct: true, placement: null }, ...inputs], ([t, ...rest]) =>
			w.instanceNorm(t!, of(rest)),
		);
	}
	return d.case('groupNorm', [x, ...inputs], ([t, ...rest]) => w.groupNorm(t!, number, of(rest)), { number });
}

function batch(d: Draw): Case {
	const channels = d.int(1, 6);
	const x = images(d, channels);
	const { inputs, of } = affine(d, [channels]);
	const training = d.bool();
	const momentum = d.pick([0.1, 0.5]);
	const mean = d.input([channels], 'float32', { gradient: false });
	const variance = d.input([channels], 'float32', { low: 0.5, high: 4, gradient: false });
	const running = !training || d.bool();
	return d.case(
		'batchNorm',
		[x, ...(running ? [mean, variance] : []), ...inputs],
		([t, ...rest]) => {
			// Running statistics are written to, which a view with repeated elements does not allow.
			const [runningMean, runningVar] = running ? [rest[0]!.clone(), rest[1]!.clone()] : [];
			const own = { ...of(running ? rest.slice(2) : rest), training, momentum, ...(running && { runningMean, runningVar }) };
			const y = w.batchNorm(t!, own);
			return runningMean && runningVar ? [y, runningMean, runningVar] : y;
		},
		{ training, momentum },
	);
}

function others(d: Draw): Case {
	if (d.bool()) {
		const x = d.input([d.int(1, 3), d.int(1, 9), ...d.shape(d.int(1, 2), { elements: 40 })], 'float32', { low: -3, high: 3 });
		const size = d.int(1, 6);
		const options = { alpha: d.pick([1e-4, 0.5]), beta: d.pick([0.75, 0.5]), k: d.pick([1, 2]) };
		return d.case('localResponseNorm', [x], ([t]) => w.localResponseNorm(t!, size, options), { size, ...options });
	}
	const rank = d.int(1, 4);
	const options = { p: d.pick([2, 1, 3]), dim: d.dim(rank) };
	const shape = d.shape(rank);
	// As in rows: with one or two elements only rounding errors remain.
	if (shape.at(options.dim)! < 3) shape[(options.dim + rank) % rank] = 3;
	const x = d.input(shape, 'float32', { low: 0.1, high: 2 });
	return d.case('normalize', [x], ([t]) => w.normalize(t!, options), options);
}

testRandom('norm', (d) => d.pick([rows, rows, groups, batch, others])(d));
