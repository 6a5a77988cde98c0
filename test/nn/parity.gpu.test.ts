/** Every layer on WebGPU, in float32, against itself on the CPU path, in float64: output, gradients, buffers. */
import { test } from 'uvu';
import { type Device, type DType, init, manualSeed, randint, randn } from 'wgrad';
import { requireClose } from '../proofs/compare';
import { type LayerCase, layers } from './cases';

const ALLOWED = { relative: 3e-5, absolute: 3e-6 };

test.before(async () => {
	await init({ device: 'webgpu' });
});

async function run({ make, input, indices }: LayerCase, device: Device, dtype: DType): Promise<Map<string, ArrayLike<number>>> {
	// Made on the CPU, so that normal numbers have the same bits in both runs.
	manualSeed(6);
	const layer = make({ device: 'cpu' });
	const made = indices === undefined ? randn(input, { device: 'cpu' }) : randint(indices, input, { device: 'cpu' });
	await layer.to(dtype).to(device);
	const converted = indices === undefined ? made.to(dtype) : made;
	const x = await converted.to(device);
	if (indices === undefined) x.requiresGrad_();
	manualSeed(8);
	const y = layer.forward(x);
	y.mul(y.detach().add(1)).sum().backward();
	const results = new Map<string, ArrayLike<number>>([['output', await y.data()]]);
	if (x.grad !== null) results.set('gradient of the input', await x.grad.data());
	for (const [path, parameter] of layer.namedParameters()) results.set(`gradient of ${path}`, await parameter.grad!.data());
	for (const [path, buffer] of layer.namedBuffers()) results.set(path, await buffer.data());
	return results;
}

for (const layer of layers) {
	test(`${layer.name} on WebGPU`, async () => {
		const expected = await run(layer, 'cpu', 'float64');
		const actual = await run(layer, 'webgpu', 'float32');
		for (const [what, values] of expected) requireClose(`${layer.name}: ${what}`, actual.get(what)!, values, ALLOWED);
	});
}

test.run();
