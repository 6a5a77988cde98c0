/** `io.save`: writes safetensors files, one tensor at a time. */
import { describe, wrongArgument } from '../core/checks';
import { hostBytes } from '../core/dtype';
import { ArgumentError } from '../core/errors';
import type { Global } from '../core/globals';
import { storedArray } from '../core/halves';
import { checkOptions } from '../core/options';
import { numel } from '../core/shape';
import { isObject } from '../core/state';
import { Module, type StateDict } from '../nn/module';
import type { Tensor } from '../tensor';
import { requireState } from '../tensorChecks';
import { beside, readIndex } from './load';
import { checkOpenOptions, type OpenOptions } from './options';
import { thePlatform } from './platform';
import { type Described, layOut } from './safetensors';

export interface SaveFileOptions extends Pick<OpenOptions, 'onProgress' | 'signal'> {
	/** Free text, for example `{ format: 'pt' }`. */
	readonly metadata?: Readonly<Record<string, string>>;
	/**
	 * The most bytes of a file, as a number or a text such as '500MB' or '2GiB'. A larger state goes into shards beside `target`,
	 * `model-00001-of-00003.safetensors` and so on, with `model.safetensors.index.json`. Default: one file.
	 */
	readonly maxShardSize?: number | string;
}

/** Where to write: a path (in Node), a stream, or a file of the browser. */
export type Target = string | Global<'URL'> | Global<'WritableStream'> | Global<'FileSystemFileHandle'>;

/**
 * Writes a module's state, or a state such as `module.stateDict()`, to a safetensors file, which PyTorch and Hugging Face read. `target` is a
 * path (in Node), a WritableStream, or a FileSystemFileHandle. The target keeps its old contents until everything is written. Reads one tensor at
 * a time: do not train the module meanwhile.
 */
export async function save(state: Module | Readonly<StateDict>, target: Target, options: SaveFileOptions = {}): Promise<void> {
	const { metadata = {}, maxShardSize, signal } = checkOptions('io.save', options, OPTIONS);
	checkOpenOptions('io.save', options);
	if (!isObject(metadata)) throw new ArgumentError('io.save: the metadata must be an object of strings by name');
	const most = maxShardSize === undefined ? Number.POSITIVE_INFINITY : bytesIn('io.save', 'maxShardSize', maxShardSize);
	const tensors = state instanceof Module ? state.stateDict() : state;
	requireState('io.save', tensors);
	signal?.throwIfAborted();
	const groups = shardsOf(tensors, most);
	const writing = new Writing(groups, metadata, options);
	const isPath = typeof target === 'string' || target instanceof URL;
	if (isPath && maxShardSize !== undefined) return saveShards(writing, target);
	if (groups.length > 1) throw new ArgumentError('io.save: a state in shards needs a path. Save it whole, without maxShardSize');
	return writeTarget('io.save', target, writing.partsOf(0));
}

/** Writes `parts`, one after another. Errors name `operation`. */
export async function writeTarget(operation: string, target: Target, parts: AsyncIterable<Uint8Array>): Promise<void> {
	if (typeof target === 'string' || target instanceof URL) return thePlatform().writeFiles(operation, [{ path: target, parts }]);
	const given: unknown = target;
	if (given instanceof WritableStream) return writeTo(given, parts);
	if (typeof FileSystemFileHandle !== 'undefined' && given instanceof FileSystemFileHandle)
		return writeTo(await given.createWritable(), parts);
	throw new ArgumentError(
		`${operation}: it writes to a path, a WritableStream or a FileSystemFileHandle, not ${describe(given)}`,
	);
}

const OPTIONS = ['metadata', 'maxShardSize', 'onProgress', 'signal'] as const;

const UNITS: Readonly<Record<string, number>> = {
	B: 1,
	KB: 1e3,
	MB: 1e6,
	GB: 1e9,
	TB: 1e12,
	KIB: 2 ** 10,
	MIB: 2 ** 20,
	GIB: 2 ** 30,
	TIB: 2 ** 40,
};

/** A number of bytes such as 500 or '500MB'. */
function bytesIn(operation: string, argument: string, size: unknown): number {
	const [, count = size, unit = 'B'] = typeof size === 'string' ? (/^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i.exec(size) ?? []) : [];
	const bytes = Number(count) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
	if ((typeof size === 'string' || typeof size === 'number') && bytes >= 1) return Math.floor(bytes);
	throw wrongArgument(operation, argument, "a number of bytes, or a text such as '500MB'", size);
}

/** The state in parts of at most `most` bytes, in its order. A larger tensor gets its own part. */
function shardsOf(state: Readonly<StateDict>, most: number): StateDict[] {
	const groups: StateDict[] = [];
	let left = -1;
	for (const [name, tensor] of Object.entries(state)) {
		const bytes = numel(tensor.shape) * hostBytes(tensor.dtype);
		if (bytes > left) {
			groups.push({});
			left = most;
		}
		groups.at(-1)![name] = tensor;
		left -= bytes;
	}
	return groups.length === 0 ? [{}] : groups;
}

/** Files of tensors: their bytes, and the progress of all together. */
class Writing {
	readonly #files: readonly ReturnType<typeof layOut<Described & { tensor: Tensor }>>[];
	readonly total: number;
	#loaded = 0;

	constructor(
		readonly groups: readonly Readonly<StateDict>[],
		metadata: Readonly<Record<string, string>>,
		readonly options: SaveFileOptions,
	) {
		this.#files = groups.map((group) => {
			const described = Object.entries(group).map(([name, tensor]) => ({
				name,
				dtype: tensor.dtype,
				shape: tensor.shape,
				tensor,
			}));
			return layOut(described, metadata);
		});
		this.total = this.#files.reduce((sum, { size }) => sum + size, 0);
	}

	/** Bytes of data, without headers. */
	get dataBytes(): number {
		return this.#files.reduce((sum, { start, size }) => sum + size - start.length, 0);
	}

	async *partsOf(file: number): AsyncGenerator<Uint8Array> {
		const { onProgress, signal } = this.options;
		const { start, sorted } = this.#files[file]!;
		yield start;
		this.#loaded += start.length;
		for (const { tensor } of sorted) {
			signal?.throwIfAborted();
			const bytes = await bytesOf(tensor);
			yield bytes;
			this.#loaded += bytes.length;
			onProgress?.({ loaded: this.#loaded, total: this.total });
		}
	}
}

/** Writes one file, or shards with their index, and removes the files of an earlier save at this path. */
async function saveShards(writing: Writing, target: string | URL): Promise<void> {
	const { groups } = writing;
	const base = (target instanceof URL ? decodeURIComponent(target.pathname) : target)
		.replace(/^.*[/\\]/, '')
		.replace(/\.safetensors$/, '');
	const index = beside(target, `${base}.safetensors.index.json`);
	const earlier = await readIndex('io.save', index, {}).catch(() => new Map<string, string>());
	const old = [...new Set(earlier.values())];
	if (groups.length === 1) {
		const whole = { path: target, parts: writing.partsOf(0) };
		return thePlatform().writeFiles('io.save', [whole], { after: [index, ...old.map((name) => beside(target, name))] });
	}
	const padded = (count: number) => String(count).padStart(5, '0');
	const names = groups.map((_, i) => `${base}-${padded(i + 1)}-of-${padded(groups.length)}.safetensors`);
	const weightMap = Object.fromEntries(groups.flatMap((group, i) => Object.keys(group).map((key) => [key, names[i]!])));
	const text = JSON.stringify({ metadata: { total_size: writing.dataBytes }, weight_map: weightMap }, null, 2);
	const files = [
		...names.map((name, i) => ({ path: beside(target, name), parts: writing.partsOf(i) })),
		{ path: index, parts: [new TextEncoder().encode(`${text}\n`)] },
	];
	// The old index must not name new shards.
	const after = [target, ...old.filter((name) => !names.includes(name)).map((name) => beside(target, name))];
	await thePlatform().writeFiles('io.save', files, { before: [index], after });
}

/** The elements as files hold them. */
export async function bytesOf(tensor: Tensor): Promise<Uint8Array> {
	const { buffer, byteOffset, byteLength } = storedArray(tensor.dtype, await tensor.data());
	return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

async function writeTo(stream: WritableStream, parts: AsyncIterable<Uint8Array>): Promise<void> {
	const writer = stream.getWriter();
	try {
		for await (const part of parts) {
			await writer.ready;
			await writer.write(part);
		}
		await writer.close();
	} catch (error) {
		await writer.abort(error).catch(() => {});
		throw error;
	}
}
