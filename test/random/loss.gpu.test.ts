import * as w from 'wgrad';
import type { Case, Draw } from './draw';
import { testRandom } from './drive';

const PROBABILITY = { low: 0.05, high: 0.95 };
const WEIGHT = { low: 0.2, high: 2 };

function pairs(d: Draw): Case {
	const shape = d.shape(d.int(0, 4), { elements: d.oneIn(8) ? 5000 : 300 });
	const reduction = d.pick(['mean', 'sum', 'none'] as const);
	const [x, y] = [d.input(shape), d.input(shape)];
	const [p, q] = [d.input(shape, 'float32', PROBABILITY), d.input(shape, 'float32', PROBABILITY)];
	const weight = d.bool() ? [d.input(d.broadcast(shape), 'float32', { ...WEIGHT, gradient: false })] : [];
	const number = d.pick([1, 0.5, 2]);
	const flag = d.bool();
	const full = d.bool();
	const variance = d.input(shape, 'float32', { low: 0.3, high: 2 });
	const signs = d.input(shape, 'float32', { low: -1, high: 1, multipleOf: 2, gradient: false });
	const counts = d.input(shape, 'float32', { low: 0, high: 6, multipleOf: 1, gradient: false });
	const kl = d.pick([reduction, 'batchmean'] as const);
	const options = { reduction };
	return d.pick<() => Case>([
		() => d.case('mseLoss', [x, y], ([s, t]) => w.mseLoss(s!, t!, options), options),
		() => d.case('l1Loss', [x, y], ([s, t]) => w.l1Loss(s!, t!, options), options),
		() => d.case('smoothL1Loss', [x, y], ([s, t]) => w.smoothL1Loss(s!, t!, { ...options, beta: number }), [options, number]),
		() => d.case('huberLoss', [x, y], ([s, t]) => w.huberLoss(s!, t!, { ...options, delta: number }), [options, number]),
		() =>
			d.case(
				'binaryCrossEntropy',
				[p, q, ...weight],
				([s, t, u]) => w.binaryCrossEntropy(s!, t!, { ...options, weight: u ?? null }),
				options,
			),
		() =>
			d.case(
				'binaryCrossEntropyWithLogits',
				[x, q, ...weight],
				([s, t, u]) =>
					w.binaryCrossEntropyWithLogits(s!, t!, { ...options, ...(flag ? { weight: u ?? null } : { posWeight: u ?? null }) }),
				{ ...options, flag },
			),
		() =>
			d.case('klDiv', [x, p], ([s, t]) => w.klDiv(s!, t!, { reduction: kl, logTarget: flag }), {
				reduction: kl,
				logTarget: flag,
			}),
		() =>
			d.case(
				'poissonNllLoss',
				[flag ? x : p, counts],
				([s, t]) => w.poissonNllLoss(s!, t!, { ...options, logInput: flag, full }),
				{ ...options, logInput: flag, full },
			),
		() =>
			d.case('gaussianNllLoss', [x, y, variance], ([s, t, v]) => w.gaussianNllLoss(s!, t!, v!, { ...options, full }), {
				...options,
				full,
			}),
		() => d.case('hingeLoss', [x, signs], ([s, t]) => w.hingeLoss(s!, t!, { ...options, margin: number }), [options, number]),
		() =>
			d.case('hingeEmbeddingLoss', [x, signs], ([s, t]) => w.hingeEmbeddingLoss(s!, t!, { ...options, margin: number }), [
				options,
				number,
			]),
	])();
}

function classes(d: Draw): Case {
	const reduction = d.pick(['mean', 'sum', 'none'] as const);
	const count = d.oneIn(8) ? d.pick([65, 257, 1000]) : d.int(1, 9);
	const batch = d.oneIn(5) ? [] : [d.size()];
	const inner = batch.length > 0 && d.oneIn(3) ? d.shape(d.int(1, 2), { empty: false, elements: 20 }) : [];
	const rows = [...batch, ...inner];
	const shape = [...batch, count, ...inner];
	const x = d.input(shape, 'float32', { low: -5, high: 5 });
	const target = d.indices(rows, count);
	const soft = d.input(shape, 'float32', PROBABILITY);
	const weight = d.bool() ? [d.input([count], 'float32', { ...WEIGHT, gradient: false })] : [];
	const ignoreIndex = d.pick([-100, 0]);
	const labelSmoothing = d.pick([0, 0.1, 1]);
	const given = { reduction, ignoreIndex };
	const p = d.pick([1, 2] as const);
	const flat = d.input([...batch, count], 'float32', { low: -5, high: 5 });
	return d.pick<() => Case>([
		() =>
			d.case(
				'crossEntropy',
				[x, target, ...weight],
				([s, t, u]) => w.crossEntropy(s!, t!, { ...given, labelSmoothing, weight: u ?? null }),
				{ ...given, labelSmoothing },
			),
		() => d.case('nllLoss', [x, target, ...weight], ([s, t, u]) => w.nllLoss(s!, t!, { ...given, weight: u ?? null }), given),
		() =>
			d.case(
				'crossEntropy of probabilities',
				[x, soft, ...weight],
				([s, t, u]) => w.crossEntropy(s!, t!, { reduction, labelSmoothing, weight: u ?? null }),
				{ reduction, labelSmoothing },
				// The gradient of the probabilities is that of logSoftmax, with a sum of exponentials of at least 1 that is rounded.
				{ absolute: 2 ** -22 },
			),
		() =>
			d.case(
				'multiMarginLoss',
				[flat, d.indices(batch, count), ...weight],
				([s, t, u]) => w.multiMarginLoss(s!, t!, { reduction, p, weight: u ?? null }),
				{ reduction, p },
			),
	])();
}

function similarity(d: Draw): Case {
	const reduction = d.pick(['mean', 'sum', 'none'] as const);
	const margin = d.pick([0, 0.3, 1]);
	const batch = d.oneIn(4) ? [] : [d.size()];
	const shape = [...batch, d.int(2, 9)];
	const [a, b, c] = [d.input(shape), d.input(shape, 'float32', { low: -3, high: 3 }), d.input(shape)];
	const signs = d.input(batch, 'float32', { low: -1, high: 1, multipleOf: 2, gradient: false });
	const options = { reduction, margin };
	const swap = d.bool();
	return d.bool()
		? d.case('cosineEmbeddingLoss', [a, b, signs], ([s, t, u]) => w.cosineEmbeddingLoss(s!, t!, u!, options), options)
		: d.case('tripletMarginLoss', [a, b, c], ([s, t, u]) => w.tripletMarginLoss(s!, t!, u!, { ...options, swap }), {
				...options,
				swap,
			});
}

/** Sometimes with more places than the threads that share a sequence. */
function alignments(d: Draw): Case {
	const reduction = d.pick(['mean', 'sum', 'none'] as const);
	const [batch, classCount, zeroInfinity] = [d.int(1, 4), d.int(2, 9), d.bool()];
	const most = d.oneIn(12) ? 33 : d.int(1, 4);
	const steps = most === 33 ? 40 : d.int(1, 9);
	const inputs = Array.from({ length: batch }, () => d.int(Math.min(steps, most), steps));
	const targets = Array.from({ length: batch }, () => d.int(0, most));
	const blank = d.int(0, classCount - 1);
	const x = d.input([steps, batch, classCount], 'float32', { low: -3, high: 3 });
	const options = { reduction, blank, zeroInfinity };
	return d.case('ctcLoss', [x, d.indices([batch, most], classCount)], ([s, t]) => w.ctcLoss(s!, t!, inputs, targets, options), {
		...options,
		inputs,
		targets,
	});
}

testRandom('loss', (d) => d.pick([pairs, pairs, pairs, classes, classes, classes, similarity, similarity, alignments])(d));
