/** Metrics on WebGPU in float32 against scikit-learn's values; updates must not read back. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { counters, init, sync, tensor } from 'wgrad';
import * as metrics from 'wgrad/metrics';
import { proveMetrics } from './golden';

test.before(async () => {
	await init({ device: 'webgpu' });
});

proveMetrics('webgpu', 'float32', { relative: 1e-5, absolute: 1e-6 });

test('updates do not read back', async () => {
	const target = tensor(Int32Array.of(0, 1, 1), { device: 'webgpu' });
	const scores = tensor([0.1, 0.6, 0.3], { device: 'webgpu' });
	const classes = tensor(Int32Array.of(1, 1, 0), { device: 'webgpu' });
	const floats = tensor([0, 1, 1], { device: 'webgpu' });
	const before = counters().bytesRead;
	const all = [new metrics.RocAuc(), new metrics.LogLoss()].map((metric) => ({ metric, prediction: scores, wanted: target }));
	const counted = [new metrics.Accuracy(), new metrics.F1()].map((metric) => ({ metric, prediction: classes, wanted: target }));
	const measured = [new metrics.R2Score(), new metrics.MeanSquaredError()].map((metric) => ({
		metric,
		prediction: scores,
		wanted: floats,
	}));
	for (const { metric, prediction, wanted } of [...all, ...counted, ...measured]) {
		metric.update(prediction, wanted);
		metric.update(prediction, wanted);
	}
	await sync();
	assert.is(counters().bytesRead, before);
	for (const { metric } of [...all, ...counted, ...measured]) assert.ok(Number.isFinite(await metric.compute()));
	assert.ok(counters().bytesRead > before);
});

test.run();
