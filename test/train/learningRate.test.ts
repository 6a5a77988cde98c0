/** The learning-rate finder. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, manualSeed, memory, nn, optim, rand } from 'wgrad';
import { DataLoader, TensorDataset } from 'wgrad/data';
import { findLearningRate } from 'wgrad/train';
import { heldTensors } from '../collected';
import { assertRejects, points, weightsOf } from './setting';

const [x, y] = points(200);

function make() {
	manualSeed(2);
	const model = new nn.Sequential(
		new nn.Linear(4, 16, { device: 'cpu' }),
		new nn.BatchNorm1d(16, { device: 'cpu' }),
		new nn.ReLU(),
		new nn.Dropout(0.1),
		new nn.Linear(16, 2, { device: 'cpu' }),
	);
	return { model, optimizer: new optim.SGD(model.parameters(), { lr: 0.3, momentum: 0.9 }) };
}

test('rates rise evenly in their logarithm, and everything is restored afterwards', async () => {
	const { model, optimizer } = make();
	const loader = new DataLoader(new TensorDataset(x, y), { batchSize: 20, shuffle: true, seed: 1 });
	loader.setEpoch(4);
	const before = await weightsOf(model);
	const number = async () => (await rand([1], { device: 'cpu' }).data())[0];
	manualSeed(8);
	const next = await number();
	manualSeed(8);
	const { lrs, losses, rawLosses, suggestion } = await findLearningRate(model, loader, {
		loss: crossEntropy,
		optimizer,
		startLr: 1e-4,
		endLr: 1,
		steps: 41,
		smoothing: 0.7,
	});
	assert.equal([lrs.length, losses.length, rawLosses.length], [41, 41, 41]);
	lrs.forEach((lr, i) => {
		assert.ok(Math.abs(Math.log10(lr) - (i / 10 - 4)) < 1e-9);
	});
	let mean = 0;
	rawLosses.forEach((loss, i) => {
		mean = 0.7 * mean + 0.3 * loss;
		assert.ok(Math.abs(losses[i]! - mean / (1 - 0.7 ** (i + 1))) < 1e-12);
	});
	assert.ok(suggestion! > 3e-3 && suggestion! < 1, `suggestion ${suggestion}`);
	assert.equal(await weightsOf(model), before);
	assert.is(optimizer.paramGroups[0]!.lr, 0.3);
	assert.ok(
		Object.values(optimizer.stateDict().state).every((own) => Object.keys(own).length === 0),
		'no momentum is left',
	);
	assert.ok(model.parameters().every(({ grad }) => grad === null));
	assert.is(loader.epoch, 4);
	assert.is(await number(), next, 'the random numbers go on as if nothing had been');
});

test('it ends when the loss grows, and groups keep their proportions', async () => {
	const { model } = make();
	const [first, ...others] = model.parameters();
	const optimizer = new optim.SGD(
		[
			{ params: [first!], lr: 0.2 },
			{ params: others, lr: 0.1 },
		],
		{ lr: 1 },
	);
	const rates: [number, number][] = [];
	const { lrs, losses } = await findLearningRate(model, [x, y], {
		trainStep: (model, [input, target]) => {
			rates.push([optimizer.paramGroups[0]!.lr, optimizer.paramGroups[1]!.lr]);
			return crossEntropy(model.forward(input!), target!);
		},
		optimizer,
		startLr: 1e-3,
		endLr: 1e6,
		batchSize: 20,
	});
	assert.ok(lrs.length < 95 && lrs.length > 20, `${lrs.length} steps`);
	assert.ok(losses.every(Number.isFinite));
	assert.ok(rates.every(([a, b]) => Math.abs(b / a - 0.5) < 1e-12));
	assert.equal(
		optimizer.paramGroups.map(({ lr }) => lr),
		[0.2, 0.1],
	);
});

test('no tensor leaks, and wrong calls throw', async () => {
	const { model, optimizer } = make();
	const options = { loss: crossEntropy, optimizer, steps: 10 } as const;
	await findLearningRate(model, [x, y], options);
	const before = await heldTensors();
	await findLearningRate(model, [x, y], options);
	assert.ok(memory().tensors <= before, `${memory().tensors} tensors where ${before} were`);
	await assertRejects(() => findLearningRate(model, [x, y], { ...options, startLr: 1, endLr: 0.1 }), /0 < startLr < endLr/);
	await assertRejects(() => findLearningRate(model, [x, y], { ...options, steps: 2 }), /steps must be/);
	await assertRejects(() => findLearningRate(model, [x, y], { ...options, smoothing: 1 }), /smoothing must lie/);
});

test.run();
