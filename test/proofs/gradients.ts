/**
 * Proof 1: first and second derivatives of every entry by central differences, in float64 on the CPU path. Also, the gradients
 * of the fused backward kernels equal those of the composed, recordable forms.
 */
import { test } from 'uvu';
import { grad, gradcheck, gradgradcheck, manualSeed, type Tensor } from 'wgrad';
import { makeInputs, type OpEntry, type Sample } from '../ops/database';
import { cotangents, differentiableInputs, requireClose } from './compare';

const SEED = 20;

/** Repeats the same random draws at every evaluation; otherwise a random operation would have no derivative. */
function evaluate(entry: OpEntry, sample: Sample, inputs: readonly Tensor[]): readonly Tensor[] {
	manualSeed(SEED);
	const result = entry.call(inputs, sample.options ?? {});
	return (Array.isArray(result) ? result : [result]) as readonly Tensor[];
}

export function proveGradients(entries: readonly OpEntry[]): void {
	for (const entry of entries) {
		for (const sample of entry.samples) {
			const floating = sample.inputs.some(({ dtype = 'float32' }) => dtype.startsWith('float'));
			if (entry.gradient !== 'yes' || !floating) proveNone(entry, sample);
			else if (sample.gradient !== false) proveSample(entry, sample);
		}
	}
}

function proveSample(entry: OpEntry, sample: Sample): void {
	const name = `${entry.name} (${sample.label})`;
	const fn = (...inputs: Tensor[]) => evaluate(entry, sample, inputs);
	test(`gradient: ${name}`, async () => {
		const inputs = makeInputs(entry, sample, 'cpu', 'float64');
		await gradcheck(fn, inputs, { name });
	});
	if (entry.secondGradient === undefined) {
		test(`second gradient: ${name}`, async () => {
			const inputs = makeInputs(entry, sample, 'cpu', 'float64');
			await gradgradcheck(fn, inputs, { name });
		});
	}
	test(`fused and composed gradients: ${name}`, async () => {
		const inputs = makeInputs(entry, sample, 'cpu', 'float64');
		const targets = differentiableInputs(inputs);
		const gradients = [false, true].map((createGraph) => {
			const outputs = fn(...inputs).filter((output) => output.requiresGrad);
			return grad(outputs, targets, { gradOutputs: cotangents(outputs), createGraph, allowUnused: true });
		});
		for (let i = 0; i < targets.length; i++) {
			const [fused, composed] = [gradients[0]![i], gradients[1]![i]];
			if (fused == null || composed == null) {
				if (fused !== composed) throw new Error(`${name}: input ${i} has a gradient in one form only`);
				continue;
			}
			requireClose(`${name} gradient ${i}`, await fused.data(), await composed.data(), { relative: 1e-9, absolute: 1e-11 });
		}
	});
}

/** Tests the claim that there is no gradient: the outputs must not require one. */
function proveNone(entry: OpEntry, sample: Sample): void {
	test(`no gradient: ${entry.name} (${sample.label})`, () => {
		const inputs = makeInputs(entry, sample, 'cpu', 'float64').map((input) =>
			input.dtype === 'float64' ? input.requiresGrad_() : input,
		);
		for (const output of evaluate(entry, sample, inputs)) {
			if (output.requiresGrad) throw new Error(`${entry.name} (${sample.label}) has no gradient, but its output requires one`);
		}
	});
}
