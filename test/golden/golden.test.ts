/** Proof 3: outputs and gradients of the CPU path, in float64, against those of PyTorch in the golden files. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import { grad, io, manualSeed, type Tensor } from 'wgrad';
import { makeInputs } from '../ops/database';
import { families } from '../ops/index';
import { kinks } from '../ops/kinks';
import { cotangents, requireClose } from '../proofs/compare';
import { type GoldenSample, goldenSamples } from './samples';

/** Both compute in float64; only the order of sums and the last digits of special functions differ. */
const ALLOWED = { relative: 1e-8, absolute: 1e-10 };
/** Integers become float32 here and float64 in PyTorch: half a unit in the last place. */
const ROUNDED = { relative: 6e-8, absolute: 1e-10 };

async function compare({ entry, sample, key }: GoldenSample, golden: Readonly<Record<string, Tensor>>): Promise<void> {
	manualSeed(1);
	const inputs = makeInputs(entry, sample, 'cpu', 'float64');
	const result = entry.call(inputs, sample.options ?? {});
	const outputs = (Array.isArray(result) ? result : [result]) as readonly Tensor[];
	for (const [i, output] of outputs.entries()) {
		const expected = golden[`${key}#o${i}`];
		if (expected === undefined) throw new Error(`${key}: output ${i} is not in the golden file; run npm run golden`);
		if (String(expected.shape) !== String(output.shape))
			throw new Error(`${key}: output ${i} has shape [${output.shape}], PyTorch's [${expected.shape}]`);
		requireClose(
			`${key}: output ${i}`,
			await output.data(),
			await expected.data(),
			output.dtype === 'float32' ? ROUNDED : ALLOWED,
		);
	}
	if (entry.gradient !== 'yes' || sample.gradient === false) return;
	const differentiable = outputs.filter((output) => output.requiresGrad);
	const targets = inputs.flatMap((input, i) => (input.requiresGrad ? [i] : []));
	// First the composed forms, then the fused kernels, which may free the graph.
	for (const createGraph of [true, false]) {
		const gradients =
			differentiable.length === 0
				? []
				: grad(
						differentiable,
						targets.map((i) => inputs[i]!),
						{ gradOutputs: cotangents(differentiable), allowUnused: true, createGraph },
					);
		for (const [k, i] of targets.entries()) {
			const expected = golden[`${key}#g${i}`];
			const actual = gradients[k] ?? null;
			// No gradient and a gradient of zeros mean the same.
			const zeros = new Float64Array(inputs[i]!.size);
			const what = `${key}: ${createGraph ? 'composed' : 'fused'} gradient of input ${i}`;
			requireClose(what, (await actual?.data()) ?? zeros, (await expected?.data()) ?? zeros, ALLOWED);
		}
	}
}

for (const [family, entries] of Object.entries({ ...families, kinks })) {
	const samples = goldenSamples(entries);
	if (samples.length === 0) continue;
	const golden = io.loadSafetensors(readFileSync(`test/golden/${family}.safetensors`), { device: 'cpu' });
	for (const sample of samples) test(`golden: ${sample.key}`, () => compare(sample, golden));
}
test.run();
