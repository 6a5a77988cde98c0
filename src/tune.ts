/**
 * Measures which variants of kernels are the fastest on this adapter, and uses them from then on.
 *
 * Launchers choose variants by rules that were measured on software adapters and reasoned for GPUs. `tune` measures instead: for each
 * kernel and size class that a program launches, it runs every form that the launchers know on the same inputs, drops forms with other
 * results than the usual one, and keeps the fastest.
 */

import type { Storage, View } from './backends/contract';
import { layoutKernels } from './backends/kernels';
import type { WebGPUBackend } from './backends/webgpu/backend';
import { type Form, formsOf } from './backends/webgpu/forms';
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
	/** Forms with other results than the usual one, and the largest deviation in units of the largest result. They are never used. */
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
	readonly outputs: readonly Storage[];
	readonly times: number[];
}

async function measure(backend: WebGPUBackend, call: Recorded, rounds: number): Promise<TunedClass> {
	const [own, ...others] = formsOf(backend.gpu);
	const wrong: Record<string, number> = {};
	const candidates: Candidate[] = [];
	try {
		const usual = candidate(backend, call, own!);
		candidates.push(usual);
		const launched = launchesOf(backend, usual.run);
		const expected = await read(backend, usual.outputs);
		for (const form of others) {
			const other = candidate(backend, call, form);
			candidates.push(other);
			if (launchesOf(backend, other.run) === launched) {
				drop(backend, candidates, other);
				continue;
			}
			const apart = deviation(await read(backend, other.outputs), expected, other.outputs);
			if (apart <= 1) continue;
			wrong[form.name] = apart;
			drop(backend, candidates, other);
		}
		if (candidates.length > 1) await time(backend, candidates, rounds);
		const ms = Object.fromEntries(candidates.map(({ form, times }) => [form.name, median(times)]));
		const [fastest] = [...candidates].sort((a, b) => median(a.times) - median(b.times));
		const isWorthIt = candidates.length > 1 && median(usual.times) > GAIN * median(fastest!.times);
		return { kernelClass: call.kernelClass, ms, chosen: (isWorthIt ? fastest! : usual).form.name, wrong };
	} finally {
		for (const { outputs } of candidates) for (const output of outputs) backend.release(output);
	}
}

function candidate(backend: WebGPUBackend, { name, inputs, outputs: wanted, attributes }: Recorded, form: Form): Candidate {
	const fresh = new Map<Storage, Storage>();
	const outputs = movedTo(wanted, ({ storage }) => {
		const known = fresh.get(storage) ?? backend.allocate(storage.length, storage.dtype);
		fresh.set(storage, known);
		return known;
	});
	const kernel = backend.kernelsOf(form)[name] as unknown as AnyKernel;
	const kernels = backend.kernelsOf(form);
	return { form, run: () => kernel.call(kernels, inputs, outputs, attributes), outputs: [...fresh.values()], times: [] };
}

function drop(backend: WebGPUBackend, candidates: Candidate[], candidate: Candidate): void {
	candidates.splice(candidates.indexOf(candidate), 1);
	for (const output of candidate.outputs) backend.release(output);
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

async function time(backend: WebGPUBackend, candidates: readonly Candidate[], rounds: number): Promise<void> {
	const once = async (run: () => void, calls: number) => {
		const start = performance.now();
		for (let i = 0; i < calls; i++) run();
		await backend.sync();
		return (performance.now() - start) / calls;
	};
	// All variants are compiled by now. The slowest of them decides how many calls a run has.
	let slowest = 0;
	for (const { run } of candidates) slowest = Math.max(slowest, await once(run, 1));
	const calls = Math.max(1, Math.min(MOST_CALLS, Math.ceil(LEAST_MS / Math.max(slowest, 1e-3))));
	for (let round = 0; round < rounds; round++) for (const { run, times } of candidates) times.push(await once(run, calls));
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
