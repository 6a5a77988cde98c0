/**
 * The operation database under `compile`: each operation is recorded with its gradients, and replayed with other inputs. The results have the
 * bits of the call run as usual. With WGRAD_CASES=100 or more every sample of every operation, else the first sample of some operations.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compile, grad, init, manualSeed, noGrad, shutdown, type Tensor, tidy } from 'wgrad';
import { makeInputs, type OpEntry, type Sample } from '../ops/database';
import { entries } from '../ops/index';
import { cotangents, differentiableInputs } from '../proofs/compare';
import { setting } from '../random/setting';

/** Of so many operations, one is tested without WGRAD_CASES. */
const SHARE = 24;
const isWhole = (setting('WGRAD_CASES') ?? 0) >= 100;

test.before(async () => {
	await init({ device: 'webgpu' });
});
test.after(() => shutdown());

/** Inputs of the sample's layouts with the sample's values in another order. */
function inputsOf(entry: OpEntry, sample: Sample, isOther: boolean): Tensor[] {
	const inputs = makeInputs(entry, sample, 'webgpu', 'float32') as Tensor[];
	if (!isOther) return inputs;
	noGrad(() =>
		tidy(() => {
			for (const [i, input] of inputs.entries()) {
				// The offsets of bags must not fall.
				if (entry.name === 'embeddingBag' && i === 2) continue;
				const isExpanded = input.strides.some((stride, d) => stride === 0 && input.shape[d]! > 1);
				if (!isExpanded && input.ndim > 0) input.copy_(input.flip(input.shape.map((_, d) => d)).clone());
			}
		}),
	);
	return inputs;
}

async function read(tensors: readonly (Tensor | null)[]): Promise<unknown[]> {
	return Promise.all(
		tensors.map(async (tensor) => {
			if (tensor === null) return null;
			const data = await tensor.data();
			return [tensor.dtype, ...tensor.shape, '', ...(data instanceof Float32Array ? new Uint32Array(data.slice().buffer) : data)];
		}),
	);
}

/** The outcome of the call with other inputs as usual and replayed, or why it is not replayed. */
async function outcomes(entry: OpEntry, sample: Sample): Promise<{ usual: unknown[]; replayed: unknown[] } | string> {
	const body = (...inputs: Tensor[]): (Tensor | null)[] => {
		const result = entry.call(inputs, sample.options ?? {});
		if (result instanceof Promise) throw new TypeError('async');
		const outputs = (Array.isArray(result) ? result : [result]) as readonly Tensor[];
		const targets = differentiableInputs(inputs);
		const results = outputs.filter((output) => output.requiresGrad);
		const isDifferentiable = entry.gradient === 'yes' && sample.gradient !== false && targets.length > 0 && results.length > 0;
		const gradients = isDifferentiable ? grad(results, targets, { gradOutputs: cotangents(results), allowUnused: true }) : [];
		return [...outputs.map((output) => output.detach()), ...gradients.map((gradient) => gradient?.clone() ?? null)];
	};
	const call = (fn: typeof body, isOther: boolean) => {
		manualSeed(7);
		return fn(...inputsOf(entry, sample, isOther));
	};
	const f = compile(body);
	try {
		for (let i = 0; i < 3; i++) call(f as typeof body, false);
	} catch (error) {
		if (error instanceof TypeError) return 'async';
		throw error;
	}
	const [usual, replayed] = [tidy(() => call(body, true)), call(f as typeof body, true)];
	const { replayed: count, reason } = f.report();
	if (count < 2) return reason ?? 'no plan';
	return { usual: await read(usual), replayed: await read(replayed) };
}

const seen: Record<string, string> = {};
let count = 0;

for (const [i, entry] of entries.entries()) {
	if (!isWhole && i % SHARE !== 0) continue;
	for (const sample of isWhole ? entry.samples : entry.samples.slice(0, 1)) {
		test(`${entry.name} (${sample.label})`, async () => {
			count++;
			const outcome = await outcomes(entry, sample);
			if (typeof outcome === 'string') seen[`${entry.name} (${sample.label})`] = outcome;
			else assert.equal(outcome.replayed, outcome.usual);
		});
	}
}

test('nearly all of them are replayed', () => {
	if (isWhole) console.log(`${Object.keys(seen).length} of ${count} are not replayed: ${JSON.stringify(seen)}`);
	assert.ok(20 * Object.keys(seen).length <= Math.max(20, count), `these are not replayed: ${JSON.stringify(seen)}`);
});

test.run();
