/**
 * Memory by module over a step that really runs: which module made what is in use at each moment. `Module.summary` estimates the same for a
 * model alone, without running; this sees the loss, the optimizer and what a program keeps, too.
 */
import { requireFunction, wrongArgument } from '../core/checks';
import { formatBytes } from '../core/format';
import { type StorageClaims, watchMemory } from '../core/memoryPressure';
import { currentOperation } from '../core/scope';
import type { Tensor } from '../tensor';
import { Module } from './module';

/** The memory of one module's own operations and parameters, without those of its submodules. All figures are bytes. */
export interface ModuleMemory {
	/** The path, as in `stateDict`; '' for the model itself. '(backward)' and '(outside)' are no modules: gradients; loss, optimizer, data. */
	readonly path: string;
	/** The module's class; '' for the others. */
	readonly kind: string;
	/** Of its parameters and buffers. */
	readonly parameters: number;
	/** Of its parameters' `.grad` after the step. */
	readonly gradients: number;
	/** What the step made in its forward, in all. */
	readonly made: number;
	/** The part of `made` that was in use when the step used most. */
	readonly atPeak: number;
	/** The part of `made` that was still in use after the step, besides gradients. */
	readonly left: number;
}

/** The memory in use after an allocation. */
export interface MemoryMoment {
	readonly operation: string;
	/** The `path` of the row that the allocation belongs to. */
	readonly path: string;
	/** Bytes of all memory that the step had made and not freed. */
	readonly bytes: number;
}

export interface MemoryByModule<T = unknown> {
	/** What the step returned. */
	readonly result: T;
	/** The most bytes that the tensors made by the step held at one moment. */
	readonly peak: number;
	/** The operation whose allocation reached the peak; '' if the step made nothing. */
	readonly peakOperation: string;
	/** The modules in order, then '(backward)' and '(outside)'. */
	readonly rows: readonly ModuleMemory[];
	/** Each allocation in order. */
	readonly moments: readonly MemoryMoment[];
	/** The rows as a text table. */
	toString(): string;
}

const BACKWARD = '(backward)';
const OUTSIDE = '(outside)';

/** An allocation, or with negative bytes its end. */
interface Change {
	readonly path: string;
	readonly operation: string;
	readonly bytes: number;
}

/** Notes what a step allocates and frees. */
class Ledger {
	readonly changes: Change[] = [];
	/** The path of the module that runs; null outside of modules. */
	path: string | null = null;
	readonly #live = new Map<StorageClaims, Change>();

	taken(claims: StorageClaims): void {
		const operation = currentOperation();
		const path = this.path ?? (/(^| )backward$/.test(operation) ? BACKWARD : OUTSIDE);
		const change = { path, operation, bytes: claims.bytes };
		this.#live.set(claims, change);
		this.changes.push(change);
	}

	released(claims: StorageClaims): void {
		const made = this.#live.get(claims);
		if (made === undefined) return;
		this.#live.delete(claims);
		this.changes.push({ ...made, bytes: -made.bytes });
	}

	/** What is in use besides `others`. */
	left(others: ReadonlySet<StorageClaims>): Change[] {
		return [...this.#live].flatMap(([claims, change]) => (others.has(claims) ? [] : [change]));
	}
}

/**
 * Runs `step`, such as one training step, and returns the memory of its tensors by module. Allocations belong to the innermost module whose forward runs.
 * It counts the memory of tensors, in bytes on their device: not the scratch memory within kernels, nor free memory in the pool. A step of
 * `compile` repeats launches in memory that it already has, so give the function itself. Works on every device.
 *
 * ```ts
 * console.log(String(await nn.memoryByModule(model, () => trainStep(x, y))));
 * ```
 */
export async function memoryByModule<T>(model: Module, step: () => T | Promise<T>): Promise<MemoryByModule<T>> {
	if (!(model instanceof Module)) throw wrongArgument('memoryByModule', 'model', 'a module', model);
	requireFunction('memoryByModule', 'step', step);
	const ledger = new Ledger();
	const restore = followModules(model, ledger);
	const before = watchMemory(ledger);
	let result: T;
	try {
		result = await step();
	} finally {
		watchMemory(before);
		restore();
	}
	const { peak, peakOperation, atPeak, moments } = follow(ledger.changes);
	const gradients = model.parameters().flatMap(({ grad }) => (grad === null || grad.isDisposed ? [] : [grad.storage.claims]));
	const made = sums(ledger.changes.filter(({ bytes }) => bytes > 0));
	const left = sums(ledger.left(new Set(gradients)));
	const figures = (path: string) => ({ made: made.get(path) ?? 0, atPeak: atPeak.get(path) ?? 0, left: left.get(path) ?? 0 });
	const counted = new Set<Tensor>();
	const buffers = model.namedBuffers();
	const rows = model.namedModules().map(([path, part]): ModuleMemory => {
		const own = part.ownParameters().flatMap(([, parameter]) => (counted.has(parameter) ? [] : [parameter]));
		for (const parameter of own) counted.add(parameter);
		const held = [...own, ...buffers.flatMap(([name, buffer]) => (ownerOf(name) === path ? [buffer] : []))];
		const grads = own.flatMap(({ grad }) => (grad === null ? [] : [grad]));
		return { path, kind: part.constructor.name, parameters: bytesOf(held), gradients: bytesOf(grads), ...figures(path) };
	});
	for (const path of [BACKWARD, OUTSIDE]) rows.push({ path, kind: '', parameters: 0, gradients: 0, ...figures(path) });
	const table = { result, peak, peakOperation, rows, moments };
	return { ...table, toString: () => format(table) };
}

/** The path of the module that has the buffer of this name. */
function ownerOf(name: string): string {
	return name.split('.').slice(0, -1).join('.');
}

/** Tells the ledger which module runs. Returns a function that ends this. */
function followModules(model: Module, ledger: Ledger): () => void {
	const ends = model.namedModules().map(([path, part]) => {
		const own = part as unknown as { forward: (...inputs: unknown[]) => unknown };
		const isOwn = Object.hasOwn(own, 'forward');
		const { forward } = own;
		own.forward = (...inputs) => {
			const outer = ledger.path;
			ledger.path = path;
			try {
				return forward.apply(part, inputs);
			} finally {
				ledger.path = outer;
			}
		};
		return () => {
			if (isOwn) own.forward = forward;
			else delete (own as { forward?: unknown }).forward;
		};
	});
	return () => {
		for (const end of ends) end();
	};
}

/** Goes through the changes in order. */
function follow(changes: readonly Change[]) {
	const moments: MemoryMoment[] = [];
	let [live, peak, peakAt] = [0, 0, -1];
	for (const [i, { path, operation, bytes }] of changes.entries()) {
		live += bytes;
		if (bytes > 0) moments.push({ operation, path, bytes: live });
		if (live > peak) [peak, peakAt] = [live, i];
	}
	const atPeak = sums(changes.slice(0, peakAt + 1));
	return { peak, peakOperation: changes[peakAt]?.operation ?? '', atPeak, moments };
}

/** Bytes by path. */
function sums(changes: readonly Change[]): Map<string, number> {
	const result = new Map<string, number>();
	for (const { path, bytes } of changes) result.set(path, (result.get(path) ?? 0) + bytes);
	return result;
}

/** Bytes of the memory behind tensors. Shared memory counts once. */
function bytesOf(tensors: readonly Tensor[]): number {
	const claims = new Set(tensors.map(({ storage }) => storage.claims));
	return [...claims].reduce((sum, { bytes }) => sum + bytes, 0);
}

function format({ rows, peak, peakOperation }: Omit<MemoryByModule, 'toString'>): string {
	const header = ['module', 'type', 'parameters', 'gradients', 'made', 'at peak', 'left'];
	const figure = (bytes: number) => (bytes === 0 ? '' : formatBytes(bytes));
	const lines = [
		header,
		...rows.map(({ path, kind, parameters, gradients, made, atPeak, left }) => [
			path || '(model)',
			kind,
			...[parameters, gradients, made, atPeak, left].map(figure),
		]),
	];
	const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
	const text = lines.map((line) => {
		const cells = line.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
		return cells.join('  ').trimEnd();
	});
	return [...text, `peak: ${formatBytes(peak)}${peakOperation === '' ? '' : ` in ${peakOperation}`}`].join('\n');
}
