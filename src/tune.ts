/**
 * Measures which variants of kernels are the fastest on this adapter, and uses them from then on.
 *
 * Launchers choose variants by rules that were measured on software adapters and reasoned for GPUs. `tune` measures instead: for each
 * kernel and size class that a program launches, it runs every form that the launchers know on the same inputs: as other kinds of adapters
 * choose, and with each single decision (tile, lanes, splits, sharing) made otherwise. It drops forms with other results than the usual one,
 * and keeps the fastest.
 */

import type { Storage, View } from './backends/contract';
import { layoutKernels } from './backends/kernels';
import type { WebGPUBackend } from './backends/webgpu/backend';
import { decisionsAbout } from './backends/webgpu/decisions';
import { type Form, formsOf, formWith } from './backends/webgpu/forms';
import { type AnyKernel, classOf, type KernelCall, movedTo } from './backends/webgpu/tuning';
import { requireBoolean, requireFunction, requireInteger, requirePositive } from './core/checks';
import { FormatError } from './core/errors';
import { checkOptions } from './core/options';
import { isListOf, isObject } from './core/state';
import { VERSION } from './core/version';
import { setKeptTuning, webgpuBackend } from './init';
import { thePlatform } from './io/platform';
import { tidy } from './tidy';

/** A choice that differs from the launchers' own. */
export interface TunedKernel {
	/** The kernel, dtypes, sizes rounded up to powers of two, layouts and attributes. */
	readonly kernelClass: string;
	/** The form whose variants run for this class. */
	readonly form: string;
}

/** The choices for one adapter and one version of wgrad, as plain data. */
export interface TuningTable {
	readonly wgrad: string;
	readonly adapter: string;
	readonly kernels: readonly TunedKernel[];
}

/** What `tune` found for one class of calls. */
export interface TunedClass {
	readonly kernelClass: string;
	/** Milliseconds of a call by form: the median of the rounds. */
	readonly ms: Readonly<Record<string, number>>;
	readonly chosen: string;
	/**
	 * Forms with other results than the usual one, and the largest deviation in units of what is allowed; infinite if it does not run at all.
	 * They are never used.
	 */
	readonly wrong: Readonly<Record<string, number>>;
}

export interface TuneReport {
	readonly table: TuningTable;
	readonly classes: readonly TunedClass[];
	/** Classes that were not measured, because copies of their inputs did not fit into `memory`. */
	readonly skipped: readonly string[];
	readonly seconds: number;
	/** A table of the classes. */
	toString(): string;
}

export interface TuneOptions {
	/** Timed rounds of each form; the forms alternate. Default 7. */
	readonly rounds?: number;
	/** Bytes of GPU memory for copies of the kernels' inputs. Default 1 GiB. */
	readonly memory?: number;
	/** Keeps the table for later programs, which use it with `init({ tune: true })`. Default true. */
	readonly save?: boolean;
}

interface Recorded extends KernelCall {
	readonly kernelClass: string;
	/** Copies of the storages that the inputs view. */
	readonly copies: ReadonlyMap<Storage, Storage>;
}

/** Another form must be faster by this factor to be chosen. */
const GAIN = 1.03;
/** A run of several calls takes at least this long, so that the clock can measure it. */
const LEAST_MS = 2;
const MOST_CALLS = 64;
/** A candidate whose first run takes so many times as long as the fastest one's is not measured further. */
const BEHIND = 2;
/** How far apart the variants of a kernel may be, in units of the largest result: they add in different orders. */
const ALLOWED = { float32: 1e-4, float16: 4e-3 };

/** The choices in use, made for the running device: they go when it is lost. */
let current: TuningTable | null = null;

/**
 * Runs `fn` once, measures every form of the kernels that it launched, and uses the fastest from then on. `fn` is a training step or a
 * forward pass; its effects, such as an optimizer's step, are kept, and tensors that it returns are disposed of. Later programs use the
 * same choices by `init({ tune: true })`: results are then reproducible bit for bit again.
 *
 * Options: `rounds` (default 7), `memory` in bytes for copies of inputs (default 1 GiB), `save` (default true). Throws a DeviceError
 * without a WebGPU device.
 */
export async function tune(fn: () => unknown, options: TuneOptions = {}): Promise<TuneReport> {
	requireFunction('tune', 'fn', fn);
	checkOptions('tune', options, ['rounds', 'memory', 'save']);
	const { rounds = 7, memory = 2 ** 30, save = true } = options;
	requireInteger('tune', 'rounds', rounds, 1);
	requirePositive('tune', 'memory', memory);
	requireBoolean('tune', 'save', save);
	const backend = webgpuBackend();
	const started = performance.now();
	const { recorded, skipped } = await record(backend, fn, memory);
	const classes: TunedClass[] = [];
	try {
		for (const call of recorded) classes.push(await measure(backend, call, rounds));
	} finally {
		for (const { copies } of recorded) for (const copy of copies.values()) backend.release(copy);
	}
	const known = new Map(current?.kernels.map((entry) => [entry.kernelClass, entry]));
	const [own] = formsOf(backend.gpu);
	for (const { kernelClass, chosen } of classes) {
		if (chosen === own!.name) known.delete(kernelClass);
		else known.set(kernelClass, { kernelClass, form: chosen });
	}
	const table: TuningTable = { wgrad: VERSION, adapter: adapterOf(backend), kernels: [...known.values()] };
	use(backend, table);
	if (save) await write(table);
	const report = { table, classes, skipped, seconds: (performance.now() - started) / 1000 };
	return { ...report, toString: () => format(report) };
}

/** The choices in use, as plain data for a file; null without any. */
export function tuning(): TuningTable | null {
	return current;
}

/**
 * Uses a table that `tune` made on an adapter of the same name with the same version of wgrad; null goes back to the launchers' own
 * choice. Throws a FormatError for a table of another adapter or version.
 */
export function useTuning(table: TuningTable | null): void {
	const backend = webgpuBackend();
	if (table === null) {
		current = null;
		backend.follow(null);
		return;
	}
	if (!isTable(table)) throw new FormatError('useTuning: this is no table of tune(); pass its report.table');
	const adapter = adapterOf(backend);
	if (table.wgrad !== VERSION || table.adapter !== adapter) {
		throw new FormatError(
			`useTuning: the table is for wgrad ${table.wgrad} on '${table.adapter}', and this is wgrad ${VERSION} on '${adapter}'; call tune() again`,
		);
	}
	use(backend, table);
}

/** Uses the table that `tune` has kept for this adapter and version, if there is one. */
async function useKeptTuning(): Promise<void> {
	const backend = webgpuBackend();
	const { store } = thePlatform().cache();
	const bytes = await store.read(nameOf(adapterOf(backend))).catch(() => null);
	if (bytes === null) return;
	try {
		const table: unknown = JSON.parse(new TextDecoder().decode(bytes));
		if (isTable(table) && table.wgrad === VERSION && table.adapter === adapterOf(backend)) use(backend, table);
	} catch (error) {
		// A damaged file counts as none: the launchers' own choice is always right.
		if (!(error instanceof SyntaxError)) throw error;
	}
}

setKeptTuning(useKeptTuning);

function use(backend: WebGPUBackend, table: TuningTable): void {
	current = table;
	backend.follow(new Map(table.kernels.map(({ kernelClass, form }) => [kernelClass, form])));
	void backend.lost.then(() => {
		if (current === table) current = null;
	});
}

/** The adapter and its driver, as far as it tells them. */
function adapterOf({ info }: WebGPUBackend): string {
	return [info.vendor, info.architecture, info.device, info.description].filter((text) => text !== '').join(', ');
}

function nameOf(adapter: string): string {
	const { folder } = thePlatform().cache();
	return `${folder}/tuning/${VERSION}/${encodeURIComponent(adapter).slice(0, 150)}.json`;
}

async function write(table: TuningTable): Promise<void> {
	const { store } = thePlatform().cache();
	await store.write(nameOf(table.adapter), new TextEncoder().encode(`${JSON.stringify(table, null, '\t')}\n`));
}

function isTable(value: unknown): value is TuningTable {
	if (!isObject(value) || typeof value.wgrad !== 'string' || typeof value.adapter !== 'string') return false;
	return isListOf((entry) => isObject(entry) && typeof entry.kernelClass === 'string' && typeof entry.form === 'string')(
		value.kernels,
	);
}

/** Runs `fn` and keeps the first call of each class, with copies of its inputs. */
async function record(backend: WebGPUBackend, fn: () => unknown, memory: number) {
	const calls = new Map<string, Recorded>();
	const skipped = new Set<string>();
	let left = memory;
	backend.watch((call) => {
		const kernelClass = classOf(call);
		if (calls.has(kernelClass) || skipped.has(kernelClass)) return;
		const storages = new Set(viewsIn(call.inputs).map(({ storage }) => storage));
		const bytes = [...storages].reduce((sum, { length }) => sum + 4 * length, 0);
		if (bytes > left) {
			skipped.add(kernelClass);
			return;
		}
		left -= bytes;
		const copies = new Map([...storages].map((storage) => [storage, copyOf(backend, storage)]));
		const inputs = movedTo(call.inputs, ({ storage }) => copies.get(storage)!);
		// Of the outputs' storages, which may be released by then, only length and dtype matter.
		const outputs = movedTo(call.outputs, ({ storage }) => storage);
		calls.set(kernelClass, { ...call, inputs, outputs, kernelClass, copies });
	});
	try {
		const result = tidy(() => {
			const returned = fn();
			return returned instanceof Promise ? returned : undefined;
		});
		await result;
		await backend.sync();
	} finally {
		backend.watch(undefined);
	}
	return { recorded: [...calls.values()], skipped: [...skipped] };
}

function viewsIn(views: KernelCall['inputs']): View[] {
	return Object.values(views).flatMap((value) => (value ?? []) as View | View[]);
}

const flat = (storage: Storage): View => ({ storage, dtype: storage.dtype, shape: [storage.length], strides: [1], offset: 0 });

function copyOf(backend: WebGPUBackend, storage: Storage): Storage {
	const copy = backend.allocate(storage.length, storage.dtype);
	if (storage.length > 0) layoutKernels(backend).copy({ x: flat(storage) }, { y: flat(copy) }, {});
	return copy;
}

interface Candidate {
	readonly form: Form;
	readonly run: () => void;
	readonly times: number[];
}

/** A call's candidates. All write into the outputs of the usual form, once their own results have been checked. */
class Contest {
	readonly wrong: Record<string, number> = {};
	readonly candidates: Candidate[] = [];
	readonly #launched = new Set<string>();
	readonly #outputs: Outputs;
	#expected: readonly ArrayLike<number>[] = [];

	private constructor(
		private readonly backend: WebGPUBackend,
		private readonly call: Recorded,
	) {
		this.#outputs = outputsOf(backend, call);
	}

	/** Begins with the usual form. */
	static async begin(backend: WebGPUBackend, call: Recorded, usual: Form): Promise<Contest> {
		const contest = new Contest(backend, call);
		const candidate = contest.#candidate(usual, contest.#outputs);
		contest.candidates.push(candidate);
		contest.#launched.add(launchesOf(backend, candidate.run));
		contest.#expected = await read(backend, contest.#outputs.storages);
		return contest;
	}

	get usual(): Candidate {
		return this.candidates[0]!;
	}

	/** Adds a form, unless it launches the same as another one or has wrong results. */
	async enter(form: Form): Promise<void> {
		const own = outputsOf(this.backend, this.call);
		try {
			const launched = launchesOf(this.backend, this.#candidate(form, own).run);
			if (this.#launched.has(launched)) return;
			this.#launched.add(launched);
			const apart = deviation(await read(this.backend, own.storages), this.#expected, own.storages);
			if (apart <= 1) this.candidates.push(this.#candidate(form, this.#outputs));
			else this.wrong[form.name] = apart;
		} catch (error) {
			// A variant that does not compile here is as useless as a wrong one.
			if (this.backend.loss !== undefined) throw error;
			this.wrong[form.name] = Number.POSITIVE_INFINITY;
		} finally {
			for (const storage of own.storages) this.backend.release(storage);
		}
	}

	#candidate(form: Form, { views }: Outputs): Candidate {
		const { name, inputs, attributes } = this.call;
		const kernels = this.backend.kernelsOf(form);
		const kernel = kernels[name] as unknown as AnyKernel;
		return { form, run: () => kernel.call(kernels, inputs, views, attributes), times: [] };
	}

	dispose(): void {
		for (const storage of this.#outputs.storages) this.backend.release(storage);
	}
}

interface Outputs {
	readonly views: KernelCall['outputs'];
	readonly storages: readonly Storage[];
}

function outputsOf(backend: WebGPUBackend, call: Recorded): Outputs {
	const fresh = new Map<Storage, Storage>();
	const views = movedTo(call.outputs, ({ storage }) => {
		const known = fresh.get(storage) ?? backend.allocate(storage.length, storage.dtype);
		fresh.set(storage, known);
		return known;
	});
	return { views, storages: [...fresh.values()] };
}

async function measure(backend: WebGPUBackend, call: Recorded, rounds: number): Promise<TunedClass> {
	const [own, ...others] = formsOf(backend.gpu);
	const singles = decisionsAbout(call.name);
	const contest = await Contest.begin(backend, call, own!);
	try {
		for (const form of others) await contest.enter(form);
		for (const decisions of singles) await contest.enter(formWith(decisions));
		const { usual } = contest;
		await time(backend, contest.candidates, rounds);
		// The best option of each decision that gains alone, together.
		const best: Partial<Record<string, Candidate>> = {};
		for (const candidate of contest.candidates) {
			const [decision] = Object.keys(candidate.form.claims.decisions ?? {});
			if (decision === undefined || !gains(candidate, usual)) continue;
			if (best[decision] === undefined || median(candidate.times) < median(best[decision].times)) best[decision] = candidate;
		}
		if (Object.keys(best).length > 1) {
			const together = Object.assign({}, ...Object.values(best).map((candidate) => candidate!.form.claims.decisions));
			await contest.enter(formWith(together));
			const added = contest.candidates.filter(({ times }) => times.length === 0);
			if (added.length > 0) await time(backend, [usual, ...added], rounds);
		}
		const ms = Object.fromEntries(contest.candidates.map(({ form, times }) => [form.name, median(times)]));
		const [fastest] = [...contest.candidates].sort((a, b) => median(a.times) - median(b.times));
		const chosen = gains(fastest!, usual) ? fastest! : usual;
		return { kernelClass: call.kernelClass, ms, chosen: chosen.form.name, wrong: contest.wrong };
	} finally {
		contest.dispose();
	}
}

function gains(candidate: Candidate, usual: Candidate): boolean {
	return median(usual.times) > GAIN * median(candidate.times);
}

/** Runs a candidate once. The variants and grids that it launched, as text. */
function launchesOf(backend: WebGPUBackend, run: () => void): string {
	const launches: string[] = [];
	backend.onLaunch(({ pipeline, grid }) => launches.push(`${pipeline} ${grid}`));
	try {
		run();
	} finally {
		backend.onLaunch(undefined);
	}
	return launches.join('\n');
}

function read(backend: WebGPUBackend, outputs: readonly Storage[]): Promise<ArrayLike<number>[]> {
	return Promise.all(outputs.map(async (output) => (await backend.read(output)) as ArrayLike<number>));
}

/** The largest difference, in units of what is allowed. Two NaN are equal. */
function deviation(
	actual: readonly ArrayLike<number>[],
	expected: readonly ArrayLike<number>[],
	outputs: readonly Storage[],
): number {
	let worst = 0;
	for (const [i, values] of expected.entries()) {
		const allowed = outputs[i]!.dtype === 'float16' ? ALLOWED.float16 : ALLOWED.float32;
		let largest = 0;
		for (let j = 0; j < values.length; j++) if (Number.isFinite(values[j]!)) largest = Math.max(largest, Math.abs(values[j]!));
		for (let j = 0; j < values.length; j++) {
			const [a, e] = [actual[i]![j]!, values[j]!];
			if (Object.is(a, e) || a === e) continue;
			const apart = Math.abs(a - e) / (allowed * largest);
			worst = Math.max(worst, Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart);
		}
	}
	return worst;
}

/** Times candidates in turn. Those that a first run shows to be far behind take part in no further one. */
async function time(backend: WebGPUBackend, candidates: readonly Candidate[], rounds: number): Promise<void> {
	if (candidates.length < 2) return;
	const once = async (run: () => void, calls: number) => {
		const start = performance.now();
		for (let i = 0; i < calls; i++) run();
		await backend.sync();
		return (performance.now() - start) / calls;
	};
	// All variants are compiled by now. The first runs tell how many calls a run needs for the clock.
	const firsts: number[] = [];
	for (const { run } of candidates) firsts.push(Math.min(await once(run, 1), await once(run, 1)));
	const least = Math.min(...firsts);
	const calls = Math.max(1, Math.min(MOST_CALLS, Math.ceil(LEAST_MS / Math.max(least, 1e-3))));
	const close = candidates.filter((_, i) => i === 0 || firsts[i]! <= BEHIND * least);
	candidates.forEach((candidate, i) => {
		if (!close.includes(candidate)) candidate.times.push(firsts[i]!);
	});
	for (let round = 0; round < rounds; round++) for (const { run, times } of close) times.push(await once(run, calls));
}

function median(times: readonly number[]): number {
	return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

function format({ classes, skipped, seconds, table }: Omit<TuneReport, 'toString'>): string {
	const lines = [`tuned ${classes.length} classes of kernel calls on ${table.adapter} in ${seconds.toFixed(1)} s`];
	for (const { kernelClass, ms, chosen, wrong } of classes) {
		const times = Object.entries(ms).map(([form, time]) => `${form === chosen ? '* ' : ''}${time.toFixed(3)} ms ${form}`);
		if (times.length > 1) lines.push(kernelClass, `    ${times.join(', ')}`);
		for (const [form, apart] of Object.entries(wrong))
			lines.push(`    WRONG ${form}: ${apart.toPrecision(3)} times what is allowed`);
	}
	if (skipped.length > 0) lines.push(`not measured, for lack of memory: ${skipped.length}`);
	return lines.join('\n');
}
