/** Checkpoint files: their contents, and the errors for invalid ones. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, io, manualSeed, memory, nn, optim, rand, type Tensor, tensor, tidy } from 'wgrad';
import {
	Accuracy,
	AveragePrecision,
	ConfusionMatrix,
	F1,
	LogLoss,
	MeanAbsoluteError,
	type Metric,
	R2Score,
	TopKAccuracy,
} from 'wgrad/metrics';
import { type CheckpointParts, FileStore, fit, loadCheckpoint, MemoryStore, ModelCheckpoint, saveCheckpoint } from 'wgrad/train';
import { heldTensors } from '../collected';
import { forged } from '../soak/checkpoints';
import { assertRejects, linear, points, weightsOf } from './setting';

const [x, y] = points(40);
const { lrScheduler } = optim;

let folder: string;
test.before(() => {
	folder = mkdtempSync(join(tmpdir(), 'wgrad-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

class Noisy extends nn.Module {
	layer = linear();
	constructor() {
		super();
		this.registerBuffer('count', tensor([0], { device: 'cpu' }), { persistent: false });
	}
	override forward(input: Tensor): Tensor {
		this.buffer('count').add_(1);
		return this.layer.forward(input.add(rand(input.shape, { device: 'cpu' }).mul(this.buffer('count'))));
	}
}

function parts() {
	const model = new Noisy();
	const optimizer = new optim.AdamW(model.parameters(), { lr: 0.1 });
	return { model, optimizer, scheduler: new lrScheduler.ExponentialLR(optimizer, 0.9), ema: new optim.EMA(model.parameters()) };
}

function step({ model, optimizer, scheduler, ema }: ReturnType<typeof parts>): void {
	tidy(() => {
		optimizer.zeroGrad();
		crossEntropy(model.forward(x), y).backward();
		optimizer.step();
	});
	ema.update();
	scheduler.step();
}

test('a custom loop resumes from saveCheckpoint with the same bits', async () => {
	manualSeed(5);
	const [whole, resumed] = [parts(), parts()];
	for (let i = 0; i < 3; i++) step(whole);
	const path = join(folder, 'deep/down/own.safetensors');
	const extra = {
		epoch: 3,
		odd: [Number.NaN, Number.POSITIVE_INFINITY, -0, 'text', null, true],
		best: tensor([1, 2], { device: 'cpu' }),
	};
	await saveCheckpoint(path, whole, { extra });
	for (let i = 0; i < 3; i++) step(whole);
	const found = (await loadCheckpoint(path, resumed)) as unknown as typeof extra;
	assert.is(found.epoch, 3);
	assert.ok(Number.isNaN(found.odd[0]) && Object.is(found.odd[2], -0));
	assert.equal(found.odd.slice(1), [Number.POSITIVE_INFINITY, -0, 'text', null, true]);
	assert.equal(Array.from(await found.best.data()), [1, 2]);
	for (let i = 0; i < 3; i++) step(resumed);
	assert.equal(await weightsOf(resumed.model), await weightsOf(whole.model));
	const averages = ({ ema }: typeof whole) => Promise.all(ema.averages.map((average) => average.data()));
	assert.equal(await averages(resumed), await averages(whole));
	assert.equal(resumed.scheduler.getLastLr(), whole.scheduler.getLastLr());
	assert.equal(await resumed.model.buffer('count').data(), await whole.model.buffer('count').data());
	// A reader of safetensors sees only the weights.
	const tensors = io.loadSafetensors(readFileSync(path), { device: 'cpu' });
	assert.ok(Object.hasOwn(tensors, 'parts/model/layer.weight'));
	assert.equal(readdirSync(join(folder, 'deep/down')), ['own.safetensors'], 'no temporary file is left');
});

test('saving and loading leaks no tensor', async () => {
	const own = parts();
	step(own);
	own.optimizer.zeroGrad();
	const store = new MemoryStore();
	const once = async () => {
		await saveCheckpoint('a', own, { store });
		await loadCheckpoint('a', own, { store });
	};
	await once();
	const before = await heldTensors();
	await once();
	assert.ok(memory().tensors <= before, `${memory().tensors} tensors where ${before} were`);
});

test('if one part rejects a checkpoint, no part changes', async () => {
	const store = new MemoryStore();
	const [saved, own] = [parts(), parts()];
	for (const trained of [saved, own, own]) step(trained);
	await saveCheckpoint('good', saved, { store });
	const bytes = (await store.read('good'))!;
	const change = async (name: string, change: (state: string) => string) => store.write(name, await forged(bytes, change));
	await change('generator', (state) => state.replace(/"counter":\d+/, '"counter":-1'));
	await change('nested', (state) =>
		state.replace(/"scheduler":\{/, `"scheduler":{"schedulers":[{"lastEpoch":7,"baseLrs":[0.1],"lastLr":[0.1]},{}],`),
	);
	const textOf = (file: Uint8Array) => new TextDecoder('latin1').decode(file);
	const all = async () => {
		await saveCheckpoint('own', own, { store });
		return textOf((await store.read('own'))!);
	};
	const { model, optimizer } = own;
	const deeper = new Noisy();
	deeper.registerBuffer('count', tensor([0, 0], { device: 'cpu' }), { persistent: false });
	const chained = new lrScheduler.ChainedScheduler([0.5, 0.6].map((gamma) => new lrScheduler.ExponentialLR(optimizer, gamma)));
	const others: [name: string, other: CheckpointParts, message: RegExp][] = [
		['good', { model: new nn.Sequential(model) }, /missing keys: 0\.layer\.weight, 0\.layer\.bias/],
		['good', { model: deeper }, /the buffer count has shape \[1\] in the checkpoint, \[2\] in the module/],
		[
			'good',
			{ optimizer: new optim.AdamW(model.parameters().slice(1), { lr: 0.1 }) },
			/groups of 2 parameters, but the optimizer has 1/,
		],
		['good', { scheduler: new lrScheduler.ReduceLROnPlateau(optimizer) }, /ReduceLROnPlateau.* best is missing/],
		['nested', { scheduler: chained }, /ExponentialLR.* lastEpoch is missing/],
		['good', { ema: new optim.EMA(model.parameters().slice(1)) }, /EMA.* must match the parameters in number/],
		['generator', {}, /is not the state of a generator/],
	];
	const before = await all();
	for (const [name, other, message] of others) {
		await assertRejects(() => loadCheckpoint(name, { ...own, ...other }, { store }), message);
		assert.is(await all(), before, String(message));
		assert.equal(chained.schedulers[0]!.lastEpoch, 0, String(message));
	}
	await loadCheckpoint('good', own, { store });
	assert.is(await all(), textOf(bytes));
});

test('damaged or foreign files, and files of another kind, throw clear errors', async () => {
	const store = new MemoryStore();
	const own = parts();
	await saveCheckpoint('a', own, { store });
	const bytes = (await store.read('a'))!;
	const refuse = async (name: string, changed: Uint8Array, message: RegExp) => {
		await store.write(name, changed);
		const before = await weightsOf(own.model);
		await assertRejects(() => loadCheckpoint(name, own, { store }), message);
		assert.equal(await weightsOf(own.model), before, 'nothing was changed');
	};
	await refuse(
		'short',
		bytes.slice(0, bytes.length - 5),
		/checkpoint 'short' is not a checkpoint, or is damaged: .*cut short|lies outside/,
	);
	await refuse('empty', new Uint8Array(0), /too few/);
	await refuse('text', new TextEncoder().encode('epoch,loss\n1,2\n'), /not a checkpoint, or is damaged/);
	for (const at of [bytes.length - 3, bytes.length - 50]) {
		const flipped = bytes.slice();
		flipped[at]! ^= 4;
		await refuse('flipped', flipped, /checkpoint 'flipped' is damaged: its contents do not match its checksum/);
	}
	const state = bytes.slice();
	const text = new TextDecoder('latin1').decode(state);
	state[text.indexOf('lastEpoch') + 1] = 'o'.charCodeAt(0);
	await refuse('state', state, /does not match|do not match its checksum/);
	await refuse(
		'weights',
		await io.saveSafetensors(own.model.stateDict()),
		/a safetensors file, but not a checkpoint of fit or saveCheckpoint/,
	);
	await refuse(
		'newer',
		await io.saveSafetensors({}, { format: 'wgrad-checkpoint', version: '9' }),
		/is a checkpoint of version 9; this library reads version 1/,
	);
	await assertRejects(() => loadCheckpoint('none', own, { store }), /loadCheckpoint: there is no checkpoint 'none'/);

	await saveCheckpoint('bare', { model: own.model }, { store });
	await assertRejects(() => loadCheckpoint('bare', own, { store }), /checkpoint 'bare' has no state of the optimizer/);
	const other = { model: new nn.Linear(3, 2, { device: 'cpu' }) };
	await assertRejects(() => loadCheckpoint('a', other, { store }), /missing keys: weight, bias/);
	const optimizer = new optim.SGD(other.model.parameters(), { lr: 1 });
	const go = (name: string) =>
		fit(other.model, [x, y], { loss: crossEntropy, optimizer, verbose: 0, resumeFrom: { name, store } });
	await assertRejects(() => go('a'), /was written by saveCheckpoint, not by fit/);
});

test('files are written, listed and removed by their paths', async () => {
	const store = new FileStore();
	const path = join(folder, 'atomic.bin');
	assert.is(await store.read(path), null);
	await store.write(path, new Uint8Array([1, 2, 3]));
	assert.equal(Array.from((await store.read(path))!), [1, 2, 3]);
	await store.write(path, new Uint8Array([4]));
	assert.equal(Array.from((await store.read(path))!), [4]);
	assert.equal(await store.list(join(folder, 'atom')), [path]);
	await store.remove(path);
	await store.remove(path);
	assert.equal(await store.list(join(folder, 'atom')), []);
	assert.equal(await store.list(join(folder, 'nowhere/else')), []);
});

test('a run resumes from any step, with all metrics of the library', async () => {
	const oneHot = y.oneHot(2).to('float32');
	const store = new MemoryStore();
	const of = (metric: Metric<number>, change: (output: Tensor, target: Tensor) => [Tensor, Tensor]): Metric<number> => ({
		update: (output, target) => metric.update(...change(output, target)),
		compute: () => metric.compute(),
		reset: () => metric.reset(),
		stateDict: () => metric.stateDict!(),
		loadStateDict: (state) => metric.loadStateDict!(state),
	});
	const classes = (output: Tensor, target: Tensor): [Tensor, Tensor] => [output, target.argmax(1)];
	const metrics = () => ({
		accuracy: of(new Accuracy(), classes),
		top: of(new TopKAccuracy({ k: 1 }), classes),
		f1: of(new F1({ average: 'macro', numClasses: 2 }), classes),
		logLoss: of(new LogLoss(), (output, target) => [output.softmax(1), target.argmax(1)]),
		precision: of(new AveragePrecision(), (output, target) => [output.select(1, 1), target.select(1, 1)]),
		mae: new MeanAbsoluteError(),
		r2: new R2Score(),
	});
	const run = (options: object) => {
		const model = linear();
		const optimizer = new optim.Adam(model.parameters());
		const { MSELoss } = nn;
		return fit(model, [x, oneHot], {
			loss: new MSELoss(),
			optimizer,
			epochs: 2,
			batchSize: 9,
			seed: 2,
			metrics: metrics(),
			verbose: 0,
			...options,
		});
	};
	const strip = ({ epochs }: Awaited<ReturnType<typeof fit>>) => epochs.map(({ seconds: _, ...record }) => record);
	const whole = strip(await run({ callbacks: [new ModelCheckpoint('{step}', { store, everySteps: 1 })] }));
	for (const name of ['1', '4', '5', '8', '10'])
		assert.equal(strip(await run({ resumeFrom: { name, store } })), whole, `from step ${name}`);
	await assertRejects(
		() => run({ resumeFrom: { name: '4', store }, batchSize: 10 }),
		/within an epoch, at batch 4 of batchSize 9/,
	);
	await assertRejects(
		() => run({ resumeFrom: { name: '4', store }, accumulateSteps: 2 }),
		/of accumulateSteps 1; resume with the same settings, not with accumulateSteps 2/,
	);
	await assertRejects(
		() => run({ resumeFrom: { name: '4', store }, metrics: { other: new Accuracy() } }),
		/an epoch with other metrics/,
	);
	assert.is(
		(await run({ resumeFrom: { name: '5', store }, batchSize: 10, epochs: 3 })).steps,
		5 + 2 * 4,
		'between epochs all may change',
	);
	const { stateDict: _, ...stateless } = of(new Accuracy(), classes);
	const callbacks = [new ModelCheckpoint('x', { store, everySteps: 2 })];
	await assertRejects(() => run({ metrics: { stateless }, callbacks }), /metric 'stateless' has no stateDict/);
	assert.is(new ConfusionMatrix().stateDict().counts, null);
});

test.run();
