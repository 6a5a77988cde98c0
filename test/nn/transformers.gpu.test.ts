/** Attention and transformer layers on WebGPU against PyTorch's. */
import { test } from 'uvu';
import { init } from 'wgrad';
import { compareLayer, NAMES } from './transformers';

test.before(async () => {
	await init({ device: 'webgpu' });
});

for (const name of NAMES) {
	test(`${name} gives PyTorch's results, in float32`, () =>
		compareLayer(name, 'webgpu', 'float32', { relative: 1e-4, absolute: 1e-5 }));
}
test.run();
