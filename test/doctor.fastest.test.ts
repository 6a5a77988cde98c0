/** The doctor finds nothing on this adapter, and names the variant of a kernel that is made wrong on purpose. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, shutdown } from 'wgrad';
import { examine, formatReport, verdict } from '../bench/doctor/report';
import { sweep } from '../bench/doctor/sweep';
import { formsOf } from '../src/backends/webgpu/forms';
import type { Gpu } from '../src/backends/webgpu/launch';
import { webgpuBackend } from '../src/init';
import { entries } from './ops';
import type { Sample } from './ops/database';

/** One sample each, of products a large one that GPUs cut into tiles: other tests check all samples. */
const some = entries
	.filter(({ name }) => ['softmax', 'exp', 'sum', 'matmul'].includes(name))
	.map((entry) => {
		const isLarge = ({ inputs }: Sample) => inputs.every(({ shape }) => shape.length === 2 && Math.min(...shape) >= 33);
		const { samples } = entry;
		return { ...entry, samples: [samples.find(isLarge) ?? samples[0]!] };
	});

let device: Awaited<ReturnType<typeof init>>;
test.before(async () => {
	device = await init({ device: 'webgpu' });
});
test.after(shutdown);

test('all is right, in every form', async () => {
	const progress: number[] = [];
	const report = await examine(device, 'a test', {
		entries: some,
		seconds: 300,
		speed: false,
		onProgress: (done) => progress.push(done),
	});
	const { correctness } = report;
	assert.equal(correctness.failures, []);
	assert.is(correctness.left, 0);
	assert.ok(correctness.passed >= some.length, `${correctness.passed} checks`);
	assert.is(progress.at(-1), correctness.passed);
	assert.ok(correctness.variants.some(({ variant }) => variant.startsWith('matmul.')));
	assert.ok(correctness.variants.every(({ passed, failed }) => passed > 0 && failed === 0));
	assert.ok(report.limits.maxBufferSize! > 0 && report.adapter.description !== '');
	assert.match(verdict(report), /^Everything is right: \d+ checks of \d+ kernel variants in \d+ s\.$/);
	assert.match(formatReport(report), /adapter +\S/);
	JSON.parse(JSON.stringify(report));
});

test('a wrong variant is named, in its form only', async () => {
	const { isSoftware } = webgpuBackend().gpu;
	/** Whether the launcher believes that this is the other kind of adapter. */
	const broken = (gpu: Gpu): Gpu => ({
		...gpu,
		launch(record) {
			// A kernel that only the other kind of adapter uses writes nothing.
			const isOther = isSoftware ? record.kernel.name === 'matmul.workgroup' : 'rowQuads' in record.variant;
			gpu.launch(isOther ? { ...record, params: { ...record.params, rows: 0, columns: 0 } } : record);
		},
	});
	const report = await sweep({ entries: some, seconds: 300, runtime: broken });
	assert.ok(report.failures.length > 0);
	for (const { operation, form, suspects, message } of report.failures) {
		assert.is(operation, 'matmul');
		assert.is.not(form, formsOf(webgpuBackend().gpu)[0]!.name);
		assert.match(message, /matmul \(.*\): .*(differ|instead of)/);
		assert.ok(suspects.length > 0);
	}
});

test('no time, no checks; the count says so', async () => {
	const report = await sweep({ entries: some, seconds: 1e-9 });
	assert.is(report.passed + report.failures.length, 0);
	assert.ok(report.left >= some.length);
});

test.run();
