/**
 * Random cases: outputs and gradients of WebGPU in float32 against the CPU path in float64, from the same float32 values.
 *
 * The allowed error follows from the condition of each element, which is measured. A float32 kernel can do no better than a
 * result that is exact for inputs a few units of rounding away. So the float64 path runs again on inputs (and incoming gradients)
 * that are off by a relative 2^-16, in random directions. The distance that an element moves, scaled from 2^-16 to float32's
 * 2^-24, is the effect of one unit of rounding of the inputs. For a sum it is the sum of magnitudes, however much cancels; for a
 * unary function it is the steepness; for softmax or a norm it is the right mix of both. If intermediate results cancel, as
 * in the gradient of a norm over few elements, the condition does not show it. So the CPU path also runs in float32, with the
 * composed forms, which round between any two steps, and its error counts as a unit if it is larger. A case
 * may be off by ULPS units: WGSL allows its functions errors of several units, and a sum has several roundings.
 *
 * If the adapter has float16, some cases also run in it, against the same CPU paths from values that float16 represents exactly.
 * A unit is then 2^-11, float16's rounding, instead of 2^-24. The error of the float32 path counts 2^13 times, because
 * composed forms round every intermediate result to float16. HALF_ULPS units are allowed, fewer than in float32: kernels compute
 * float16 in float32, so that the errors that WGSL allows vanish in the single rounding of the result. Only the roundings between
 * the few kernels of a gradient remain.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import { type Device, type DType, grad, init, manualSeed, sync, type Tensor, tensor, tidy, WgradError } from 'wgrad';
import { stream } from '../ops/database';
import { hasFloat16 } from '../proofs/half';
import { type Case, Draw, halved, makeInput, moved, type Perturbation, roundToHalf } from './draw';
import { setting } from './setting';

const UNIT = 2 ** -24;
const PERTURBATION = 2 ** -16;
/**
 * The number of directions in which inputs move: none at first, and more for cases that fail. More directions only allow more.
 */
const ROUNDS = [0, 2, 16];
/** Units of rounding that a result may be off. */
const ULPS = 32;
/** Near the smallest float32 numbers, where results may be flushed to zero. */
const TINY = 2 ** -120;

const HALF_UNIT = 2 ** -11;
const HALF_ULPS = 8;
/** float16's smallest normal number; smaller results may be flushed to zero. */
const HALF_TINY = 2 ** -14;
/** Near float16's largest number, 65504: a result of this size, or an intermediate one, may have overflowed. */
const HALF_LARGE = 2 ** 13;
/** The number of cases that share a read: a read costs a round trip, and many at once hardly more. */
const BATCH = 40;

interface Result {
	readonly what: string;
	readonly shape: readonly number[];
	readonly dtype: DType;
	readonly data: ArrayLike<number>;
}

/** The results of a call, or the library's own error if it threw. */
type Outcome = readonly Result[] | WgradError;

export interface RandomOptions {
	/** Units that WGSL's specification allows this family's functions; each use gives the reason. Default 32. */
	readonly ulps?: number;
	/** The allowed absolute error, even for small results; each use gives the reason. Default 0. */
	readonly absolute?: number;
	/** The same for gradients. Default: `absolute`. */
	readonly absoluteGradient?: number;
	/**
	 * Whether a fifth as many cases also run in float16, if the adapter has it. Default: HALF_CASES, and a fifth if WGRAD_CASES is set;
	 * false: none, because the calls take no float16.
	 */
	readonly half?: boolean;
}

/**
 * In a page a case takes three times as long as in Node, on the same driver. So a page runs a part of the cases, except in the
 * full run.
 */
const CASES = setting('WGRAD_CASES') ?? (typeof document === 'undefined' ? 200 : 30);

const HALF_CASES = 5;

function cotangent(output: Tensor, index: number, { seed, half }: Case, perturbed: Perturbation | null): Tensor {
	const { shape, dtype, device, size } = output;
	const next = stream(`cotangent ${index} ${seed}`);
	const layout = Math.floor(next() * 4);
	const expanded = layout === 0;
	const transposed = layout === 1;
	const random = Array.from({ length: expanded ? 1 : size }, () => Math.fround((next() < 0.5 ? -1 : 1) * (0.5 + next())));
	const drawn = half ? roundToHalf(random) : random;
	if (expanded && perturbed === null) return tensor(drawn[0]!, { dtype, device }).expand(shape);
	const values = Array.from({ length: size }, (_, i) => drawn[expanded ? 0 : i]!);
	const data = perturbed === null ? values : values.map((value, i) => value * moved(perturbed, i, value, -1 - index));
	if (!transposed) return tensor(data, { shape, dtype, device });
	return tensor(data, { shape: [...shape].reverse(), dtype, device }).permute(shape.map((_, dim) => shape.length - 1 - dim));
}

/** Runs a case without waiting, and returns the tensors to read. */
function launch(given: Case, device: Device, precision: DType, perturbed: Perturbation | null): [what: string, result: Tensor][] {
	return tidy(() => {
		const inputs = given.inputs.map((input, i) => makeInput(input, device, precision, perturbed, i));
		manualSeed(given.seed);
		const result = given.call(inputs);
		const outputs = (Array.isArray(result) ? result : [result]) as readonly Tensor[];
		const results: [string, Tensor][] = outputs.map((output, i) => [`output ${i}`, output]);
		const targets = inputs.filter((input) => input.requiresGrad);
		const differentiable = outputs.filter((output) => output.requiresGrad);
		if (differentiable.length > 0) {
			const gradOutputs = differentiable.map((output, i) => cotangent(output, i, given, perturbed));
			const gradients = grad(differentiable, targets, { gradOutputs, allowUnused: true, createGraph: given.composed });
			gradients.forEach((gradient, i) => {
				if (gradient !== null) results.push([`gradient ${inputs.indexOf(targets[i]!)}`, gradient]);
			});
		}
		return results;
	});
}

async function read(results: [what: string, result: Tensor][]): Promise<Result[]> {
	return Promise.all(
		results.map(async ([what, result]) => {
			const { shape, dtype } = result;
			const data = await result.data();
			result.dispose();
			return { what, shape, dtype, data };
		}),
	);
}

function attempt(given: Case, device: Device, precision: DType, perturbed: Perturbation | null = null): Promise<Outcome> {
	try {
		return read(launch(given, device, precision, perturbed));
	} catch (error) {
		if (error instanceof WgradError) return Promise.resolve(error);
		throw error;
	}
}

interface Judgement {
	/** The mistake, or null. */
	readonly problem: string | null;
	/** The largest deviation, in units of rounding. */
	readonly units: number;
}

async function judge(given: Case, actual: Outcome, options: RandomOptions): Promise<Judgement> {
	const wrong = (problem: string): Judgement => ({ problem, units: Number.POSITIVE_INFINITY });
	const expected = await attempt(given, 'cpu', 'float64');
	if (expected instanceof WgradError) {
		if (actual instanceof WgradError) {
			return actual.name === expected.name
				? { problem: null, units: 0 }
				: wrong(`${actual.message} ... but on the CPU ${expected}`);
		}
		return wrong(`not refused, as the CPU does: ${expected}`);
	}
	if (actual instanceof WgradError) return wrong(`refused, only here: ${actual.message}`);
	const rounded = await attempt(given, 'cpu', 'float32');
	const names = (results: readonly Result[]) => results.map(({ what, shape }) => `${what} [${shape}]`).join(', ');
	if (rounded instanceof WgradError || names(rounded) !== names(actual) || names(expected) !== names(actual)) {
		return wrong(`gives ${names(actual)}, the CPU ${names(expected)}`);
	}
	const nearby: Nearby[] = [];
	let judgement = wrong('not judged');
	for (const rounds of ROUNDS) {
		while (nearby.length < rounds) {
			const perturbed = { by: given.ties ? ('value' as const) : ('index' as const), round: nearby.length };
			const exact = await attempt(given, 'cpu', 'float64', perturbed);
			const stepwise = await attempt({ ...given, composed: true }, 'cpu', 'float32', perturbed);
			if (exact instanceof WgradError || stepwise instanceof WgradError) return wrong('inputs nearby are refused');
			nearby.push({ exact, stepwise });
		}
		judgement = compare(expected, actual, rounded, nearby, {
			...options,
			...(given.absolute && { absolute: given.absolute }),
			...(given.absoluteGradient && { absoluteGradient: given.absoluteGradient }),
			half: given.half ?? false,
		});
		if (judgement.problem === null) break;
	}
	return judgement;
}

/** Results for inputs nearby: exact, and with the intermediate results of composed forms rounded to float32. */
interface Nearby {
	readonly exact: readonly Result[];
	readonly stepwise: readonly Result[];
}

function compare(
	expected: readonly Result[],
	actual: readonly Result[],
	rounded: readonly Result[],
	nearby: readonly Nearby[],
	{ half = false, ulps = half ? HALF_ULPS : ULPS, absolute = 0, absoluteGradient = absolute }: RandomOptions,
): Judgement {
	const unit = half ? HALF_UNIT : UNIT;
	const tiny = half ? HALF_TINY : TINY;
	let worst = 0;
	for (let r = 0; r < expected.length; r++) {
		const [e, a, f] = [expected[r]!, actual[r]!, rounded[r]!];
		const wrong = (problem: string) => ({ problem: `${a.what} [${a.shape}] ${problem}`, units: Number.POSITIVE_INFINITY });
		const floating = a.dtype === (half ? 'float16' : 'float32');
		// The allowances of a case count roundings of float32.
		const free = ((a.what.startsWith('gradient') ? absoluteGradient : absolute) * unit) / UNIT;
		if (a.dtype !== f.dtype && !(floating && f.dtype === 'float32')) return wrong(`is ${a.dtype}, on the CPU ${f.dtype}`);
		for (let i = 0; i < e.data.length; i++) {
			const [want, got, near] = [e.data[i]!, a.data[i]!, f.data[i]!];
			if (Object.is(got, want) || got === want || got === near || (Number.isNaN(got) && Number.isNaN(near))) continue;
			if (half && floating && !Number.isFinite(got) && Math.abs(want) > HALF_LARGE) continue;
			let worth = Math.abs(want) * unit;
			for (const { exact, stepwise } of nearby) {
				const there = exact[r]!.data[i]!;
				worth = Math.max(
					worth,
					(Math.abs(there - want) * unit) / PERTURBATION,
					(Math.abs(stepwise[r]!.data[i]! - there) * unit) / UNIT,
				);
			}
			const off = Math.max(0, Math.abs(got - want) - free - tiny);
			const units = off === 0 ? 0 : off / worth;
			if (!(floating || a.dtype === 'float32') || !(units <= ulps)) {
				return wrong(
					`element ${i} is ${got} instead of ${want} (float32 on the CPU: ${near}), ${units.toPrecision(3)} units of rounding`,
				);
			}
			worst = Math.max(worst, units);
		}
	}
	return { problem: null, units: worst };
}

function show(given: Case): string {
	const inputs = given.inputs.map(({ placement, ...input }) => {
		const laid = placement === null ? 'contiguous' : JSON.stringify(placement).replaceAll('"', '');
		return `    ${JSON.stringify(input).replaceAll('"', '')} ${laid}`;
	});
	const how = `${given.half ? 'in float16, ' : ''}seed ${given.seed}, gradients ${given.composed ? 'composed' : 'fused'}`;
	return [`  ${given.operation} ${JSON.stringify(given.args)}, ${how}, of`, ...inputs].join('\n');
}

/** Checks one case alone, as fast-check's shrinking does. */
async function verify(given: Case, options: RandomOptions): Promise<void> {
	const { problem } = await judge(given, await attempt(given, 'webgpu', given.half ? 'float16' : 'float32'), options);
	await sync();
	if (problem !== null) throw new Error(problem);
}

/** Shrinks case number `index` and throws the simplest failing case, with the seed. */
async function shrink(
	cases: fc.Arbitrary<Case>,
	seed: number,
	index: number,
	given: Case,
	problem: string,
	options: RandomOptions,
) {
	const property = fc.asyncProperty(cases, (smaller) => verify(smaller, options));
	const found = await fc.check(property, { seed, path: `${index}`, numRuns: index + 1, interruptAfterTimeLimit: 20_000 });
	const again = `run it again with WGRAD_SEED=${seed}, WGRAD_CASES=${index + 1}`;
	if (!found.failed || found.counterexample === null) {
		return new Error(`${problem}\n  but not alone: only after the cases before it; ${again}\n${show(given)}`);
	}
	const reason = found.errorInstance instanceof Error ? found.errorInstance.message : String(found.errorInstance);
	const error = new Error(
		`${reason}\n  case ${index}, shrunk ${found.numShrinks} times; ${again}\n${show(found.counterexample[0])}`,
	);
	// The stack of one of the library's own errors is useful; that of a difference is not.
	if (found.errorInstance instanceof Error && found.errorInstance.name !== 'Error') error.stack = found.errorInstance.stack ?? '';
	return error;
}

/** A test of a family's random cases. The seed is fixed unless WGRAD_SEED is set; WGRAD_CASES is the number of cases. */
export function testRandom(family: string, draw: (d: Draw) => Case, options: RandomOptions = {}): void {
	const seed = setting('WGRAD_SEED') ?? [...family].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 0) % 2 ** 31;
	const cases = fc.gen().map((value) => draw(new Draw(value, fc)));
	test.before(async () => {
		await init({ device: 'webgpu' });
	});
	test(`random cases: ${family}`, () => check(family, cases, seed, CASES, options));
	if (options.half !== false) {
		const count = options.half || setting('WGRAD_CASES') !== undefined ? Math.ceil(CASES / 5) : HALF_CASES;
		test(`random cases in float16: ${family}`, async () => {
			if (hasFloat16()) await check(`${family} in float16`, cases.map(halved), seed, count, {});
			else console.log(`${family} in float16: this adapter has none`);
		});
	}
	test.run();
}

async function check(
	name: string,
	cases: fc.Arbitrary<Case>,
	seed: number,
	count: number,
	options: RandomOptions,
): Promise<void> {
	const drawn = fc.sample(cases, { seed, numRuns: count });
	let refused = 0;
	let worst = 0;
	let hardest = 0;
	for (let start = 0; start < drawn.length; start += BATCH) {
		const batch = drawn.slice(start, start + BATCH);
		const running = batch.map(async (given) => attempt(given, 'webgpu', given.half ? 'float16' : 'float32'));
		const settled = await Promise.allSettled(running);
		for (const [i, outcome] of settled.entries()) {
			const given = batch[i]!;
			const { problem, units } =
				outcome.status === 'rejected'
					? { problem: String(outcome.reason?.stack ?? outcome.reason), units: 0 }
					: await judge(given, outcome.value, options);
			if (problem !== null) throw await shrink(cases, seed, start + i, given, problem, options);
			if (outcome.status === 'fulfilled' && outcome.value instanceof WgradError) refused++;
			if (units > worst) [worst, hardest] = [units, start + i];
		}
	}
	await sync();
	if (refused > drawn.length / 10) throw new Error(`${refused} of ${drawn.length} cases are no valid calls`);
	console.log(
		`${name}: ${drawn.length} cases, ${refused} refused, at most ${worst.toFixed(1)} units of rounding off (case ${hardest}: ${drawn[hardest]!.operation})`,
	);
}
