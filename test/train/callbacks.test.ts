/** Callbacks, schedules, logs and progress. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, mseLoss, optim, type Tensor, tensor } from 'wgrad';
import {
	type Callback,
	ConsoleProgress,
	CsvLogger,
	column,
	EarlyStopping,
	type EarlyStoppingOptions,
	type FitOptions,
	fit,
	JsonlLogger,
	LambdaCallback,
	MemoryStore,
	ModelCheckpoint,
	type Progress,
	ProgressBar,
	TerminateOnNaN,
	type TrainContext,
} from 'wgrad/train';
import { assertRejects, linear, points, weightsOf } from './setting';

const [x, y] = points(40);
const { lrScheduler } = optim;

async function run(options: Partial<FitOptions> = {}, model = linear()) {
	const optimizer = options.optimizer ?? new optim.SGD(model.parameters(), { lr: 0.1 });
	const loss = options.trainStep === undefined ? { loss: crossEntropy } : {};
	const history = await fit(model, [x, y], { ...loss, batchSize: 10, seed: 1, verbose: 0, ...options, optimizer });
	return { model, history };
}

test('hooks run in order, and a step sees its position', async () => {
	const calls: string[] = [];
	const callback = new LambdaCallback({
		onTrainBegin: ({ epochs, batchesPerEpoch, samplesPerEpoch }) =>
			void calls.push(`begin ${epochs} ${batchesPerEpoch} ${samplesPerEpoch}`),
		onEpochBegin: async ({ epoch }) => void calls.push(`epoch ${epoch}`),
		onBatchBegin: ({ step }) => void calls.push(`before ${step}`),
		onBatchEnd: ({ step, batch, samples }) => void calls.push(`after ${step} ${batch} ${samples}`),
		onLosses: (_, losses) => void calls.push(`losses ${losses.map(({ step, samples }) => `${step}:${samples}`)}`),
		onEpochEnd: (_, { epoch }) => void calls.push(`done ${epoch}`),
		onTrainEnd: ({ history }, own) => {
			assert.equal(history, own);
			calls.push('end');
		},
	});
	await run({ epochs: 2, accumulateSteps: 3, callbacks: [callback, (_, record) => void calls.push(`function ${record.epoch}`)] });
	assert.equal(calls, [
		'begin 2 4 40',
		...['epoch 1', 'before 0', 'after 1 3 30', 'before 1', 'after 2 4 40', 'losses 1:30,2:10', 'done 1', 'function 1'],
		...['epoch 2', 'before 2', 'after 3 3 30', 'before 3', 'after 4 4 40', 'losses 3:30,4:10', 'done 2', 'function 2'],
		'end',
	]);
});

test("losses come in order, each once, and their mean is the epoch's", async () => {
	const losses: number[] = [];
	const steps: number[] = [];
	const callbacks: Callback[] = [
		{
			onLosses: (_, group) => {
				for (const { loss, step } of group) {
					losses.push(loss);
					steps.push(step);
				}
			},
		},
	];
	const { history } = await run({ batchSize: 1, callbacks });
	assert.equal(
		steps,
		Array.from({ length: 40 }, (_, i) => i + 1),
	);
	assert.is(losses.reduce((sum, loss) => sum + loss) / 40, history.epochs[0]!.loss);
});

/** A run with the given validation loss for each epoch. The model's bias counts the epochs. */
async function stopped(values: readonly number[], options: EarlyStoppingOptions) {
	const model = linear();
	const stopping = new EarlyStopping(options);
	let epoch = 0;
	const { history } = await run(
		{
			epochs: values.length,
			batchSize: 40,
			optimizer: new optim.SGD(model.parameters(), { lr: 0 }),
			metrics: { chosen: () => values[Math.floor(epoch)]! },
			callbacks: [
				{
					onBatchEnd: () => {
						model.bias!.storage.version++;
						(model.bias!.storage.hostData!() as Float32Array)[0] = epoch + 1;
					},
					onEpochEnd: () => void epoch++,
				},
				stopping,
			],
		},
		model,
	);
	return { epochs: history.epochs.length, bias: (await model.bias!.data())[0], history, stopping };
}

test('early stopping: patience, least change, mode, baseline, first epoch, best weights', async () => {
	const falling = [5, 4, 3, 3.05, 2.95, 3.1, 3, 1];
	const monitor = 'chosen';
	const first = await stopped(falling, { monitor, mode: 'min', patience: 2 });
	assert.equal([first.epochs, first.bias, first.stopping.best, first.stopping.bestEpoch], [7, 5, 2.95, 5]);
	assert.is(first.history.stoppedEarly, true);
	assert.match(first.history.stopReason!, /chosen has not improved since epoch 5/);
	const coarse = await stopped(falling, { monitor, mode: 'min', patience: 2, minDelta: 0.1 });
	assert.equal([coarse.epochs, coarse.bias], [5, 3]);
	const none = await stopped(falling, { monitor, mode: 'min' });
	assert.equal([none.epochs, none.bias], [4, 3], 'without patience the first epoch that is no better ends it');
	const kept = await stopped(falling, { monitor, mode: 'min', restoreBest: false });
	assert.equal([kept.epochs, kept.bias], [4, 4]);
	const rising = await stopped([1, 2, 1, 1], { monitor, patience: 2 });
	assert.equal([rising.epochs, rising.bias], [4, 2], 'auto is max for a name without loss or error');
	const late = await stopped([1, 9, 8, 7, 8, 9], { monitor, mode: 'min', patience: 2, startFromEpoch: 3 });
	assert.equal([late.epochs, late.bias], [6, 4]);
	const baseline = await stopped(falling, { monitor, mode: 'min', patience: 2, baseline: 1.5 });
	assert.equal([baseline.epochs, baseline.bias], [4, 3], 'only values beyond it start the patience anew');
	const whole = await stopped([3, 1, 2], { monitor, mode: 'min', patience: 5 });
	assert.equal([whole.epochs, whole.bias, whole.history.stoppedEarly], [3, 2, false], 'the best weights at the last epoch, too');
	const never = await stopped([Number.NaN, Number.NaN, Number.NaN], { monitor, mode: 'min', patience: 2 });
	assert.equal([never.epochs, never.bias], [2, 1], 'NaN is never better');
	await assertRejects(
		() => run({ callbacks: [new EarlyStopping()] }),
		/the epoch has no 'valLoss' to monitor; it has epoch, step, loss/,
	);
	assert.throws(() => new EarlyStopping({ patience: -1 }), /patience must be a whole number/);
	assert.throws(() => new EarlyStopping({ mode: 'down' as 'min' }), /mode must be/);
});

test('a callback can end the run at a step or an epoch', async () => {
	const { history } = await run({
		epochs: 5,
		callbacks: [{ onBatchEnd: ({ step, stop }) => (step === 6 ? stop('enough') : undefined) }],
	});
	assert.equal([history.steps, history.epochs.length, history.stopReason], [6, 2, 'enough']);
	const second = await run({ epochs: 5, callbacks: [({ stop }) => stop()] });
	assert.equal([second.history.epochs.length, second.history.stopReason], [1, 'a callback stopped the run']);
});

test('the first loss that is NaN ends the run and reports its step', async () => {
	let count = 0;
	const nan = new TerminateOnNaN();
	const { history } = await run({
		epochs: 20,
		callbacks: [nan],
		trainStep: (model, [input, target]) => {
			const loss = crossEntropy(model.forward(input as never) as Tensor, target!);
			return ++count < 33 ? loss : loss.mul(Number.NaN);
		},
	});
	assert.is(nan.step, 33);
	assert.match(history.stopReason!, /the loss of step 33 is NaN/);
	assert.ok(history.steps >= 33 && history.steps <= 60, `${history.steps} steps`);
});

test('schedules step after epochs or steps', async () => {
	const lrs: number[] = [];
	const spy: Callback = { onBatchBegin: ({ lr }) => void lrs.push(lr) };
	const rates = async (make: (optimizer: optim.SGD) => FitOptions['scheduler'], options: Partial<FitOptions> = {}) => {
		lrs.length = 0;
		const model = linear();
		const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
		const { history } = await run({ epochs: 3, optimizer, scheduler: make(optimizer)!, callbacks: [spy], ...options }, model);
		return { steps: [...lrs], epochs: column(history, 'lr') };
	};
	const step = await rates((optimizer) => new lrScheduler.StepLR(optimizer, 1, { gamma: 0.5 }));
	assert.equal(step.epochs, [0.1, 0.05, 0.025]);
	assert.equal(step.steps, [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025]);
	const each = await rates((optimizer) => ({ scheduler: new lrScheduler.ExponentialLR(optimizer, 0.5), interval: 'step' }));
	assert.equal(
		each.steps,
		Array.from({ length: 12 }, (_, i) => 0.1 * 0.5 ** i),
	);
	const model = linear();
	const reference = new lrScheduler.OneCycleLR(new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 }), 1, {
		totalSteps: 12,
	});
	const expected = Array.from({ length: 12 }, (_, i) => {
		if (i > 0) reference.step();
		return reference.getLastLr()[0]!;
	});
	assert.equal((await rates((optimizer) => new lrScheduler.OneCycleLR(optimizer, 1, { totalSteps: 13 }))).steps.length, 12);
	const cycle = await rates((optimizer) => new lrScheduler.OneCycleLR(optimizer, 1, { totalSteps: 12 }), {
		callbacks: [spy, { onBatchEnd: ({ step, stop }) => (step === 11 ? stop() : undefined) }],
	});
	assert.equal(cycle.steps, expected.slice(0, 11));
	assert.equal(cycle.epochs, [expected[3], expected[7], expected[10]], 'the rate of the last step of each epoch');
	const warm = await rates((optimizer) => new lrScheduler.WarmupLR(optimizer, 4, { startFactor: 0.5 }));
	assert.ok(warm.steps[0] === 0.05 && warm.steps[4] === 0.1, `${warm.steps}`);
	// A value that never improves reduces the rate at every epoch after the first.
	const metrics = { same: () => 1 };
	const plateau = (optimizer: optim.SGD) => new lrScheduler.ReduceLROnPlateau(optimizer, { patience: 0, factor: 0.5 });
	const watched = await rates((optimizer) => ({ scheduler: plateau(optimizer), monitor: 'same' }), { metrics });
	assert.equal(watched.epochs, [0.1, 0.1, 0.05]);
	const falling = await rates(plateau, { validationData: [x, y] });
	assert.equal(falling.epochs, [0.1, 0.1, 0.1], 'the validation loss falls');

	const other = new optim.SGD(linear().parameters(), { lr: 1 });
	await assertRejects(() => rates(() => new lrScheduler.ExponentialLR(other, 0.5)), /scheduler belongs to another optimizer/);
	await assertRejects(() => rates((own) => ({ scheduler: plateau(own), interval: 'step' })), /steps after epochs/);
	await assertRejects(
		() => rates((own) => ({ scheduler: new lrScheduler.StepLR(own, 1), monitor: 'loss' })),
		/only ReduceLROnPlateau takes monitor/,
	);
	await assertRejects(() => rates((own) => ({ scheduler: plateau(own), monitor: 'valF1' })), /no 'valF1' to monitor/);
});

test('the rates of all groups are logged', async () => {
	const model = linear();
	const optimizer = new optim.SGD(
		[
			{ params: [model.weight], lr: 0.1 },
			{ params: [model.bias!], lr: 0.2 },
		],
		{ lr: 1 },
	);
	const { history } = await run({ optimizer, scheduler: new lrScheduler.ExponentialLR(optimizer, 0.5), epochs: 2 }, model);
	assert.equal(
		[column(history, 'lr'), column(history, 'lr1')],
		[
			[0.1, 0.05],
			[0.2, 0.1],
		],
	);
});

let folder: string;
test.before(() => {
	folder = mkdtempSync(join(tmpdir(), 'wgrad-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('logs as CSV and JSON lines', async () => {
	const [csv, jsonl] = [join(folder, 'logs/run.csv'), join(folder, 'run.jsonl')];
	writeFileSync(jsonl, 'of another run\n');
	const callbacks = [new CsvLogger(csv), new JsonlLogger(jsonl, { everySteps: 3 })];
	const { history } = await run({ epochs: 2, metrics: { 'a,b': () => Number.NaN }, callbacks });
	const rows = readFileSync(csv, 'utf8').split('\n');
	assert.is(rows[0], 'epoch,step,loss,"a,b",lr,seconds');
	const [first, second] = history.epochs;
	assert.equal(rows.slice(1), [Object.values(first!).join(','), Object.values(second!).join(','), '']);
	const lines = readFileSync(jsonl, 'utf8')
		.trim()
		.split('\n')
		.map((line) => JSON.parse(line));
	assert.equal(
		lines.map(({ step, epoch }) => [step, epoch]),
		[
			[3, undefined],
			[4, 1],
			[6, undefined],
			[8, 2],
		],
	);
	assert.equal([lines[1].loss, lines[1]['a,b'], lines[0].lr], [first!.loss, 'NaN', 0.1]);
	await run({ epochs: 1, callbacks: [new CsvLogger(csv, { append: true })] });
	assert.is(readFileSync(csv, 'utf8').split('\n').length, 5);
	assert.throws(() => new CsvLogger(''), /CsvLogger: it takes the name/);
	assert.throws(() => new JsonlLogger('a', { everySteps: 0 }), /everySteps must be/);
});

test('text in a CSV log cannot become a formula of a spreadsheet; numbers stay numbers', async () => {
	const path = join(folder, 'formulas.csv');
	const record = { '=1+1': -1, '+a': 2, '@SUM(A1)': Number.NEGATIVE_INFINITY, '\t=1': 1e-7, '-2,"x"': undefined };
	const texts = { plain: '=HYPERLINK("http://x")', text: 'a\r' };
	await new CsvLogger(path).onEpochEnd({} as TrainContext, { epoch: 1, ...record, ...texts } as never);
	const [names, values] = readFileSync(path, 'utf8').split('\n');
	assert.is(names, `epoch,'=1+1,'+a,'@SUM(A1),'\t=1,"'-2,""x""",plain,text`);
	assert.is(values, `1,-1,2,-Infinity,1e-7,,"'=HYPERLINK(""http://x"")","a\r"`);
});

test('a log continues where the checkpoint was written, and only there', async () => {
	const store = new MemoryStore();
	const file = join(folder, 'resumed.jsonl');
	const options = () => ({
		epochs: 3,
		callbacks: [new ModelCheckpoint('{epoch}', { store }), new JsonlLogger(file, { everySteps: 1 })],
	});
	await run(options());
	const whole = readFileSync(file, 'utf8');
	const resumeFrom = { name: '2', store };
	await run({ ...options(), resumeFrom });
	const strip = (text: string) => text.replace(/"seconds":[^,}]*/g, '');
	assert.is(strip(readFileSync(file, 'utf8')), strip(whole));
	writeFileSync(file, whole.slice(0, 50));
	await assertRejects(() => run({ ...options(), resumeFrom }), /has 50 bytes, but had \d+ when the checkpoint was written/);
	// A log that the run did not have before starts where it is added.
	const added = join(folder, 'added.csv');
	await run({ epochs: 3, resumeFrom, callbacks: [new CsvLogger(added)] });
	assert.is(readFileSync(added, 'utf8').split('\n').length, 3);
});

test('checkpoints: when they are written, which are kept, and the best', async () => {
	const store = new MemoryStore();
	await run({ epochs: 4, callbacks: [new ModelCheckpoint('e{epoch}-{step}', { store, everyEpochs: 2 })] });
	assert.equal(await store.list('e'), ['e2-8', 'e4-16']);
	await run({ epochs: 2, callbacks: [new ModelCheckpoint('s{step}', { store, everySteps: 3, everyEpochs: 0, keep: 2 })] });
	assert.equal(await store.list('s'), ['s3', 's6']);
	await run({ epochs: 3, callbacks: [new ModelCheckpoint('k{epoch}', { store, keep: 1 })] });
	assert.equal(await store.list('k'), ['k3']);
	const values = [3, 1, 2, 0.5];
	let epoch = 0;
	const metrics = { error: () => values[Math.floor(epoch)]! };
	const best = new ModelCheckpoint('b{epoch}', { store, monitor: 'error', bestOnly: true });
	await run({ epochs: 4, metrics, callbacks: [best, () => void epoch++] });
	assert.equal(await store.list('b'), ['b1', 'b2', 'b4']);
	assert.throws(() => new ModelCheckpoint('a', { keep: 2 }), /the name must contain \{epoch\} or \{step\}/);
	assert.throws(() => new ModelCheckpoint('a', { everySteps: 2, bestOnly: true }), /bestOnly compares whole epochs/);
	assert.throws(() => new ModelCheckpoint('a', { everySteps: 0.5 }), /everySteps must be/);
	assert.throws(() => new ModelCheckpoint(''), /takes the name of the file/);
});

test('progress as lines and as a callback', async () => {
	const lines: string[] = [];
	const seen: Progress[] = [];
	const log = console.log;
	console.log = (line: string) => lines.push(line);
	try {
		await run({ epochs: 2, verbose: 2, validationData: [x, y], onProgress: (progress) => void seen.push(progress) });
		await run({ verbose: 0 });
		await run({ verbose: 1, callbacks: [({ stop }) => stop('enough')] });
	} finally {
		console.log = log;
	}
	assert.is(lines.length, 4);
	assert.match(lines[1]!, /^epoch 2\/2: loss 0\.\d+, valLoss 0\.\d+, lr 0\.1\d*, \d+\.\d s$/);
	assert.is(lines[3], 'stopped: enough');
	const last = seen.at(-1)!;
	assert.equal([last.epoch, last.epochs, last.samples, last.samplesPerEpoch, last.record?.epoch], [2, 2, 40, 40, 2]);
	assert.ok(last.samplesPerSecond > 0 && Math.abs(last.loss - last.record!.loss) < 1e-12);
	const own = new ConsoleProgress((line) => void lines.push(`own ${line}`));
	await run({ callbacks: [own] });
	assert.match(lines.at(-1)!, /^own epoch 1\/1: loss/);
});

test('a bar in a terminal', async () => {
	const written: string[] = [];
	const columns = 120;
	const stream = {
		isTTY: true,
		columns,
		write: (text: string) => void written.push(text),
		cursorTo() {},
		clearLine() {},
		moveCursor() {},
	};
	const log = console.log;
	const lines: string[] = [];
	console.log = (line: string) => lines.push(line);
	try {
		const bar = new ProgressBar(stream);
		await run({ epochs: 2, callbacks: [bar, { onEpochEnd: () => void written.push('|') }] });
	} finally {
		console.log = log;
	}
	const text = written.join('');
	assert.match(text, /epoch 1\/2 .* 0\/40 .*samples\/s[^|]*40\/40[^|]*\|[^|]*epoch 2\/2/);
	assert.equal(lines.length, 2);
});

test('callbacks act on the model', async () => {
	const model = linear();
	const start = await weightsOf(model);
	await run({ optimizer: new optim.SGD(model.parameters(), { lr: 0 }), callbacks: [{ onTrainBegin: () => {} }] }, model);
	assert.equal(await weightsOf(model), start);
	const zero = [tensor([[0, 0, 0, 0]], { device: 'cpu' }), tensor([[0, 0]], { device: 'cpu' })];
	const { epochs } = await fit(model, zero, {
		loss: mseLoss,
		optimizer: new optim.SGD(model.parameters(), { lr: 0 }),
		verbose: 0,
		callbacks: [
			{
				onTrainBegin: ({ model }) =>
					void model.loadStateDict({
						weight: tensor([
							[0, 0, 0, 0],
							[0, 0, 0, 0],
						]),
						bias: tensor([1, 3]),
					}),
			},
		],
	});
	assert.is(epochs[0]!.loss, 5);
});

test.run();
