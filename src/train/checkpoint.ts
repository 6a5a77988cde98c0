/**
 * Checkpoints: everything that a run needs to resume as if it had never stopped, in one safetensors file.
 *
 * Tensors have their paths as names (`model/0.weight`, `optimizer/state/0/expAvg`). The file's metadata hold the rest as JSON, a version,
 * and a SHA-256 of the whole file, so that damaged or foreign files throw a clear error.
 */
import { noGrad } from '../autograd/modes';
import { describe } from '../core/checks';
import { ArgumentError, FormatError, formatShape, ShapeError } from '../core/errors';
import { defaultGenerator, type Generator, type GeneratorState, requireGeneratorState } from '../core/generator';
import { storedArray } from '../core/halves';
import { sameShape } from '../core/shape';
import { checkState, isObject } from '../core/state';
import { decodeSafetensors, encodeSafetensors, loadSafetensors } from '../io';
import type { Module } from '../nn';
import { copy_ } from '../ops/inplace';
import { detach } from '../ops/layout';
import type { CommonOptions, EMA, EMAState, lrScheduler, Optimizer, OptimizerState } from '../optim';
import type { GradScaler, GradScalerState } from '../optim/gradScaler';
import type { Tensor } from '../tensor';
import { requireState } from '../tensorChecks';
import { type CheckpointTree, pack, releaseTree, unpack } from './checkpointTree';
import { defaults } from './defaults';
import type { CheckpointStore } from './store';

type Scheduler = lrScheduler.LRScheduler | lrScheduler.ReduceLROnPlateau;

/** The stateful parts of a run, all optional. The checkpoint always includes the state of the default generator. */
export interface CheckpointParts {
	readonly model?: Module;
	readonly optimizer?: Optimizer<CommonOptions>;
	readonly scheduler?: Scheduler;
	readonly ema?: EMA;
	readonly scaler?: GradScaler;
}

export interface CheckpointOptions {
	/** Default: files in Node, the origin's private file system in browsers. */
	readonly store?: CheckpointStore;
}

const FORMAT = 'wgrad-checkpoint';
const VERSION = '1';
const UNSIGNED = '0'.repeat(64);
const SIGNATURE_KEY = '"sha256":"';

async function digest(bytes: Uint8Array): Promise<string> {
	const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
	return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The position of the signature's digits. Metadata come first in the header, so take the first match. */
function signatureAt(bytes: Uint8Array): number {
	const start = new TextDecoder('latin1').decode(bytes.subarray(0, 1024));
	const at = start.indexOf(SIGNATURE_KEY);
	return at < 0 ? at : at + SIGNATURE_KEY.length;
}

/** Encodes a tree as the bytes of a file. The caller keeps the tensors. */
export async function encodeCheckpoint(tree: CheckpointTree): Promise<Uint8Array> {
	const tensors: [string, Tensor][] = [];
	const state = JSON.stringify(pack(tree, '', tensors));
	const values = await Promise.all(tensors.map(([, tensor]) => tensor.data()));
	const records = tensors.map(([name, { dtype, shape }], i) => ({ name, dtype, shape, data: storedArray(dtype, values[i]!) }));
	const bytes = encodeSafetensors(records, { format: FORMAT, version: VERSION, sha256: UNSIGNED, state });
	bytes.set(new TextEncoder().encode(await digest(bytes)), signatureAt(bytes));
	return bytes;
}

/**
 * Decodes the tree of a file; `source` names the file in errors. The caller owns the tensors, which are on the CPU (float16 as float32).
 * Throws a FormatError for files that are damaged, of another kind or of another version.
 */
export async function decodeCheckpoint(bytes: Uint8Array, source = 'checkpoint'): Promise<CheckpointTree> {
	let metadata: Readonly<Record<string, string>>;
	try {
		({ metadata } = decodeSafetensors(bytes));
	} catch (error) {
		if (!(error instanceof FormatError)) throw error;
		throw new FormatError(`${source} is not a checkpoint, or is damaged: ${error.message}`);
	}
	const { format, version, sha256, state } = metadata;
	if (format !== FORMAT) {
		throw new FormatError(
			`${source} is a safetensors file, but not a checkpoint of fit or saveCheckpoint. Load weights with io.loadSafetensors and model.loadStateDict`,
		);
	}
	if (version !== VERSION) {
		throw new FormatError(`${source} is a checkpoint of version ${version}; this library reads version ${VERSION}`);
	}
	const unsigned = bytes.slice();
	unsigned.set(new TextEncoder().encode(UNSIGNED), Math.max(0, signatureAt(unsigned)));
	if (state === undefined || (await digest(unsigned)) !== sha256) {
		throw new FormatError(`${source} is damaged: its contents do not match its checksum. Use an older checkpoint`);
	}
	let tree: unknown;
	try {
		tree = JSON.parse(state);
	} catch (error) {
		throw new FormatError(`${source}: the checkpoint's state is not valid JSON: ${(error as Error).message}`);
	}
	if (!isObject(tree)) throw new FormatError(`${source}: the checkpoint's state is not an object`);
	return unpack(tree, loadSafetensors(bytes, { device: 'cpu' }), source);
}

/** The state of the parts and of `generator`. The caller must dispose of the tensors, which are handles or clones. */
export function stateOf(
	{ model, optimizer, scheduler, ema, scaler }: CheckpointParts,
	generator: Generator = defaultGenerator,
): CheckpointTree {
	const persistent = model?.stateDict() ?? {};
	return {
		generator: generator.getState() as unknown as CheckpointTree,
		...(model && { model: persistent, buffers: transientBuffers(model, persistent) }),
		...(optimizer && {
			optimizer: optimizer.stateDict() as unknown as CheckpointTree,
			optimizerOptions: optimizer.initialOptions as unknown as CheckpointTree,
		}),
		...(scheduler && { scheduler: scheduler.stateDict() as CheckpointTree }),
		...(ema && { ema: ema.stateDict() as unknown as CheckpointTree }),
		...(scaler && { scaler: scaler.stateDict() as CheckpointTree }),
	};
}

/** Buffers that `stateDict` leaves out, but that a resumed run needs to give the same bits. */
function transientBuffers(model: Module, persistent: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
	const buffers = model.namedBuffers().filter(([name]) => !Object.hasOwn(persistent, name));
	return Object.fromEntries(buffers.map(([name, tensor]) => [name, detach(tensor)]));
}

interface SavedParts {
	readonly generator?: GeneratorState;
	readonly model?: Record<string, Tensor>;
	readonly buffers?: Record<string, Tensor>;
	readonly optimizer?: OptimizerState<CommonOptions>;
	/** The options the optimizer was created with. Missing in older checkpoints. */
	readonly optimizerOptions?: unknown;
	readonly scheduler?: Readonly<Record<string, unknown>>;
	readonly ema?: EMAState;
	readonly scaler?: GradScalerState;
}

/** The location of a checkpoint. */
export interface CheckpointLocation {
	readonly name: string;
	readonly store: CheckpointStore;
}

const lastLocations = new WeakMap<Module, CheckpointLocation>();

/** Remembers the last checkpoint of `model` written or read. */
export function noteCheckpoint(model: Module | undefined, location: CheckpointLocation): void {
	if (model !== undefined) lastLocations.set(model, location);
}

export function lastCheckpoint(model: Module): CheckpointLocation | undefined {
	return lastLocations.get(model);
}

/** Checks a result of `stateOf` before anything changes. Returns the function that restores it to the parts and `generator`. */
export function checkParts(
	parts: CheckpointParts,
	tree: CheckpointTree,
	source: string,
	generator: Generator = defaultGenerator,
): () => void {
	const saved = checkState<object>(source, tree, {}) as SavedParts;
	for (const name of ['model', 'optimizer', 'scheduler', 'ema', 'scaler'] as const) {
		if (parts[name] !== undefined && saved[name] === undefined)
			throw new ArgumentError(
				`${source} has no state of the ${name}, because it was saved without one. Leave it out, or start a new run`,
			);
	}
	const { model, optimizer, scheduler, ema, scaler } = parts;
	if (optimizer !== undefined) requireSameOptions(optimizer, saved.optimizerOptions, source);
	model?.requireLoadable(saved.model!, true);
	optimizer?.requireLoadable(saved.optimizer!);
	scheduler?.requireLoadable(saved.scheduler!);
	ema?.requireLoadable(saved.ema!);
	scaler?.requireLoadable(saved.scaler!);
	const buffers = model === undefined ? [] : savedBuffers(model, saved.buffers ?? {}, source);
	if (saved.generator !== undefined) requireGeneratorState(saved.generator);
	return () => {
		model?.loadStateDict(saved.model!);
		noGrad(() => {
			for (const [own, value] of buffers) copy_(own, value);
		});
		optimizer?.loadStateDict(saved.optimizer!);
		scheduler?.loadStateDict(saved.scheduler!);
		ema?.loadStateDict(saved.ema!);
		scaler?.loadStateDict(saved.scaler!);
		if (saved.generator !== undefined) generator.setState(saved.generator);
	};
}

/** Pairs the buffers of `model` with their saved values. */
function savedBuffers(model: Module, saved: Readonly<Record<string, Tensor>>, source: string): [own: Tensor, value: Tensor][] {
	requireState(`${source}: the buffers`, saved);
	return model.namedBuffers().flatMap(([name, own]): [Tensor, Tensor][] => {
		if (!Object.hasOwn(saved, name)) return [];
		const value = saved[name]!;
		if (!sameShape(value.shape, own.shape)) {
			throw new ShapeError(
				`${source}: the buffer ${name} has shape ${formatShape(value.shape)} in the checkpoint, ${formatShape(own.shape)} in the module`,
			);
		}
		return [[own, value]];
	});
}

/** Loading would silently replace the optimizer's own options by the saved ones. */
function requireSameOptions(optimizer: Optimizer<CommonOptions>, saved: unknown, source: string): void {
	const { initialOptions } = optimizer;
	// loadStateDict reports another number of groups or another kind of optimizer.
	if (!Array.isArray(saved) || saved.length !== initialOptions.length) return;
	const differences = initialOptions.flatMap((options, i) =>
		Object.entries(options)
			.filter(([name, own]) => isObject(saved[i]) && Object.hasOwn(saved[i], name) && !isSame(saved[i][name], own))
			.map(([name, own]) => `${name} ${describe(saved[i][name])} in group ${i}, not ${describe(own)}`),
	);
	if (differences.length === 0) return;
	throw new ArgumentError(
		`${source} was trained with other options than this ${optimizer.constructor.name} has: ${differences.join('; ')}. Create it with the same options and change them after loading (with fit, in onTrainBegin), or load the model alone: loadCheckpoint(name, { model })`,
	);
}

function isSame(a: unknown, b: unknown): boolean {
	if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => isSame(item, b[i]));
	return Object.is(a, b);
}

/**
 * Writes a checkpoint of your own training loop (`fit` has `ModelCheckpoint`): the states of the parts and of the default generator, and
 * `extra`, your own plain data and tensors, such as the epoch. Writes atomically: see `CheckpointStore`.
 */
export async function saveCheckpoint(
	name: string,
	parts: CheckpointParts,
	{ extra = null, store = defaults().checkpoints }: CheckpointOptions & { readonly extra?: CheckpointTree } = {},
): Promise<void> {
	const own = stateOf(parts);
	try {
		await store.write(name, await encodeCheckpoint({ parts: own, extra }));
		noteCheckpoint(parts.model, { name, store });
	} finally {
		releaseTree(own);
	}
}

/**
 * Restores the parts and the default generator from a checkpoint of `saveCheckpoint` or `fit`. Returns its `extra`, which is null for
 * `fit`.
 */
export async function loadCheckpoint(
	name: string,
	parts: CheckpointParts,
	{ store = defaults().checkpoints }: CheckpointOptions = {},
): Promise<CheckpointTree> {
	const tree = await readCheckpoint(name, store);
	const { parts: saved, extra = null } = checkState<{ parts: CheckpointTree; extra?: CheckpointTree }>(
		`checkpoint '${name}'`,
		tree,
		{ parts: isObject, extra: () => true },
	);
	try {
		checkParts(parts, saved, `checkpoint '${name}'`)();
		noteCheckpoint(parts.model, { name, store });
	} finally {
		releaseTree(saved);
	}
	return extra;
}

/** Reads the tree of a checkpoint from a store. */
async function readCheckpoint(name: string, store: CheckpointStore): Promise<CheckpointTree> {
	const bytes = await store.read(name);
	if (bytes === null)
		throw new ArgumentError(
			`loadCheckpoint: there is no checkpoint '${name}'. Check the name (in Node a path from the working directory), or write one first with saveCheckpoint`,
		);
	return decodeCheckpoint(bytes, `checkpoint '${name}'`);
}
