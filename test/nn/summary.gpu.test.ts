/** On a device: the summary's figures are those of the launches, and it launches nothing. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { counters, init, memory, nn, noGrad, profile, randn } from 'wgrad';

test.before(async () => {
	await init({ device: 'webgpu' });
});

test('products and convolutions count what their launches report, and a summary launches and allocates nothing', async () => {
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

test.run();
