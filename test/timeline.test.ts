/** The trace of a profile: its structure, and how the GPU's clock meets the host's. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ones } from 'wgrad';
import { Timeline, type TracedLaunch } from '../src/backends/webgpu/timeline';

const work = { kernel: 'matmul{tile=8}', operation: 'matmul', flops: 10, bytes: 4 };

/** A launch at milliseconds of the host after `start`, and at microseconds of the GPU. */
function launch(start: number, encoded: number, submitted: number, gpu: readonly [number, number] | null): TracedLaunch {
	const stamps = gpu && ([BigInt(1000 * gpu[0]), BigInt(1000 * gpu[1])] as const);
	return { ...work, encoded: start + encoded, submitted: start + submitted, stamps };
}

function assertNear(found: readonly number[], expected: readonly number[]): void {
	assert.is(found.length, expected.length);
	for (const [i, value] of found.entries()) assert.ok(Math.abs(value - expected[i]!) < 1, `${found} is not ${expected}`);
}

test('operations, uploads and waits of the host, in order', () => {
	const timeline = new Timeline();
	const start = performance.now();
	timeline.begin();
	const x = ones([2, 3], { requiresGrad: true });
	timeline.uploaded(24, performance.now());
	x.softmax(1).sum().backward();
	timeline.waited('read', performance.now(), { bytes: 8 });
	timeline.end();
	x.exp();
	const { traceEvents, displayTimeUnit } = timeline.trace([]);
	assert.is(displayTimeUnit, 'ms');
	const operations = traceEvents.filter(({ cat }) => cat === 'operation');
	// Not what an operation is made of, and nothing after the end.
	assert.equal(
		operations.map(({ name }) => name),
		['ones', 'softmax', 'sum', 'backward', 'sum backward', 'softmax backward'],
	);
	for (const [i, { ph, ts, dur, pid, tid }] of operations.entries()) {
		assert.equal([ph, pid, tid], ['X', 1, 1]);
		assert.ok(ts >= 0 && dur! >= 0);
		if (i > 0) assert.ok(ts >= operations[i - 1]!.ts + operations[i - 1]!.dur! - 1e-6);
	}
	const [upload] = traceEvents.filter(({ cat }) => cat === 'upload');
	assert.equal([upload!.ph, upload!.args], ['X', { bytes: 24 }]);
	const waits = traceEvents.filter(({ cat }) => cat === 'wait');
	assert.equal(
		waits.map(({ name, ph, id, args }) => [name, ph, id, args]),
		[
			['read', 'b', 0, { bytes: 8 }],
			['read', 'e', 0, { bytes: 8 }],
		],
	);
	const times = traceEvents.map(({ ts }) => ts);
	assert.equal(
		times,
		[...times].sort((a, b) => a - b),
	);
	assert.ok(times.at(-1)! <= 1000 * (performance.now() - start));
});

test('kernels begin no earlier than their submit, also when the clock was reset', () => {
	const timeline = new Timeline();
	timeline.begin();
	timeline.end();
	const start = performance.now();
	const { traceEvents } = timeline.trace([
		// The second batch was submitted so late that it moves the first one, too.
		launch(start, 1, 2, [5000, 5100]),
		launch(start, 1, 2, [5100, 5400]),
		launch(start, 3, 6, [7000, 7500]),
		// The clock begins again.
		launch(start, 7, 9, [10, 20]),
		launch(start, 7, 9, [30, 25]),
	]);
	const kernels = traceEvents.filter(({ cat }) => cat === 'kernel');
	const begun = kernels[0]!.ts;
	assertNear(
		kernels.map(({ ts }) => ts - begun),
		[0, 100, 2000, 5000, 5020],
	);
	assertNear(
		kernels.map(({ dur }) => dur!),
		[100, 300, 500, 10, 0],
	);
	const submits = traceEvents.filter(({ cat }) => cat === 'submit');
	assert.equal(
		submits.map(({ args }) => args),
		[{ launches: 2 }, { launches: 1 }, { launches: 2 }],
	);
	assertNear(
		submits.map(({ ts }) => ts - begun),
		[-2000, 2000, 5000],
	);
	assert.equal(kernels[0], {
		...{ name: 'matmul{tile=8}', cat: 'kernel', ph: 'X', pid: 2, tid: 1, ts: begun, dur: kernels[0]!.dur },
		args: { operation: 'matmul', flops: 10, bytes: 4 },
	});
	assert.equal(rows(traceEvents), ['host', 'operations', 'uploads', 'submits', 'GPU', 'kernels']);
});

test('without timestamps there are launches and no kernels', () => {
	const timeline = new Timeline();
	timeline.begin();
	timeline.end();
	const { traceEvents } = timeline.trace([launch(performance.now(), 1, 2, null)]);
	assert.equal(
		traceEvents.filter(({ ph }) => ph !== 'M').map(({ name, cat, ph, pid }) => [name, cat, ph, pid]),
		[
			['matmul{tile=8}', 'launch', 'i', 1],
			['submit', 'submit', 'i', 1],
		],
	);
	assert.equal(rows(traceEvents), ['host', 'operations', 'uploads', 'submits', 'launches']);
});

function rows(events: readonly { readonly ph: string; readonly args: { readonly name?: string | number } }[]) {
	return events.filter(({ ph }) => ph === 'M').map(({ args }) => args.name);
}

test.run();
