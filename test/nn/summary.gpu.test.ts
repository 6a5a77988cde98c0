/** On a device: the summary's figures equal those of the launches, and the summary itself launches nothing. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { counters, crossEntropy, init, memory, nn, noGrad, optim, profile, randint, randn, sync, tidy } from 'wgrad';

test.before(async () => {
	await init({ device: 'webgpu' });
});

test('FLOPs of products and convolutions equal those of their launches, and a summary launches and allocates nothing', async () => {
	const model = new nn.Sequential(new nn.Conv2d(1, 4, 3), new nn.ReLU(), new nn.Flatten(), new nn.Linear(4 * 6 * 6, 10));
	const before = { launches: counters().launches, memory: memory() };
	const summary = nn.summarize(model, [2, 1, 8, 8]);
	assert.is(counters().launches, before.launches);
	assert.equal(memory(), before.memory);

	const x = randn([2, 1, 8, 8]);
	const { rows } = await profile(() => noGrad(() => model.forward(x)));
	const flops = (operation: string) => rows.filter((row) => row.operation === operation).reduce((sum, row) => sum + row.flops, 0);
	assert.is(flops('conv2d'), summary.layers[1]!.flops);
	assert.is(flops('linear'), summary.layers[4]!.flops);
	const cpu = nn.summarize(new nn.Sequential(new nn.Conv2d(1, 4, 3, { device: 'cpu' })), [2, 1, 8, 8]);
	assert.is(cpu.flops, summary.layers[1]!.flops);
});

test('a training step takes the estimated memory', async () => {
	const model = new nn.Sequential(
		new nn.Conv2d(1, 16, 3, { padding: 1 }),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Flatten(),
		new nn.Linear(16 * 14 * 14, 10),
	);
	const [x, y] = [randn([32, 1, 28, 28]), randint(0, 10, [32])];
	const optimizer = new optim.Adam(model.parameters());
	const { training } = nn.summarize(model, [32, 1, 28, 28]).memory;
	tidy(() => {
		const loss = crossEntropy(model.forward(x), y);
		loss.backward();
		optimizer.step();
	});
	await sync();
	// The estimate leaves out the rounding of blocks, free blocks in the pool, and the partial sums of kernels.
	const ratio = memory().gpu!.peak / training!;
	assert.ok(ratio > 0.9 && ratio < 1.6, `${ratio} times the estimate of ${training} bytes`);
});

test.run();
