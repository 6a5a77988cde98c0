/** The cases in onnxruntime-web on WebGPU: those without gradients. Its inputs and outputs stay on the GPU. */
import * as ort from 'onnxruntime-web/webgpu';
import * as spec from './cases.mjs';

export async function open() {
	ort.env.logLevel = 'error';
	return `onnxruntime-web ${ort.env.versions.web}`;
}

/** The inputs of a case, in the order of its model. */
const INPUTS = {
	matmul: [
		[[1024, 1024], 1],
		[[1024, 1024], 2],
	],
	conv: [
		[[16, 32, 32, 32], 1],
		[[64, 32, 3, 3], 2],
	],
	softmax: [[[4096, 1024], 1, 4]],
	tiny: [[[16], 1]],
};

/** @param {string} name @param {string} model its ONNX file in base64 */
export async function start(name, model) {
	const bytes = Uint8Array.from(atob(model), (character) => character.charCodeAt(0));
	const options = { executionProviders: ['webgpu'], graphOptimizationLevel: 'disabled' };
	const session = await ort.InferenceSession.create(bytes, { ...options, preferredOutputLocation: 'gpu-buffer' });
	const device = await ort.env.webgpu.device;
	const feeds = {};
	for (const [i, [shape, seed, scale]] of INPUTS[name].entries()) {
		const values = spec.fill(shape, seed, scale);
		const size = Math.ceil(values.byteLength / 16) * 16;
		const buffer = device.createBuffer({
			size,
			usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
		});
		device.queue.writeBuffer(buffer, 0, values);
		feeds[session.inputNames[i]] = ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: shape });
	}
	let last;
	const run = async () => {
		last?.dispose();
		last = Object.values(await session.run(feeds))[0];
	};
	return {
		run,
		sync: () => device.queue.onSubmittedWorkDone(),
		async values() {
			await run();
			return await last.getData(false);
		},
	};
}
