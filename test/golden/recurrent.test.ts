/** Recurrent layers, and 20 training steps of recurrent classifiers, on the CPU path against PyTorch's, which are in float64. */
import { test } from 'uvu';
import { type Cell, compareLayer, compareTraining, LAYERS } from './recurrent';

for (const name of LAYERS) {
	test(`${name} gives PyTorch's results`, () =>
		compareLayer(name, { device: 'cpu', dtype: 'float64' }, { relative: 1e-9, absolute: 1e-11 }));
}
for (const cell of ['lstm', 'gru'] as Cell[]) {
	for (const [dtype, relative] of [
		['float32', 1e-5],
		['float64', 1e-10],
	] as const) {
		test(`20 steps of an ${cell} classifier give PyTorch's losses, in ${dtype}`, () =>
			compareTraining(cell, { device: 'cpu', dtype }, { relative, absolute: 0 }));
	}
}
test.run();
