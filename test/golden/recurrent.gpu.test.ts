/** Recurrent layers, and 20 training steps of recurrent classifiers, on WebGPU against PyTorch's. */
import { test } from 'uvu';
import { init } from 'wgrad';
import { type Cell, compareLayer, compareTraining, LAYERS } from './recurrent';

const FLOAT32 = { device: 'webgpu', dtype: 'float32' } as const;

test.before(async () => {
	await init({ device: 'webgpu' });
});

for (const name of LAYERS) {
	test(`${name} gives PyTorch's results, in float32`, () => compareLayer(name, FLOAT32, { relative: 1e-4, absolute: 1e-5 }));
}
for (const cell of ['lstm', 'gru'] as Cell[]) {
	test(`20 steps of an ${cell} classifier give PyTorch's losses`, () =>
		compareTraining(cell, FLOAT32, { relative: 1e-4, absolute: 0 }));
}
test.run();
