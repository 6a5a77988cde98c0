/**
 * Outputs and gradients in float16 against the CPU path in float64, from the same values, which float16 represents exactly. Only
 * inputs and outputs are float16; everything between is float32. So a result is off by its rounding, and a gradient also by the
 * rounding of saved outputs.
 */
import type { DType } from 'wgrad';
import { inputValues, type OpEntry, type Sample } from '../ops/database';
import { roundToHalf } from '../random/draw';
import { type HalfBound, halfBounds } from './halfBounds';
import { type Outcome, type Result, runSample } from './outcomes';

/** The operations of the database that have no column in float16. */
export const WITHOUT_FLOAT16: Readonly<Record<string, string>> = {
	ctcLoss: 'refuses float16: its sums over alignments need the range of float32',
	quantizeWeight: 'its scales are float32 for every weight; test/nn/quantize.test.ts has float16 weights',
};

/** Small samples show everything that float16 adds; parity tests the walks of large ones. */
const ELEMENTS = 3000;

export function hasHalfSample({ name }: OpEntry, { inputs }: Sample): boolean {
	return !Object.hasOwn(WITHOUT_FLOAT16, name) && inputs.every(({ shape }) => shape.reduce((a, b) => a * b, 1) <= ELEMENTS);
}

function isFloating(dtype: DType | undefined): boolean {
	return dtype === undefined || dtype === 'float32' || dtype === 'float16' || dtype === 'float64';
}

/** The sample with values that float16 represents exactly. */
function halved(entry: OpEntry, sample: Sample): Sample {
	const inputs = sample.inputs.map((spec, i) =>
		isFloating(spec.dtype) ? { ...spec, values: roundToHalf(inputValues(entry, sample, i)) } : spec,
	);
	// The default eps of rmsNorm is that of the dtype, as in PyTorch.
	const options = entry.name === 'rmsNorm' ? { eps: 2 ** -10, ...sample.options } : sample.options;
	return { ...sample, inputs, ...(options && { options }) };
}

export function runHalf(entry: OpEntry, sample: Sample): Promise<Outcome> {
	return runSample(entry, halved(entry, sample), 'webgpu', 'float16', roundToHalf);
}

/** The same in float64 on the CPU. */
export function referenceOfHalf(entry: OpEntry, sample: Sample): Promise<Outcome> {
	return runSample(entry, halved(entry, sample), 'cpu', 'float64', roundToHalf);
}

const resultsOf = ({ outputs, gradients }: Outcome): (Result | null)[] => [...outputs, ...gradients.flat()];

/**
 * The largest deviation of an outcome in units of its bound, and its name. Throws an error with all deviations above the bound, if
 * there are any.
 */
export function requireSameHalf(entry: OpEntry, sample: Sample, actual: Outcome, expected: Outcome) {
	const name = `${entry.name} (${sample.label})`;
	const bounds = halfBounds(entry.name);
	let worst = { ratio: 0, name: '' };
	const problems: string[] = [];
	const found = resultsOf(actual);
	for (const [i, wanted] of resultsOf(expected).entries()) {
		const got = found[i] ?? null;
		if (wanted === null || got === null) {
			if (wanted !== got) problems.push(`${(wanted ?? got)!.what} is there on one device only`);
			continue;
		}
		const { what, dtype, data } = wanted;
		if (got.dtype !== (dtype === 'float64' ? 'float16' : dtype)) problems.push(`${what} has dtype ${got.dtype}`);
		const { ratio, at } = worstOf(got.data, data, what.startsWith('output') ? bounds.output : bounds.gradient);
		if (ratio > worst.ratio) worst = { ratio, name: `${what} of ${name}` };
		if (ratio > 1)
			problems.push(
				`${what}: element ${at} is ${got.data[at]} instead of ${data[at]}, ${ratio.toPrecision(3)} times what is allowed`,
			);
	}
	if (problems.length > 0) throw new Error(`${name}: ${problems.join('; ')}`);
	return worst;
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
