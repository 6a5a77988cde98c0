/** Memory over many steps: a loop as the README recommends it, and one without `tidy`. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { counters, crossEntropy, init, manualSeed, memory, nn, ones, optim, randint, randn, shutdown, sync, tidy } from 'wgrad';
import { ArrayDataset, DataLoader } from 'wgrad/data';

const STEPS = 2000;
const SETTLED = 10;

test.before(async () => {
	await init({ device: 'webgpu' });
});

function smallCnn() {
	return new nn.Sequential(
		new nn.Conv2d(1, 4, 3),
		new nn.BatchNorm2d(4),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Flatten(),
		new nn.Dropout(0.2),
		new nn.Linear(4 * 3 * 3, 10),
	);
}

test(`${STEPS} training steps hold as many tensors and bytes as after step ${SETTLED}`, async () => {
	manualSeed(1);
	const model = smallCnn();
	const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
	let settled = memory();
	for (let step = 1; step <= STEPS; step++) {
		tidy(() => {
			const loss = crossEntropy(model.forward(randn([4, 1, 8, 8])), randint(0, 10, [4]));
			optimizer.zeroGrad();
			loss.backward();
			optimizer.step();
		});
		if (step % 50 === 0) await sync();
		if (step === SETTLED) {
			await sync();
			settled = memory();
		}
	}
	await sync();
	const after = memory();
	assert.is(after.tensors, settled.tensors);
	assert.is(after.gpu!.live, settled.gpu!.live);
	assert.is(after.gpu!.liveStorages, settled.gpu!.liveStorages);
	assert.is(after.gpu!.allocated, settled.gpu!.allocated);
});

test('an evaluation under tidy leaves nothing, recorded or not', async () => {
	const model = smallCnn();
	await sync();
	const before = memory();
	for (let i = 0; i < 20; i++) tidy(() => void model.forward(randn([4, 1, 8, 8])));
	assert.is(memory().tensors, before.tensors);
	assert.is(memory().gpu!.live, before.gpu!.live);
});

test('a loop that awaits only its loader submits as it goes, uses few buffers, and does not starve timers', async () => {
	// A new device, for which no pipeline is compiled yet.
	await shutdown();
	await init({ device: 'webgpu' });
	const model = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 3));
	const optimizer = new optim.SGD(model.parameters(), { lr: 1e-3 });
	const samples = 8 * 1000;
	const dataset = new ArrayDataset(
		{ data: new Float32Array(4 * samples), shape: [samples, 4] },
		{ data: new Int32Array(samples) },
	);
	let turns = 0;
	const timer = setInterval(() => turns++, 1);
	for await (const [x, y] of new DataLoader(dataset, { batchSize: 8 })) {
		tidy(() => {
			const loss = crossEntropy(model.forward(x!), y!);
			optimizer.zeroGrad();
			loss.backward();
			optimizer.step();
		});
		x!.dispose();
		y!.dispose();
	}
	clearInterval(timer);
	const { submits, memory: gpu } = counters();
	await sync();
	assert.ok(turns > 0, 'no timer had its turn');
	assert.ok(submits > 50, `${submits} submits`);
	assert.ok(gpu.buffersCreated < 400, `${gpu.buffersCreated} buffers`);
});

test('tensors that are dropped without tidy are collected before they fill the GPU', async () => {
	await sync();
	const before = memory().gpu!.live;
	let most = 0;
	for (let round = 0; round < 150; round++) {
		const sum = ones([2 ** 20])
			.add(round)
			.sum();
		most = Math.max(most, memory().gpu!.live - before);
		await sum.item();
	}
	// Of 1.2 GB in all.
	assert.ok(most < 4e8, `${most / 1e6} MB are held at once`);
});

test.run();
