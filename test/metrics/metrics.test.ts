/** Metrics on the CPU in float64 against scikit-learn's values, and their errors. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { memory, tensor, zeros } from 'wgrad';
import * as metrics from 'wgrad/metrics';
import { proveMetrics } from './golden';

proveMetrics('cpu', 'float64', { relative: 1e-12, absolute: 1e-14 });

const ints = (values: readonly number[]) => tensor(Int32Array.from(values), { device: 'cpu' });

test('class scores count as their highest class, and give the number of classes', async () => {
	const scores = tensor(
		[
			[0.1, 0.9, 0],
			[0.5, 0.2, 0.3],
		],
		{ device: 'cpu' },
	);
	const target = ints([1, 2]);
	assert.is(await metrics.accuracy(scores, target), 0.5);
	assert.equal(await metrics.confusionMatrix(scores, target), [
		[0, 0, 0],
		[0, 1, 0],
		[1, 0, 0],
	]);
	assert.is(await metrics.f1(scores, target, { average: 'macro' }), 1 / 3);
	assert.equal(await perClass(scores, target), [0, 1, 0]);
});

async function perClass(scores: Parameters<typeof metrics.accuracy>[0], target: ReturnType<typeof ints>): Promise<number[]> {
	const recall = new metrics.Recall({ average: 'macro' });
	recall.update(scores, target);
	return recall.perClass();
}

test('without samples every metric is NaN, also after a reset', async () => {
	const none = zeros([0], { device: 'cpu' });
	assert.ok(Number.isNaN(await new metrics.Accuracy().compute()));
	assert.ok(Number.isNaN(await new metrics.F1().compute()));
	assert.ok(Number.isNaN(await new metrics.R2Score().compute()));
	assert.ok(Number.isNaN(await metrics.accuracy(ints([]), ints([]))));
	assert.ok(Number.isNaN(await metrics.f1(ints([]), ints([]), { average: 'macro' })));
	assert.ok(Number.isNaN(await metrics.rocAuc(none, ints([]))));
	assert.ok(Number.isNaN(await metrics.averagePrecision(none, ints([]))));
	assert.ok(Number.isNaN(await metrics.meanSquaredError(none, none)));
	const accuracy = new metrics.Accuracy();
	accuracy.update(ints([1]), ints([1]));
	accuracy.reset();
	assert.ok(Number.isNaN(await accuracy.compute()));
});

test('wrong arguments throw clear errors', async () => {
	const scores = zeros([3], { device: 'cpu' });
	assert.throws(
		() => new metrics.Accuracy().update(scores, ints([0, 1, 1])),
		/Accuracy: prediction must hold classes .* threshold/,
	);
	assert.throws(() => new metrics.Accuracy().update(ints([1]), ints([0, 1])), /\[1\] and target \[2\]/);
	assert.throws(() => new metrics.ConfusionMatrix().update(ints([1]), ints([1])), /give the number of classes/);
	assert.throws(() => new metrics.Precision({ numClasses: 3 }), /Precision: average 'binary' takes 2 classes, not 3/);
	assert.throws(
		() => new metrics.MeanSquaredError().update(scores, zeros([2], { device: 'cpu' })),
		/MeanSquaredError: prediction and target/,
	);
	assert.throws(
		() => new metrics.RocAuc().update(zeros([3, 2], { device: 'cpu' }), ints([0, 1, 1])),
		/RocAuc: needs scores \[N\]/,
	);
	let message = '';
	await metrics.rocAuc(scores, ints([0, 1, 2])).catch((error) => {
		message = error.message;
	});
	assert.match(message, /targets must be 0 or 1/);
});

test('updates keep only their sums', () => {
	const [prediction, target] = [ints([0, 1, 2]), ints([0, 2, 2])];
	const f1 = new metrics.F1({ numClasses: 3, average: 'macro' });
	f1.update(prediction, target);
	const before = memory();
	for (let i = 0; i < 20; i++) f1.update(prediction, target);
	assert.equal(memory(), before);
});

test.run();
