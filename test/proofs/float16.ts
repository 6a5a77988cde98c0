/**
 * Outputs and gradients in float16 against the CPU path in float64, from the same values, which float16 represents exactly. Only
 * inputs and outputs are float16; everything between is float32. So a result is off by its rounding, and a gradient also by the
 * rounding of saved outputs.
 */
import { test } from 'uvu';
import { type Device, type DType, grad, manualSeed, type Tensor, tensor } from 'wgrad';
import { inputValues, makeInputs, type OpEntry, type Sample } from '../ops/database';
import { roundToHalf } from '../random/draw';
import { cotangents, differentiableInputs } from './compare';
import { float16Present } from './half';

/** The operations of the database that have no column in float16. */
export const WITHOUT_FLOAT16: Readonly<Record<string, string>> = {
	ctcLoss: 'refuses float16: its sums over alignments need the range of float32',
	quantizeWeight: 'its scales are float32 for every weight; test/nn/quantize.test.ts has float16 weights',
};

const SEED = 20;
/** Small samples show everything that float16 adds; parity tests the walks of large ones. */
const ELEMENTS = 3000;

/** The error bound in units of float16's rounding, 2^-11: of the element itself, and of the largest element of its tensor. */
interface HalfBound {
	readonly own: number;
	readonly largest: number;
	/** Why the bound is right. */
	readonly reason: string;
}

interface HalfBounds {
	readonly output: HalfBound;
	readonly gradient: HalfBound;
}

const ROUNDED: HalfBound = { own: 1.1, largest: 0.004, reason: 'one rounding of a float32 result with its own small errors' };

const DEFAULT_BOUNDS: HalfBounds = {
	output: ROUNDED,
	gradient: { own: 2.2, largest: 0.5, reason: 'rounded, and computed from a rounded output' },
};

function isSmall({ inputs }: Sample): boolean {
	return inputs.every(({ shape }) => shape.reduce((a, b) => a * b, 1) <= ELEMENTS);
}

function isFloating(dtype: DType | undefined): boolean {
	return dtype === undefined || dtype === 'float32' || dtype === 'float16' || dtype === 'float64';
}

/** The sample with values that float16 represents exactly. */
function halved(entry: OpEntry, sample: Sample): Sample {
	const inputs = sample.inputs.map((spec, i) =>
		isFloating(spec.dtype) ? { ...spec, values: roundToHalf(inputValues(entry, sample, i)) } : spec,
	);
	return { ...sample, inputs };
}

interface Result {
	readonly what: string;
	readonly dtype: DType;
	readonly data: ArrayLike<number>;
}

async function run(entry: OpEntry, sample: Sample, device: Device, precision: DType): Promise<Result[]> {
	const inputs = makeInputs(entry, sample, device, precision);
	const results: Result[] = [];
	for (const createGraph of [false, true]) {
		manualSeed(SEED);
		const called = entry.call(inputs, sample.options ?? {});
		const outputs = (Array.isArray(called) ? called : [called]) as readonly Tensor[];
		const targets = differentiableInputs(inputs);
		if (!createGraph) {
			for (const [i, output] of outputs.entries())
				results.push({ what: `output ${i}`, dtype: output.dtype, data: await output.data() });
		}
		const found = outputs.filter((output) => output.requiresGrad);
		if (entry.gradient !== 'yes' || sample.gradient === false || targets.length === 0 || found.length === 0) break;
		const gradOutputs = cotangents(found).map((given) => tensorOf(roundToHalf, given));
		const gradients = grad(found, targets, { gradOutputs: await Promise.all(gradOutputs), createGraph, allowUnused: true });
		for (const [i, gradient] of gradients.entries()) {
			if (gradient === null) continue;
			const what = `${createGraph ? 'composed' : 'fused'} gradient ${i}`;
			results.push({ what, dtype: gradient.dtype, data: await gradient.data() });
		}
	}
	return results;
}

async function tensorOf(round: (values: readonly number[]) => number[], given: Tensor): Promise<Tensor> {
	const { shape, dtype, device } = given;
	return tensor(round(Array.from(await given.data())), { shape, dtype, device });
}

/** The largest deviation in units of the bound, and its position. */
function worstOf(actual: ArrayLike<number>, expected: ArrayLike<number>, bound: HalfBound): { ratio: number; at: number } {
	const rounded = roundToHalf(Array.from(expected));
	let largest = 0;
	for (let i = 0; i < expected.length; i++)
		if (Number.isFinite(expected[i]!)) largest = Math.max(largest, Math.abs(expected[i]!));
	let worst = { ratio: 0, at: 0 };
	rounded.forEach((wanted, at) => {
		const [a, e] = [actual[at]!, expected[at]!];
		if (Object.is(a, wanted) || a === wanted) return;
		const allowed = 2 ** -11 * (bound.own * Math.abs(e) + bound.largest * largest) + 2 ** -24;
		const finite = Number.isFinite(a) && Number.isFinite(e);
		// Near float16's largest number, rounding decides whether a result is infinite.
		const edge = Number.isFinite(e) && Math.abs(e) > 65000 && Math.abs(a) > 65000 && a * e > 0;
		const ratio = edge ? 0 : finite ? Math.abs(a - e) / allowed : Number.POSITIVE_INFINITY;
		if (ratio > worst.ratio) worst = { ratio, at };
	});
	return worst;
}

/** `bounds` by the names of operations. */
export function proveFloat16(entries: readonly OpEntry[], bounds: Readonly<Record<string, Partial<HalfBounds>>> = {}): void {
	let present = false;
	let samples = 0;
	let worst = { ratio: 0, name: '' };
	test('float16: is it available?', () => {
		present = float16Present();
	});
	for (const entry of entries) {
		if (Object.hasOwn(WITHOUT_FLOAT16, entry.name)) continue;
		for (const sample of entry.samples.filter(isSmall)) {
			const name = `${entry.name} (${sample.label})`;
			test(`float16: ${name}`, async () => {
				if (!present) return;
				const given = halved(entry, sample);
				const actual = await run(entry, given, 'webgpu', 'float16');
				const expected = await run(entry, given, 'cpu', 'float64');
				const own = { ...DEFAULT_BOUNDS, ...bounds[entry.name] };
				const problems: string[] = [];
				samples++;
				for (const [i, { what, dtype, data }] of expected.entries()) {
					const got = actual[i]!;
					if (got.dtype !== (dtype === 'float64' ? 'float16' : dtype)) problems.push(`${what} has dtype ${got.dtype}`);
					const bound = what.startsWith('output') ? own.output : own.gradient;
					const { ratio, at } = worstOf(got.data, data, bound);
					if (ratio > worst.ratio) worst = { ratio, name: `${what} of ${name}` };
					if (ratio > 1)
						problems.push(
							`${what}: element ${at} is ${got.data[at]} instead of ${data[at]}, ${ratio.toPrecision(3)} times what is allowed`,
						);
				}
				if (problems.length > 0) throw new Error(`${name}: ${problems.join('; ')}`);
			});
		}
	}
	test.after(() => {
		console.log(`float16: ${samples} samples, at most ${worst.ratio.toFixed(2)} of the bound (${worst.name})`);
	});
}
