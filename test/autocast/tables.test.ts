/**
 * Every operation of the database inside `autocast`: the dtypes that its table promises, and the bits of the same call on inputs
 * cast by hand.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { autocast, type DType, grad, manualSeed, type Tensor } from 'wgrad';
import { AUTOCAST_TABLES } from '../../src/autograd/autocast';
import * as operations from '../../src/operations';
import { entries } from '../ops';
import { makeInputs, type OpEntry, type Sample } from '../ops/database';
import { differentiableInputs } from '../proofs/compare';

type Policy = keyof typeof AUTOCAST_TABLES | 'none';

function policyOf(name: string): Policy {
	for (const [policy, names] of Object.entries(AUTOCAST_TABLES))
		if ((names as readonly string[]).includes(name)) return policy as Policy;
	return 'none';
}

/** The inputs with `dtype` for floats; with `mixed` only the first one has it, and the others stay float32. */
function given(entry: OpEntry, sample: Sample, dtype: DType, mixed: boolean): Tensor[] {
	const made = makeInputs(entry, sample, 'cpu', 'float32');
	return (entry.steps?.prepare(made, sample.options ?? {}) ?? made).map((x, i) => {
		if (x.dtype !== 'float32') return x;
		const own = mixed && i > 0 ? 'float32' : dtype;
		return x.detach().to(own).requiresGrad_(x.requiresGrad);
	});
}

interface Outcome {
	readonly dtypes: readonly DType[];
	/** As text, so that NaN equals NaN. */
	readonly values: readonly string[];
}

async function outcome(
	entry: OpEntry,
	sample: Sample,
	inputs: readonly Tensor[],
	run: (fn: () => unknown) => unknown,
): Promise<Outcome> {
	manualSeed(20);
	const called = run(() => entry.call(inputs, sample.options ?? {})) as Tensor | readonly Tensor[];
	const outputs = (Array.isArray(called) ? called : [called]) as readonly Tensor[];
	const found = outputs.filter((output) => output.requiresGrad);
	const leaves = sample.gradient === false ? [] : differentiableInputs(inputs);
	const gradients =
		found.length === 0 || leaves.length === 0
			? []
			: grad(found, leaves, { gradOutputs: found.map((output) => output.detach()), allowUnused: true });
	for (const [i, gradient] of gradients.entries()) if (gradient !== null) assert.equal(gradient.dtype, leaves[i]!.dtype);
	const all = [...outputs, ...gradients.filter((gradient) => gradient !== null)];
	return {
		dtypes: outputs.map(({ dtype }) => dtype),
		values: (await Promise.all(all.map((x) => x.data()))).map((data) => Array.from<number>(data).join(' ')),
	};
}

/** Layers that compute products with their inputs in float16 and the rest in float32. Casts by hand cannot reproduce that. */
const LAYERS = /^nn\./;

const isFloat = (dtype: DType) => dtype === 'float32' || dtype === 'float16';

for (const { steps, ...whole } of entries) {
	const entry: OpEntry = { ...whole, ...(steps && { steps, call: steps.call }) };
	if (LAYERS.test(entry.name)) continue;
	const policy = policyOf(entry.name);
	test(`${entry.name}: ${policy}`, async () => {
		for (const sample of entry.samples) {
			if (sample.inputs.some(({ shape }) => shape.reduce((a, b) => a * b, 1) > 600)) continue;
			const inputs = given(entry, sample, 'float32', false);
			if (!inputs.some(({ dtype }) => dtype === 'float32')) continue;
			if (policy === 'refused') {
				assert.throws(() => autocast(() => entry.call(inputs, sample.options ?? {})), /not safe within autocast/);
				continue;
			}
			const target = policy === 'float16' ? 'float16' : 'float32';
			for (const dtype of ['float32', 'float16'] as const) {
				const mixed = policy === 'widest';
				const own = given(entry, sample, dtype, mixed);
				const inside = await outcome(entry, sample, own, autocast);
				const label = `${entry.name} (${sample.label}) of ${dtype}`;
				if (policy !== 'none') {
					for (const found of inside.dtypes.filter(isFloat)) assert.is(found, target, label);
				}
				// The same with casts by hand, if the table asks for one.
				const leaves = given(entry, sample, dtype, mixed);
				const isCast = (i: number) => entry.name !== 'quantizedLinear' || i === 0 || leaves[i]!.requiresGrad;
				const cast = leaves.map((x, i) => (policy !== 'none' && isFloat(x.dtype) && isCast(i) ? x.to(target) : x));
				const outside = await byHand(entry, sample, leaves, cast);
				assert.equal(inside, outside, label);
			}
		}
	});
}

async function byHand(entry: OpEntry, sample: Sample, leaves: readonly Tensor[], cast: readonly Tensor[]): Promise<Outcome> {
	const places = { call: () => entry.call(cast, sample.options ?? {}) };
	return outcome({ ...entry, call: places.call }, sample, leaves, (fn) => fn());
}

test('every name of the tables is a public operation', () => {
	for (const [policy, names] of Object.entries(AUTOCAST_TABLES))
		for (const name of names) assert.type((operations as Record<string, unknown>)[name], 'function', `${policy}: ${name}`);
	const all = Object.values(AUTOCAST_TABLES).flat();
	assert.is(new Set<string>(all).size, all.length);
});

test.run();
