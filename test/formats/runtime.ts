/** Runs ONNX files in onnxruntime-web, on its CPU backend in Node. */
import * as ort from 'onnxruntime-web';
import type { Tensor } from 'wgrad';

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

export interface Result {
	readonly dims: readonly number[];
	readonly data: ArrayLike<number>;
}

async function toRuntime(x: Tensor): Promise<ort.Tensor> {
	const data = await x.data();
	const type = x.dtype === 'float64' ? 'float64' : x.dtype;
	return new ort.Tensor(type as 'float32', data as Float32Array, x.shape);
}

function read({ dims, data }: ort.Tensor): Result {
	return { dims, data: typeof data[0] === 'bigint' ? Array.from(data as BigInt64Array, Number) : (data as Float32Array) };
}

/** The outputs of a model by name, for each of several inputs by name. Loading checks the model. */
export async function runOnnx(
	bytes: Uint8Array,
	all: readonly Readonly<Record<string, Tensor>>[],
	options: ort.InferenceSession.SessionOptions = {},
): Promise<Record<string, Result>[]> {
	const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3, ...options });
	try {
		const found: Record<string, Result>[] = [];
		for (const inputs of all) {
			const feeds: Record<string, ort.Tensor> = {};
			for (const [name, x] of Object.entries(inputs)) feeds[name] = await toRuntime(x);
			const results = await session.run(feeds);
			found.push(Object.fromEntries(Object.entries(results).map(([name, y]) => [name, read(y)])));
		}
		return found;
	} finally {
		await session.release();
	}
}
