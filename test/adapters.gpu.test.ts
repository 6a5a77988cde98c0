/** Whether the environment has WebGPU at all, tested without the library. All other tests of this kind depend on it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';

async function findGpu(): Promise<GPU> {
	if (globalThis.navigator?.gpu !== undefined) return navigator.gpu;
	const dawn = 'webgpu';
	const { create }: typeof import('webgpu') = await import(dawn);
	const gpu = create([]);
	Object.assign(globalThis, { gpuOfThisTest: gpu });
	return gpu;
}

const STORAGE_AND_COPY_SRC = 0x84;
const MAP_READ_AND_COPY_DST = 0x09;
const MAP_MODE_READ = 1;

test('a shader writes the expected values', async () => {
	const adapter = await (await findGpu()).requestAdapter();
	assert.ok(adapter, 'an adapter');
	const device = await adapter!.requestDevice();
	const size = 4 * 64;
	const buffer = device.createBuffer({ size, usage: STORAGE_AND_COPY_SRC });
	const staging = device.createBuffer({ size, usage: MAP_READ_AND_COPY_DST });
	const module = device.createShaderModule({
		code: `@group(0) @binding(0) var<storage, read_write> squares: array<u32>;
			@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { squares[i] = i * i; }`,
	});
	const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
	const layout = pipeline.getBindGroupLayout(0);
	const encoder = device.createCommandEncoder();
	const pass = encoder.beginComputePass();
	pass.setPipeline(pipeline);
	pass.setBindGroup(0, device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] }));
	pass.dispatchWorkgroups(1);
	pass.end();
	encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
	device.queue.submit([encoder.finish()]);
	await staging.mapAsync(MAP_MODE_READ);
	const squares = [...new Uint32Array(staging.getMappedRange())];
	staging.unmap();
	device.destroy();
	assert.equal(
		squares,
		Array.from({ length: 64 }, (_, i) => i * i),
	);
});

test.run();
