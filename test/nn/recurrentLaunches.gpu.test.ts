/**
 * The launches of a recurrent layer: two kernels per time step and layer, forward and backward; the others run once for all
 * steps.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { counters, init, nn, randn, sync, type Tensor, tidy } from 'wgrad';

test.before(async () => {
	await init({ device: 'webgpu' });
});

const LAYERS = {
	LSTM: () => new nn.LSTM(16, 128, { numLayers: 2 }),
	GRU: () => new nn.GRU(16, 128, { numLayers: 2 }),
	RNN: () => new nn.RNN(16, 128, { numLayers: 2 }),
};

/** The launches of a forward and of a backward pass over `steps` time steps. The loss reads outputs and last states. */
function launches(layer: nn.LSTM | nn.GRU | nn.RNN, steps: number): readonly [forward: number, backward: number] {
	return tidy(() => {
		const x = randn([steps, 8, 16]);
		const start = counters().launches;
		const outputs = [layer.forward(x)].flat(2) as Tensor[];
		const middle = counters().launches;
		const loss = outputs.map((output) => output.sum()).reduce((a, b) => a.add(b));
		const before = counters().launches;
		loss.backward();
		return [middle - start, counters().launches - before] as const;
	});
}

for (const [name, make] of Object.entries(LAYERS)) {
	test(`${name}: a time step costs two launches per layer, forward and backward`, async () => {
		const layer = make();
		const [short, long] = [launches(layer, 48), launches(layer, 88)];
		for (const [i, direction] of ['forward', 'backward'].entries()) {
			const [more, told] = [long[i]! - short[i]!, `${direction}: ${short[i]} launches of 48 steps, ${long[i]} of 88`];
			// Sums over more rows may take two launches.
			assert.ok(more >= 2 * 2 * 40 && more <= 2 * 2 * 40 + 16, told);
			assert.ok(short[i]! - 2 * 2 * 48 < 48, told);
		}
		// The process cannot exit before the device has finished the launches.
		await sync();
	});
}
test.run();
