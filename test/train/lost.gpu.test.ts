/** Training continues after the device was lost. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, DeviceLostError, GradScaler, init, nn, ones, optim, shutdown, sync, tidy } from 'wgrad';
import { fit, loadCheckpoint, MemoryStore, restore, saveCheckpoint } from 'wgrad/train';
import { type Faults, type FaultyAdapter, faultyAdapter } from '../faults/adapter';
import { runFor } from '../soak/campaign';
import { lostDevices } from '../soak/lost';
import { assertRejects, points, weightsOf } from './setting';

async function start(faults: Faults = {}): Promise<FaultyAdapter> {
	await shutdown();
	const adapter = await faultyAdapter(faults);
	await init({ device: 'webgpu', adapter });
	return adapter;
}

test.after(() => shutdown());

test('fit gives the bits of an undisturbed run wherever the device is lost', async () => {
	const counts = await runFor(Number.POSITIVE_INFINITY, 'lost devices', (random, deadline) => lostDevices(random, deadline, 3));
	assert.is(counts.runs, 3);
});

test('a run ends with the loss if the device is lost at the same step again and again', async () => {
	let losing = false;
	const adapter = await start({ loses: () => losing });
	const model = new nn.Linear(4, 2);
	const run = fit(model, points(16, 'cpu'), {
		loss: crossEntropy,
		optimizer: new optim.SGD(model.parameters()),
		epochs: 5,
		callbacks: [
			{
				onBatchEnd: ({ step }) => {
					losing = losing || step === 2;
				},
			},
		],
		onDeviceLost: 'resume',
		verbose: 0,
	});
	await assertRejects(() => run, /fit: the device was lost \d times after step \d.* use smaller batches/);
	assert.ok(adapter.losses >= 3 && adapter.losses < 8, `${adapter.losses} losses`);
	assert.is(await run.catch((error) => error instanceof DeviceLostError), true);
});

test('a shutdown ends the run, and a generator throws because it cannot be read again', async () => {
	await start();
	const model = new nn.Linear(4, 2);
	const options = {
		loss: crossEntropy,
		optimizer: new optim.SGD(model.parameters()),
		epochs: 1000,
		onDeviceLost: 'resume',
		verbose: 0,
	} as const;
	function* batches() {
		yield points(4, 'cpu');
	}
	await assertRejects(() => fit(model, batches(), options), /onDeviceLost 'resume' reads the data again, but a generator/);
	await assertRejects(
		() => fit(model, points(4, 'cpu'), { ...options, onDeviceLost: 'wait' as 'throw' }),
		/'throw' or 'resume', not 'wait'/,
	);
	const run = fit(model, points(16, 'webgpu'), options);
	run.catch(() => {});
	await new Promise((resolve) => setTimeout(resolve, 20));
	await shutdown();
	await assertRejects(() => run, /was shut down/);
});

test('restore sets a model, its optimizer and a scaler to their last checkpoint', async () => {
	const adapter = await start();
	const model = new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4), new nn.Linear(4, 2));
	const optimizer = new optim.Adam(model.parameters());
	const scaler = new GradScaler({ growthInterval: 2 });
	const step = (factor = 1) =>
		tidy(() => {
			const loss = model
				.forward(ones([5, 3]))
				.square()
				.sum()
				.mul(factor);
			optimizer.zeroGrad();
			scaler.scale(loss).backward();
			scaler.step(optimizer);
			scaler.update();
		});
	await assertRejects(() => restore(model, optimizer), /neither written nor read a checkpoint of this model.* saveCheckpoint\(/);
	step(Infinity);
	step();
	const store = new MemoryStore();
	await saveCheckpoint('last', { model, optimizer, scaler }, { store, extra: { steps: 1 } });
	// The second step in a row without an overflow: the scale grows from half of its first value.
	step();
	const expected = await weightsOf(model);
	for (let round = 0; round < 2; round++) {
		adapter.lose();
		await assertRejects(() => sync(), /was lost/);
		assert.equal(await restore(model, optimizer, { scaler }), { steps: 1 });
		assert.is(await scaler.getScale(), 32768);
		step();
		assert.equal(await weightsOf(model), expected);
		assert.is(await scaler.getScale(), 65536);
	}
	await loadCheckpoint('last', { model, optimizer }, { store });
	await assertRejects(() => restore(ones([1]) as never), /model must be a module, not a tensor of shape \[1\]/);
});

test.run();
