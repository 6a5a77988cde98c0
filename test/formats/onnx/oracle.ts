/** Runs models with onnxruntime-web, on its processor in WebAssembly, to compare with. */
import * as ort from 'onnxruntime-web';
import { type Tensor, tensor } from 'wgrad';
import type { ElementType, Given } from './model';

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'fatal';

export interface Expected {
	readonly shape: readonly number[];
	readonly values: readonly number[];
}

function oracleTensor({ type, shape, values }: Given): ort.Tensor {
	const wide = type === 'int64' ? BigInt64Array.from(values.map(BigInt)) : null;
	return new ort.Tensor(type, (wide ?? typed(type, values)) as Float32Array, [...shape]);
}

function typed(type: ElementType, values: readonly number[]) {
	const Kind = {
		float32: Float32Array,
		float64: Float64Array,
		int32: Int32Array,
		int8: Int8Array,
		uint8: Uint8Array,
		uint16: Uint16Array,
		int16: Int16Array,
		bool: Uint8Array,
		float16: Uint16Array,
		int64: Int32Array,
	}[type];
	return Kind.from(values);
}

/** The outputs of a model by name. */
export async function expectedOf(bytes: Uint8Array, inputs: Readonly<Record<string, Given>>): Promise<Record<string, Expected>> {
	const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'], graphOptimizationLevel: 'disabled' });
	const feeds = Object.fromEntries(Object.entries(inputs).map(([name, given]) => [name, oracleTensor(given)]));
	const outputs = await session.run(feeds);
	await session.release();
	return Object.fromEntries(
		Object.entries(outputs).map(([name, output]) => [
			name,
			{ shape: output.dims, values: Array.from(output.data as Float32Array, Number) },
		]),
	);
}

/** The same input for wgrad. */
export function ownTensor({ type, shape, values }: Given, device: 'cpu' | 'webgpu'): Tensor {
	const isWide = type === 'int64' || type === 'uint16' || type === 'int16';
	const dtype = isWide ? 'int32' : type === 'float64' ? 'float32' : type;
	return tensor(typed(dtype, values), { shape, device, dtype });
}
