/**
 * Proof 2: outputs and gradients on WebGPU, in float32, against the CPU path in float64, from the same float32 values. Gradients
 * are tested with the fused backward kernels and with the composed forms.
 */
import { test } from 'uvu';
import { type Device, type DType, grad, manualSeed, type Tensor, tidy } from 'wgrad';
import { makeInputs, type OpEntry, type Sample } from '../ops/database';
import { type Allowed, cotangents, differentiableInputs, requireClose } from './compare';
import { concurrently } from './concurrently';

const SEED = 20;
const DEFAULT_TOLERANCE: Allowed = { relative: 2e-5, absolute: 2e-6 };

interface Outcome {
	readonly outputs: { readonly shape: readonly number[]; readonly dtype: DType; readonly data: ArrayLike<number> }[];
	/** By form (fused, composed), then by input; null for an input that the outputs do not depend on. */
	readonly gradients: (ArrayLike<number> | null)[][];
}

/** Runs a sample. Nothing waits until all of its kernels are launched, so that they compile in parallel and share the reads. */
async function run(entry: OpEntry, sample: Sample, device: Device, precision: DType): Promise<Outcome> {
	const { outputs, gradients } = tidy(() => {
		const inputs = makeInputs(entry, sample, device, precision);
		const call = () => {
			manualSeed(SEED);
			const result = entry.call(inputs, sample.options ?? {});
			return (Array.isArray(result) ? result : [result]) as readonly Tensor[];
		};
		const outputs = call();
		const targets = differentiableInputs(inputs);
		const gradients: (Tensor | null)[][] = [];
		if (entry.gradient === 'yes' && sample.gradient !== false && targets.length > 0) {
			for (const createGraph of [false, true]) {
				const results = (createGraph ? call() : outputs).filter((output) => output.requiresGrad);
				gradients.push(grad(results, targets, { gradOutputs: cotangents(results), createGraph, allowUnused: true }));
			}
		}
		return { outputs, gradients };
	});
	const read = async (result: Tensor) => {
		const data = await result.data();
		result.dispose();
		return data;
	};
	const [values, slopes] = await Promise.all([
		Promise.all(outputs.map(async (output) => ({ shape: output.shape, dtype: output.dtype, data: await read(output) }))),
		Promise.all(gradients.map((found) => Promise.all(found.map((gradient) => gradient && read(gradient))))),
	]);
	return { outputs: values, gradients: slopes };
}

export function proveParity(entries: readonly OpEntry[]): void {
	for (const entry of entries) {
		const runOnDevice = concurrently(entry.samples, (sample) => run(entry, sample, 'webgpu', 'float32'));
		for (const sample of entry.samples) {
			const name = `${entry.name} (${sample.label})`;
			test(`parity: ${name}`, async () => {
				const allowed = sample.tolerance ?? entry.tolerance ?? DEFAULT_TOLERANCE;
				const expected = await run(entry, sample, 'cpu', 'float64');
				const actual = await runOnDevice(sample);
				expected.outputs.forEach((output, i) => {
					const got = actual.outputs[i]!;
					if (String(got.shape) !== String(output.shape))
						throw new Error(`${name}: output ${i} has shape [${got.shape}] instead of [${output.shape}]`);
					const dtype = output.dtype === 'float64' ? 'float32' : output.dtype;
					if (got.dtype !== dtype) throw new Error(`${name}: output ${i} has dtype ${got.dtype} instead of ${dtype}`);
					requireClose(
						`${name}: output ${i}`,
						got.data,
						// Values beyond float32 are infinite there.
						dtype === 'float32' ? Float32Array.from(output.data) : output.data,
						dtype === 'float32' ? allowed : { relative: 0, absolute: 0 },
					);
				});
				expected.gradients.forEach((gradients, form) => {
					gradients.forEach((gradient, i) => {
						const got = actual.gradients[form]![i] ?? null;
						const what = `${name}: ${form === 0 ? 'fused' : 'composed'} gradient of input ${i}`;
						if (gradient === null || got === null) {
							if (gradient !== got) throw new Error(`${what} is there on one device only`);
						} else {
							requireClose(what, got, gradient, allowed);
						}
					});
				});
			});
		}
	}
}
