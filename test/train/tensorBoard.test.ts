/** `TensorBoard`: event files of a run, read back by another reader. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, optim } from 'wgrad';
import { type FitOptions, fit, MemoryStore, ModelCheckpoint, TensorBoard } from 'wgrad/train';
import { crc32c, type ReadEvent, readEvents } from './eventFiles';
import { assertRejects, linear, points } from './setting';

const [x, y] = points(40);

let folder: string;
test.before.each(() => {
	folder = mkdtempSync(join(tmpdir(), 'wgrad-'));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

async function run(options: Partial<FitOptions> = {}) {
	const model = linear();
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
	const history = await fit(model, [x, y], { loss: crossEntropy, batchSize: 10, seed: 1, verbose: 0, ...options, optimizer });
	return { model, history };
}

/** The events of each file, in the order of their names. */
function eventsIn(path: string): ReadEvent[][] {
	const names = readdirSync(path).sort();
	assert.ok(
		names.every((name) => /^events\.out\.tfevents\.\d{10}\.[^/]+\.\d+\.\d{4}$/.test(name)),
		names.join(),
	);
	return names.map((name) => readEvents(readFileSync(join(path, name))));
}

/** The values of a tag by step. */
function scalars(events: readonly ReadEvent[], tag: string): [step: number, value: number][] {
	return events.flatMap(({ step = 0, summary }) =>
		(summary?.value ?? []).filter((value) => value.tag === tag).map(({ simpleValue }): [number, number] => [step, simpleValue!]),
	);
}

test('the reader of this test knows the checksum', () => {
	// RFC 3720, appendix B.4.
	assert.is(crc32c(Buffer.from('123456789')), 0xe3069283);
	assert.is(crc32c(new Uint8Array(32)), 0x8a9136aa);
	assert.is(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
});

test('scalars of steps and epochs, and the bytes that every event file begins with', async () => {
	const path = join(folder, 'deep/run');
	const { history } = await run({ epochs: 2, validationData: [x, y], callbacks: [new TensorBoard(path, { everySteps: 3 })] });
	const [events] = eventsIn(path);
	const file = readFileSync(join(path, readdirSync(path)[0]!));
	assert.is(file.subarray(0, 13).toString('hex'), '1800000000000000a37f4b2209');
	assert.is(file.subarray(21, 36).toString('latin1'), '\x1a\x0dbrain.Event:2');
	assert.is(events![0]!.fileVersion, 'brain.Event:2');
	assert.ok(Math.abs(events![0]!.wallTime - Date.now() / 1000) < 60);
	assert.equal([events![1]!.step, events![1]!.sessionLog], [1, { status: 'START' }]);
	assert.equal(
		scalars(events!, 'step/loss').map(([step]) => step),
		[3, 6],
	);
	assert.equal(scalars(events!, 'step/lr'), [
		[3, Math.fround(0.1)],
		[6, Math.fround(0.1)],
	]);
	for (const name of ['loss', 'valLoss', 'lr', 'seconds']) {
		assert.equal(
			scalars(events!, `epoch/${name}`),
			history.epochs.map((record) => [record.step, Math.fround(record[name]!)]),
			name,
		);
	}
});

test('histograms of weights and gradients by parameter', async () => {
	const { model } = await run({ epochs: 2, callbacks: [new TensorBoard(folder, { everySteps: 0, histograms: 2 })] });
	const [events] = eventsIn(folder);
	assert.equal(scalars(events!, 'step/loss'), []);
	const found = events!.flatMap(({ step, summary }) =>
		(summary?.value ?? []).flatMap(({ tag, histo }) => (histo === undefined ? [] : [{ tag, step, histo }])),
	);
	assert.equal(
		found.map(({ tag, step }) => `${tag} ${step}`),
		['weights/weight 8', 'gradients/weight 8', 'weights/bias 8', 'gradients/bias 8'],
	);
	const tensors = [model.weight, model.weight.grad!, model.bias!, model.bias!.grad!];
	for (const [i, { histo }] of found.entries()) {
		const values = Array.from(await tensors[i]!.data());
		assert.equal([histo.min, histo.max, histo.num], [Math.min(...values), Math.max(...values), values.length]);
		assert.equal(
			[histo.sum, histo.sumSquares],
			[values.reduce((sum, value) => sum + value, 0), values.reduce((sum, value) => sum + value * value, 0)],
		);
		// Each bucket holds the values from the limit before it up to, but without, its own.
		const counted = histo.bucketLimit.map((limit, bucket) => {
			const from = histo.bucketLimit[bucket - 1] ?? Number.NEGATIVE_INFINITY;
			return values.filter((value) => from <= value && value < limit).length;
		});
		assert.equal(histo.bucket, counted);
		assert.ok(histo.bucketLimit.every((limit, bucket) => bucket === 0 || limit > histo.bucketLimit[bucket - 1]!));
		// A tenth wide, where there are values.
		for (const [bucket, count] of histo.bucket.entries()) {
			const [from, to] = [histo.bucketLimit[bucket - 1]!, histo.bucketLimit[bucket]!].map(Math.abs).sort((a, b) => a - b);
			if (count > 0) assert.ok(to! / from! < 1.1 + 1e-9, `${from} to ${to}`);
		}
	}
});

test('values that are not finite are counted apart', async () => {
	const { model } = await run({ epochs: 1 });
	const weight = model.weight.detach();
	weight.select(0, 0).fill_(Number.NaN);
	const callback = new TensorBoard(folder, { histograms: 1 });
	await callback.onTrainBegin({ step: 0 } as never);
	await callback.onEpochEnd({ model } as never, { epoch: 1, step: 4, loss: Number.NaN, lr: 0.1, seconds: 1 });
	const [events] = eventsIn(folder);
	assert.equal(scalars(events!, 'epoch/loss'), [[4, Number.NaN]]);
	assert.equal(scalars(events!, 'nonfinite/weights/weight'), [[4, 4]]);
	const histo = events!.flatMap(({ summary }) => summary?.value ?? []).find(({ tag }) => tag === 'weights/weight')!.histo!;
	assert.is(histo.num, 4);
	assert.is(
		histo.bucket.reduce((sum, count) => sum + count, 0),
		4,
	);
});

test('a resumed run begins another file at the step after the checkpoint', async () => {
	const store = new MemoryStore();
	const callbacks = () => [new ModelCheckpoint('at-{epoch}', { store }), new TensorBoard(folder)];
	const whole = await run({ epochs: 3, callbacks: callbacks() });
	await run({ epochs: 3, callbacks: callbacks(), resumeFrom: { name: 'at-1', store } });
	const [first, second] = eventsIn(folder);
	const losses = scalars(first!, 'step/loss');
	assert.is(losses.length, whole.history.steps);
	assert.equal([second![1]!.step, second![1]!.sessionLog!.status], [5, 'START']);
	assert.equal(scalars(second!, 'step/loss'), losses.slice(4));
});

test('refusals', async () => {
	assert.throws(() => new TensorBoard(''), /TensorBoard: it takes the folder/);
	assert.throws(() => new TensorBoard('runs', { histograms: -1 }), /TensorBoard: histograms must be a whole number/);
	assert.throws(() => new TensorBoard('runs', { histogram: 1 } as never), /TensorBoard: there is no option 'histogram'/);
	const file = join(folder, 'file');
	writeFileSync(file, '');
	await assertRejects(() => run({ epochs: 1, callbacks: [new TensorBoard(file)] }), /FileStore\.truncate/);
});

test.run();
