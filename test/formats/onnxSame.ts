/** Compares a model with its ONNX file. */
import type { InferenceSession } from 'onnxruntime-web';
import * as assert from 'uvu/assert';
import { nn, noGrad, type Tensor } from 'wgrad';
import type { OnnxModel } from 'wgrad/formats';
import { tensorsIn } from '../../src/formats/onnx/trace';
import { runOnnx } from './runtime';

/** Throws unless both give the same outputs for each of the inputs, to 1e-4. A module runs in inference mode. */
export async function requireSame(
	model: OnnxModel,
	bytes: Uint8Array,
	all: readonly Readonly<Record<string, Tensor>>[],
	options: InferenceSession.SessionOptions = {},
): Promise<void> {
	if (model instanceof nn.Module) model.eval();
	const forward = (model instanceof nn.Module ? model.forward.bind(model) : model) as (...inputs: Tensor[]) => unknown;
	const results = await runOnnx(bytes, all, options);
	for (const [run, inputs] of all.entries()) {
		const expected = noGrad(() => tensorsIn(forward(...Object.values(inputs))));
		const found = Object.values(results[run]!);
		assert.is(found.length, expected.length);
		for (const [i, [path, wanted]] of expected.entries()) {
			const { dims, data } = found[i]!;
			assert.equal([...dims], [...wanted.shape], path);
			const values = await wanted.data();
			for (let k = 0; k < values.length; k++) {
				const [a, b] = [values[k]!, data[k]!];
				if (!Object.is(a, b) && !(Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(a))))
					assert.unreachable(`output '${path}' at ${k}: ${b} instead of ${a}`);
			}
		}
	}
}
