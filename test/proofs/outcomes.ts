/** Runs samples of the operation database on a device, and compares what two devices computed. */
import { type Device, type DType, grad, manualSeed, type Tensor, tidy } from 'wgrad';
import { makeInputs, type OpEntry, type Sample } from '../ops/database';
import { type Allowed, cotangents, differentiableInputs, requireClose } from './compare';

const SEED = 20;
const DEFAULT_TOLERANCE: Allowed = { relative: 2e-5, absolute: 2e-6 };

/** A result on the host. */
export interface Result {
	readonly what: string;
	readonly shape: readonly number[];
	readonly dtype: DType;
	readonly data: ArrayLike<number>;
}

export interface Outcome {
	readonly outputs: readonly Result[];
	/** Fused, then composed. Null for an input that the outputs do not depend on. */
	readonly gradients: readonly (readonly (Result | null)[])[];
}

/** Rounds the incoming gradients, which a proof in float16 needs to be values of float16. */
export type Round = (values: readonly number[]) => readonly number[];

/**
 * Runs a sample: its outputs, then their gradients with the fused backward kernels and with the composed forms. Nothing waits until
 * all kernels are launched, so that they compile in parallel and share the reads.
 */
export async function runSample(
	entry: OpEntry,
	sample: Sample,
	device: Device,
	precision: DType,
	round?: Round,
): Promise<Outcome> {
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
				const gradOutputs = cotangents(results, round);
				gradients.push(grad(results, targets, { gradOutputs, createGraph, allowUnused: true }));
			}
		}
		return { outputs, gradients };
	});
	const read = async (what: string, result: Tensor): Promise<Result> => {
		const { shape, dtype } = result;
		const data = await result.data();
		result.dispose();
		return { what, shape, dtype, data };
	};
	const [values, slopes] = await Promise.all([
		Promise.all(outputs.map((output, i) => read(`output ${i}`, output))),
		Promise.all(
			gradients.map((found, form) =>
				Promise.all(
					found.map((gradient, i) => gradient && read(`${form === 0 ? 'fused' : 'composed'} gradient of input ${i}`, gradient)),
				),
			),
		),
	]);
	return { outputs: values, gradients: slopes };
}

/** Throws at the first result of `actual`, in float32, that differs too much from `expected`, in float64. */
export function requireSameOutcome(entry: OpEntry, sample: Sample, actual: Outcome, expected: Outcome): void {
	const name = `${entry.name} (${sample.label})`;
	const allowed = sample.tolerance ?? entry.tolerance ?? DEFAULT_TOLERANCE;
	expected.outputs.forEach((output, i) => {
		const got = actual.outputs[i]!;
		const what = `${name}: ${output.what}`;
		if (String(got.shape) !== String(output.shape))
			throw new Error(`${what} has shape [${got.shape}] instead of [${output.shape}]`);
		const dtype = output.dtype === 'float64' ? 'float32' : output.dtype;
		if (got.dtype !== dtype) throw new Error(`${what} has dtype ${got.dtype} instead of ${dtype}`);
		requireClose(
			what,
			got.data,
			// Values beyond float32 are infinite there.
			dtype === 'float32' ? Float32Array.from(output.data) : output.data,
			dtype === 'float32' ? allowed : { relative: 0, absolute: 0 },
		);
	});
	expected.gradients.forEach((gradients, form) => {
		gradients.forEach((gradient, i) => {
			const got = actual.gradients[form]![i] ?? null;
			if (gradient !== null && got !== null) requireClose(`${name}: ${gradient.what}`, got.data, gradient.data, allowed);
			else if (gradient !== got) throw new Error(`${name}: ${(gradient ?? got)!.what} is there on one device only`);
		});
	});
}
