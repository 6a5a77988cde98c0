/** `io.load`: reads safetensors files of any size, in shards or whole, one tensor at a time. */
import type { Backend, DeviceName } from '../backends/contract';
import { backendOf, deviceOfNew } from '../backends/registry';
import { requireOneOf } from '../core/checks';
import { isFloating } from '../core/dtype';
import { ArgumentError, FormatError } from '../core/errors';
import type { Global } from '../core/globals';
import { numbersOf, storedArray } from '../core/halves';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { numel } from '../core/shape';
import { isObject } from '../core/state';
import { parsed, type Source, sourceName } from '../data/sources';
import type { StateDict } from '../nn/module';
import { Tensor } from '../tensor';
import type { ElementOptions, Elements } from './elements';
import { quote } from './header';
import { isRemote, openSource, ProgressReader, withProgress } from './open';
import { checkOpenOptions, type OpenOptions } from './options';
import type { RandomAccess } from './randomAccess';
import { type Entry, elementsOf, headerLength, type Layout, LENGTH_BYTES, parseLayout } from './safetensors';

export interface LoadFileOptions extends OpenOptions {
	/** The device of the tensors. Default: the default device. */
	readonly device?: DeviceName;
	/**
	 * The dtype of floating tensors; 'auto' keeps that of the file. By default float16 becomes float32. WebGPU has no float64, which becomes
	 * float32.
	 */
	readonly dtype?: 'auto' | 'float32' | 'float16' | 'bfloat16';
}

/**
 * Returns the tensors of safetensors files by name. `source` is a path (in Node), a URL, a File or Blob, or bytes; several of them are shards
 * of one model; the path or URL of a `model.safetensors.index.json` stands for the shards beside it. Reads one tensor at a time,
 * in parts, so that it needs little memory besides that of the tensors. Pass the result to `module.loadStateDict()`. Throws a FormatError if a file is invalid.
 */
export async function load(source: Source | readonly Source[], options: LoadFileOptions = {}): Promise<StateDict> {
	checkOptions('io.load', options, ['device', 'dtype', 'onProgress', 'signal', 'cache']);
	const { device = deviceOfNew(), dtype, signal } = options;
	checkOpenOptions('io.load', options);
	if (dtype !== undefined) requireOneOf('io.load', 'dtype', dtype, ['auto', 'float32', 'float16', 'bfloat16']);
	backendOf(device);
	signal?.throwIfAborted();
	const given: readonly Source[] = Array.isArray(source) ? source : [source as Source];
	if (given.length === 0) throw new ArgumentError('io.load: there is no file to load');
	const state: StateDict = Object.create(null);
	try {
		const { sources, expected } = await shardsOf(given, options);
		await withTensors('io.load', sources, expected, options, async ({ read }) => {
			await read(({ name, tensor }) => {
				state[name] = tensor;
			});
		});
		return state;
	} catch (error) {
		for (const tensor of Object.values(state)) tensor.dispose();
		throw error;
	}
}

/** The tensors of files, after their headers were read. */
interface TensorFiles {
	readonly entries: readonly Entry[];
	/** Reads the tensors one at a time and gives each to `take`, which owns it. Reads only those that `wants` names. */
	read(take: (found: { name: string; tensor: Tensor }) => void, wants?: (name: string) => boolean): Promise<void>;
}

/** Opens safetensors files that make up one state, reads their headers, and runs `use`. `expected` lists names that must be present. */
export function withTensors<T>(
	operation: string,
	sources: readonly Source[],
	expected: readonly string[],
	options: LoadFileOptions,
	use: (files: TensorFiles) => Promise<T>,
): Promise<T> {
	const { device = deviceOfNew(), dtype, signal } = options;
	const backend = backendOf(device);
	return withProgress(sources, options, async (tell) => {
		const open: RandomAccess[] = [];
		try {
			const shards: Shard[] = [];
			for (const source of sources) {
				const file = await openSource(operation, source, options);
				open.push(file);
				shards.push(await parsed(file.name, () => readHeader(file)));
			}
			checkShards(operation, shards, expected);
			return await use({
				entries: shards.flatMap(({ entries }) => entries),
				read: async (take, wants = () => true) => {
					const wanted = shards.map((shard) => ({ ...shard, entries: shard.entries.filter(({ name }) => wants(name)) }));
					const total = wanted.flatMap(({ entries }) => entries).reduce((sum, { begin, end }) => sum + end - begin, 0);
					await readShards(operation, wanted, new ProgressReader(total, signal, tell), backend, dtype, take);
				},
			});
		} finally {
			for (const file of open) await file.close();
		}
	});
}

interface Shard extends Layout {
	readonly file: RandomAccess;
	readonly dataStart: number;
}

async function readHeader(file: RandomAccess): Promise<Shard> {
	const start = await file.read(0, Math.min(LENGTH_BYTES, file.size));
	const length = headerLength(start, file.size);
	const dataStart = LENGTH_BYTES + length;
	return { file, dataStart, ...parseLayout(await file.read(LENGTH_BYTES, length), file.size - dataStart) };
}

/** Throws if two shards hold the same tensor, or if no shard holds a tensor of the index. */
function checkShards(operation: string, shards: readonly Shard[], expected: readonly string[]): void {
	const seen = new Map<string, string>();
	for (const { file, entries } of shards) {
		for (const { name } of entries) {
			const other = seen.get(name);
			if (other !== undefined)
				throw new FormatError(`${operation}: tensor ${quote(name)} is in two files: ${other} and ${file.name}`);
			seen.set(name, file.name);
		}
	}
	const missing = expected.filter((name) => !seen.has(name));
	if (missing.length === 0) return;
	const more = missing.length > 10 ? ` and ${missing.length - 10} more` : '';
	throw new FormatError(
		`${operation}: the index names tensors that no file holds: ${missing.slice(0, 10).map(quote).join(', ')}${more}`,
	);
}

async function readShards(
	operation: string,
	shards: readonly Shard[],
	reader: ProgressReader,
	backend: Backend,
	dtype: LoadFileOptions['dtype'],
	take: Parameters<TensorFiles['read']>[0],
): Promise<void> {
	const keepsFloat64 = backend.device === 'cpu' && (dtype === undefined || dtype === 'auto');
	const options: ElementOptions = {
		float16As: dtype === 'auto' || dtype === 'float16' ? 'float16' : 'float32',
		float64As: keepsFloat64 ? 'float64' : 'float32',
	};
	for (const { file, dataStart, entries } of shards) {
		for (const entry of entries) {
			const elements = (bytes: Uint8Array, first: number) => converted(elementsOf(entry, bytes, options, first), dtype);
			const { name, shape, begin, end } = entry;
			const { dtype: found } = elements(new Uint8Array(), 0);
			const allocate = () => new Tensor(backend.allocateForHost(numel(shape), found, shape), shape);
			const tensor = runOperation(operation, allocate);
			try {
				let at = 0;
				for await (const bytes of reader.parts(file, dataStart + begin, end - begin)) {
					const { data } = await parsed(file.name, () => elements(bytes, at));
					await backend.write(tensor.storage, data, at);
					at += data.length;
				}
			} catch (error) {
				tensor.dispose();
				throw error;
			}
			await parsed(file.name, () => take({ name, tensor }));
		}
	}
}

function converted(elements: Elements, dtype: LoadFileOptions['dtype']): Elements {
	if (dtype === undefined || dtype === 'auto' || elements.dtype === dtype || !isFloating(elements.dtype)) return elements;
	return { dtype, data: storedArray(dtype, numbersOf(elements.dtype, elements.data)) };
}

/** The files of the given sources, and the names that an index lists. */
async function shardsOf(
	given: readonly Source[],
	options: OpenOptions,
): Promise<{ sources: readonly Source[]; expected: readonly string[] }> {
	const indexAt = given.findIndex((source) => /\.json$/.test(nameOf(source)));
	if (indexAt < 0) return { sources: given, expected: [] };
	const index = given[indexAt]!;
	const others = given.filter((_, i) => i !== indexAt);
	const map = await parsed(sourceName(index), () => readIndex('io.load', index, options));
	const sources = [...new Set(map.values())].map((name) => shardNamed(name, index, others));
	return { sources, expected: [...map.keys()] };
}

/** The name of a source; a URL without its query. */
function nameOf(source: Source): string {
	if (source instanceof URL) return source.pathname;
	if (typeof source === 'string') return isRemote(source) ? source.replace(/[?#].*$/, '') : source;
	return source instanceof Blob ? sourceName(source) : '';
}

const MOST_INDEX_BYTES = 2 ** 27;

/** The file of each tensor. */
export async function readIndex(operation: string, source: Source, options: OpenOptions): Promise<Map<string, string>> {
	const file = await openSource(operation, source, options);
	try {
		if (file.size > MOST_INDEX_BYTES)
			throw new FormatError(`the index has ${file.size} bytes; at most ${MOST_INDEX_BYTES} are read`);
		const text = new TextDecoder().decode(await file.read(0, file.size));
		let index: unknown;
		try {
			index = JSON.parse(text);
		} catch (error) {
			throw new FormatError(`the index is not valid JSON: ${(error as Error).message}`, { cause: error });
		}
		if (!isObject(index) || !isObject(index.weight_map)) throw new FormatError('the index has no weight_map');
		return new Map(
			Object.entries(index.weight_map).map(([tensor, shard]) => [tensor, plainName(`tensor ${quote(tensor)}`, shard)]),
		);
	} finally {
		await file.close();
	}
}

/** An index may come from anywhere, so it may name only files beside itself. */
export function plainName(what: string, shard: unknown): string {
	if (typeof shard === 'string' && /^[^/\\:]+$/.test(shard) && shard !== '..' && shard !== '.') return shard;
	throw new FormatError(`the index gives ${what} a file that is no plain name: ${quote(String(shard))}`);
}

/** The file `name` among `others`, or beside the index. */
export function shardNamed(name: string, index: Source, others: readonly Source[], operation = 'io.load'): Source {
	const found = others.find((source) => nameOf(source).split(/[/\\]/).at(-1) === name);
	if (found !== undefined) return found;
	if (index instanceof URL || typeof index === 'string') return beside(typeof index === 'string' ? nameOf(index) : index, name);
	throw new FormatError(`${operation}: the index names the file ${quote(name)}, which is not among the given files`);
}

/** The path or URL of a file in the folder of another. */
export function beside(path: string | Global<'URL'>, name: string): string | Global<'URL'> {
	if (path instanceof URL) return new URL(encodeURIComponent(name), path);
	return path.replace(/[^/\\]*$/, () => name);
}
