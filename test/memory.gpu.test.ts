/** Memory in the long run: a loop as the README recommends it, and one without any `tidy`. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, init, manualSeed, memory, nn, optim, randint, randn, sync, tidy } from 'wgrad';

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

test(`${STEPS} training steps leave tensors and bytes where they were after step ${SETTLED}`, async () => {
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

test.run();
