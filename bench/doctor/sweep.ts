/**
 * Runs the samples of the operation database with every variant of the kernels on this adapter, and compares results and gradients
 * with the CPU reference.
 *
 * The first samples of all operations come first, in all forms, then the second ones, and so on. So a sweep that runs out of time
 * has seen every operation. Other forms run only the operations whose launchers ask for the kind of adapter.
 */
import { type Form, formsOf } from '../../src/backends/webgpu/forms';
import type { Gpu } from '../../src/backends/webgpu/launch';
import { webgpuBackend } from '../../src/init';
import { entries as everyEntry } from '../../test/ops';
import type { OpEntry, Sample } from '../../test/ops/database';
import { hasHalfSample, referenceOfHalf, requireSameHalf, runHalf } from '../../test/proofs/halfOutcomes';
import { type Outcome, requireSameOutcome, runSample } from '../../test/proofs/outcomes';
import { runtimeOf } from './runtime';

/** A sample with a wrong result, or one that throws. */
export interface Failure {
	readonly operation: string;
	readonly sample: string;
	readonly precision: Precision;
	readonly form: string;
	readonly message: string;
	/** The variants of kernels that ran in this sample, but in no sample that passed; all of its variants if there is none. */
	readonly suspects: readonly string[];
}

type Precision = 'float32' | 'float16';

export interface SweepReport {
	readonly passed: number;
	readonly failures: readonly Failure[];
	/** Samples for which no time was left. */
	readonly left: number;
	readonly seconds: number;
	readonly forms: readonly string[];
	/** Variants of kernels that ran, with the numbers of samples that used them. */
	readonly variants: readonly { readonly variant: string; readonly passed: number; readonly failed: number }[];
}

export interface SweepOptions {
	/** Starts no further samples after this many seconds. Default 110. */
	readonly seconds?: number;
	/** Default: all entries of the operation database. */
	readonly entries?: readonly OpEntry[];
	readonly onProgress?: (done: number, planned: number, failed: number) => void;
	/** Replaces the runtime that launchers see, for tests of the doctor itself. */
	readonly runtime?: (gpu: Gpu) => Gpu;
	readonly signal?: AbortSignal;
}

interface Check {
	readonly entry: OpEntry;
	readonly sample: Sample;
	readonly precision: Precision;
	readonly form: Form;
}

interface Ran extends Check {
	readonly variants: ReadonlySet<string>;
	readonly error: string | null;
}

/** Samples that run at once, so that their kernels compile in parallel. */
const AT_ONCE = 16;

/** Checks every variant on the running WebGPU device. Call `init()` first. */
export async function sweep(options: SweepOptions = {}): Promise<SweepReport> {
	const { seconds = 110, entries = everyEntry, onProgress, runtime = (gpu) => gpu, signal } = options;
	const backend = webgpuBackend();
	const gpu = runtime(backend.gpu);
	const forms = formsOf(gpu);
	const precisions: Precision[] = backend.features.has('shader-f16') ? ['float32', 'float16'] : ['float32'];
	const started = performance.now();
	const isOver = () => signal?.aborted === true || performance.now() - started > 1000 * seconds;

	const ran: Ran[] = [];
	/** The operations with launchers that ask for the kind of adapter, by precision. */
	const choosing = new Set<string>();
	/** The reference results of the samples that run now in all forms, by operation. */
	const references = new Map<OpEntry, ReturnType<typeof reference>>();
	const key = ({ entry, precision }: Check) => `${precision} ${entry.name}`;
	let planned = 0;
	let failed = 0;
	let left = 0;

	async function runTogether(checks: readonly Check[], form: Form): Promise<void> {
		let asking: string | undefined;
		backend.chooseFor(runtimeOf(gpu, form, () => asking !== undefined && choosing.add(asking)));
		const pending = checks.map((check) => {
			const variants = new Set<string>();
			asking = key(check);
			backend.onLaunch(({ pipeline }) => variants.add(pipeline));
			// It launches everything before it waits for the first result.
			const outcome = check.precision === 'float16' ? runHalf(check.entry, check.sample) : onDevice(check);
			outcome.catch(() => {});
			return { check, variants, outcome };
		});
		asking = undefined;
		backend.onLaunch(undefined);
		for (const { check, variants, outcome } of pending) {
			const expected = references.get(check.entry) ?? reference(check);
			references.set(check.entry, expected);
			const error = await compare(check, outcome, expected).then(
				() => null,
				(error: unknown) => (error instanceof Error ? error.message : String(error)),
			);
			ran.push({ ...check, variants, error });
			if (error !== null) failed++;
			onProgress?.(ran.length, planned, failed);
		}
	}

	try {
		const most = Math.max(...entries.map(({ samples }) => samples.length));
		const plan = Array.from({ length: most }, (_, at) => precisions.map((precision) => ({ precision, at }))).flat();
		const checksOf = (precision: Precision, at: number, form: Form): Check[] =>
			entries.flatMap((entry) => {
				const sample = entry.samples[at];
				if (sample === undefined || (precision === 'float16' && !hasHalfSample(entry, sample))) return [];
				return [{ entry, sample, precision, form }];
			});
		planned = plan.reduce((sum, { precision, at }) => sum + checksOf(precision, at, forms[0]!).length, 0);
		for (const { precision, at } of plan) {
			references.clear();
			for (const [index, form] of forms.entries()) {
				let checks = checksOf(precision, at, form);
				if (index > 0) {
					checks = checks.filter((check) => choosing.has(key(check)));
					planned += checks.length;
				}
				for (let i = 0; i < checks.length; i += AT_ONCE) {
					const some = checks.slice(i, i + AT_ONCE);
					if (isOver()) left += some.length;
					else await runTogether(some, form);
				}
			}
		}
	} finally {
		backend.onLaunch(undefined);
		backend.chooseFor(backend.gpu);
	}
	return reportOf(ran, left, (performance.now() - started) / 1000, forms);
}

const onDevice = ({ entry, sample }: Check) => runSample(entry, sample, 'webgpu', 'float32');

function reference({ entry, sample, precision }: Check): Promise<Outcome> {
	return precision === 'float16' ? referenceOfHalf(entry, sample) : runSample(entry, sample, 'cpu', 'float64');
}

async function compare({ entry, sample, precision }: Check, outcome: Promise<Outcome>, expected: Promise<Outcome>) {
	if (precision === 'float16') requireSameHalf(entry, sample, await outcome, await expected);
	else requireSameOutcome(entry, sample, await outcome, await expected);
}

function reportOf(ran: readonly Ran[], left: number, seconds: number, forms: readonly Form[]): SweepReport {
	const counts = new Map<string, { passed: number; failed: number }>();
	for (const { variants, error } of ran) {
		for (const variant of variants) {
			const count = counts.get(variant) ?? { passed: 0, failed: 0 };
			counts.set(variant, count);
			if (error === null) count.passed++;
			else count.failed++;
		}
	}
	const failures = ran.flatMap(({ entry, sample, precision, form, error, variants }) => {
		if (error === null) return [];
		const alone = [...variants].filter((variant) => counts.get(variant)!.passed === 0);
		const suspects = alone.length > 0 ? alone : [...variants];
		return [{ operation: entry.name, sample: sample.label, precision, form: form.name, message: error, suspects }];
	});
	return {
		passed: ran.length - failures.length,
		failures,
		left,
		seconds,
		forms: forms.map(({ name }) => name),
		variants: [...counts].map(([variant, count]) => ({ variant, ...count })).sort((a, b) => (a.variant < b.variant ? -1 : 1)),
	};
}
