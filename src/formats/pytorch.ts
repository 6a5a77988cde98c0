/**
 * Reads the files of torch.save(), which have two forms:
 *
 *   zip      since 1.6: a pickle, data.pkl, and a stored entry for each storage
 *   stream   before: pickles of a magic number, a version, the system, the object and the keys of storages; then the storages' bytes
 *
 * Nothing in a file is executed. Storages are read one at a time. Tensors that share memory in the file share it here.
 */
import { type Reader, unzipRaw, type ZipEntry } from 'unzipit';
import { setRequiresGrad } from '../autograd/tape';
import type { Backend, DeviceName } from '../backends/contract';
import { backendOf, deviceOfNew } from '../backends/registry';
import { isFloating } from '../core/dtype';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { contiguousStrides, numel } from '../core/shape';
import { parsed, type Source } from '../data/sources';
import { FILE_WIDTH, readElements } from '../io/elements';
import { quote } from '../io/header';
import { openSource, ProgressReader, withProgress } from '../io/open';
import { checkOpenOptions, type OpenOptions, type Progress } from '../io/options';
import type { RandomAccess } from '../io/randomAccess';
import type { StateDict } from '../nn/module';
import { Parameter } from '../nn/parameter';
import { Tensor } from '../tensor';
import { storedBytes, unzipping } from './archive';
import { kindOf, PickleCut, type Pickled, PickledTuple, unpickle } from './pickle';
import { fail, NamedType, PyTorchHost, type StoredMemory, StoredTensor } from './pytorchObjects';

export interface LoadPyTorchOptions extends OpenOptions {
	/** The device of the tensors. Default: the default device. */
	readonly device?: DeviceName;
}

/**
 * Returns what torch.save() wrote: tensors, parameters, numbers, texts and containers of them. `T` is what you expect of the file;
 * nothing checks it. Dicts of texts and integers become objects, other dicts Maps; lists and tuples arrays; sets Sets; bytes Uint8Arrays;
 * integers beyond 2^53 bigints; devices and dtypes texts. float16 becomes float32, other integers than int8 and uint8 int32, and float64
 * becomes float32 on WebGPU. Throws a FormatError if the file is damaged, or if it holds objects of any other class: then save the
 * `state_dict()` of a model instead of the model.
 */
export async function loadPyTorch<T = StateDict>(source: Source, options: LoadPyTorchOptions = {}): Promise<T> {
	checkOptions('loadPyTorch', options, ['device', 'onProgress', 'signal', 'cache']);
	checkOpenOptions('loadPyTorch', options);
	const { device = deviceOfNew(), signal } = options;
	const backend = backendOf(device);
	signal?.throwIfAborted();
	return withProgress([source], options, async (tell) => {
		const file = await openSource('loadPyTorch', source, options);
		try {
			return (await parsed(file.name, () => readFile(file, backend, signal, tell))) as T;
		} finally {
			await file.close();
		}
	});
}

async function readFile(
	file: RandomAccess,
	backend: Backend,
	signal: AbortSignal | undefined,
	tell: ((progress: Progress) => void) | undefined,
): Promise<unknown> {
	const host = new PyTorchHost();
	const { value, read } = (await isZip(file)) ? await openArchive(file, host) : await openStream(file, host);
	const stored = tensorsIn(value);
	const memories = [...new Set(stored.map(({ memory }) => memory))];
	const total = memories.reduce((sum, { bytes }) => sum + bytes, 0);
	if (total > file.size) fail(`its storages take ${total} bytes, and the file has ${file.size}`);
	const progress = new ProgressReader(total, signal, tell);
	const made = new Map<StoredTensor, Tensor>();
	try {
		for (const memory of memories) {
			signal?.throwIfAborted();
			const bytes = await read(memory);
			progress.advance(bytes.length);
			const same = stored.filter((tensor) => tensor.memory === memory);
			runOperation('loadPyTorch', () => upload(memory, bytes, same, backend, made));
		}
		return plain(value, made);
	} catch (error) {
		for (const tensor of made.values()) tensor.dispose();
		throw error;
	}
}

/** What a file holds, and how to read its memories. */
interface Opened {
	readonly value: Pickled;
	readonly read: (memory: StoredMemory) => Promise<Uint8Array>;
}

async function isZip(file: RandomAccess): Promise<boolean> {
	const start = await file.read(0, Math.min(4, file.size));
	return start[0] === 0x50 && start[1] === 0x4b;
}

const KIND = 'PyTorch file';

const contentsOf = (entry: ZipEntry) => storedBytes(KIND, 'torch.save()', entry);

async function openArchive(file: RandomAccess, host: PyTorchHost): Promise<Opened> {
	const reader: Reader = { getLength: async () => file.size, read: (begin, length) => file.read(begin, length) };
	const { entries } = await unzipping(KIND, () => unzipRaw(reader));
	const byName = new Map<string, ZipEntry>();
	for (const entry of entries) {
		if (byName.has(entry.name)) fail(`the archive holds ${quote(entry.name)} twice`);
		byName.set(entry.name, entry);
	}
	const [pickle, ...others] = entries.filter(({ name }) => /^[^/]*\/data\.pkl$/.test(name));
	if (pickle === undefined || others.length > 0) fail('the archive has no data.pkl, or several: torch.save() did not write it');
	const folder = pickle.name.slice(0, -'data.pkl'.length);
	if (byName.has(`${folder}constants.pkl`))
		fail('it is a TorchScript archive, which holds code. In Python, save module.state_dict() with torch.save()');
	const order = byName.get(`${folder}byteorder`);
	if (order !== undefined && new TextDecoder().decode(await contentsOf(order)) !== 'little')
		fail('its numbers are not little-endian');
	const { value } = unpickle(await contentsOf(pickle), host);
	const read = async ({ key, bytes }: StoredMemory) => {
		const entry = byName.get(`${folder}data/${key}`);
		if (entry === undefined) return fail(`storage ${quote(key)} is missing`);
		if (entry.size !== bytes) fail(`storage ${quote(key)} has ${entry.size} bytes instead of ${bytes}`);
		return contentsOf(entry);
	};
	return { value, read };
}

/** The magic number of the stream form. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const STREAM_VERSION = 1001;
/** Bytes to read first, before the lengths of the pickles are known. They are short compared to the data. */
const FIRST_BYTES = 2 ** 20;

async function openStream(file: RandomAccess, host: PyTorchHost): Promise<Opened> {
	const { value, keys, at } = await readPickles(file, host);
	const places = new Map<string, number>();
	let next = at;
	for (const key of keys) {
		const memory = host.memories.get(key);
		if (memory === undefined) return fail(`storage ${quote(key)} belongs to no tensor`);
		if (places.has(key)) fail(`it holds storage ${quote(key)} twice`);
		// Its length comes first, in elements or bytes.
		const view = new DataView((await file.read(next, 8)).slice().buffer);
		const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
		if (length !== memory.length) fail(`storage ${quote(key)} has ${length} elements instead of ${memory.length}`);
		places.set(key, next + 8);
		next += 8 + memory.bytes;
	}
	const read = async ({ key, bytes }: StoredMemory) => {
		const place = places.get(key);
		if (place === undefined) return fail(`storage ${quote(key)} is missing`);
		// A copy: on the CPU the tensors own it.
		return (await file.read(place, bytes)).slice();
	};
	return { value, read };
}

interface Pickles {
	readonly value: Pickled;
	readonly keys: readonly string[];
	/** Where the pickles end. */
	readonly at: number;
}

async function readPickles(file: RandomAccess, host: PyTorchHost): Promise<Pickles> {
	for (let length = FIRST_BYTES; ; length *= 4) {
		const bytes = await file.read(0, Math.min(length, file.size));
		try {
			host.memories.clear();
			return parsePickles(bytes, host);
		} catch (error) {
			if (!(error instanceof PickleCut) || length >= file.size) throw error;
		}
	}
}

function parsePickles(bytes: Uint8Array, host: PyTorchHost): Pickles {
	let at = 0;
	const next = () => {
		const { value, end } = unpickle(bytes.subarray(at), host);
		at += end;
		return value;
	};
	if (bytes[0] !== 0x80 || next() !== MAGIC)
		fail('this is no file of torch.save(): it begins neither as a zip archive nor with its number');
	const version = next();
	if (version !== STREAM_VERSION) fail(`it has version ${kindOf(version)}, and ${STREAM_VERSION} is read`);
	const system = next();
	if (!(system instanceof Map) || system.get('little_endian') !== true) fail('its numbers are not little-endian');
	const value = next();
	const keys = next();
	if (!Array.isArray(keys)) return fail('it has no list of storages');
	return { value, keys: keys.map((key) => (typeof key === 'string' ? key : fail('the key of a storage is no text'))), at };
}

/** The tensors in a value, each once. */
function tensorsIn(value: Pickled): StoredTensor[] {
	const seen = new Set<Pickled>();
	const waiting = [value];
	while (waiting.length > 0) {
		const next = waiting.pop()!;
		if (typeof next !== 'object' || next === null || seen.has(next)) continue;
		seen.add(next);
		for (const child of childrenOf(next)) waiting.push(child);
	}
	return [...seen].filter((found) => found instanceof StoredTensor);
}

function childrenOf(value: Pickled): Iterable<Pickled> {
	if (value instanceof Map) return [...value.keys(), ...value.values()];
	if (value instanceof PickledTuple) return value.items;
	return Array.isArray(value) || value instanceof Set ? value : [];
}

/** Makes the tensors of one memory. */
function upload(
	memory: StoredMemory,
	bytes: Uint8Array,
	stored: readonly StoredTensor[],
	backend: Backend,
	made: Map<StoredTensor, Tensor>,
): void {
	const dtype = memory.dtype!;
	const float64As = backend.device === 'cpu' ? 'float64' : 'float32';
	const elements = readElements(`PyTorch file: storage ${quote(memory.key)}`, dtype, bytes, { float16As: 'float32', float64As });
	const length = memory.bytes / FILE_WIDTH[dtype];
	const storage = backend.upload(elements.data, elements.dtype, [length]);
	for (const tensor of stored) {
		const { shape, isParameter } = tensor;
		// The strides of an empty tensor reach no element.
		const isEmpty = numel(shape) === 0;
		const result = new Tensor(storage, shape, isEmpty ? contiguousStrides(shape) : tensor.strides, isEmpty ? 0 : tensor.offset);
		const requiresGrad = tensor.requiresGrad && isFloating(result.dtype);
		if (isParameter) {
			made.set(tensor, new Parameter(result, requiresGrad));
			result.dispose();
		} else {
			made.set(tensor, result);
			if (requiresGrad) setRequiresGrad(result, true);
		}
	}
}

const DEEPEST = 200;

/** The value in JavaScript's own types. An object in several places stays one object. */
function plain(value: Pickled, tensors: ReadonlyMap<StoredTensor, Tensor>): unknown {
	const done = new Map<Pickled, unknown>();
	const open = new Set<Pickled>();
	const convert = (value: Pickled): unknown => {
		if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
		if (value instanceof StoredTensor) return tensors.get(value)!;
		if (done.has(value)) return done.get(value);
		if (open.has(value)) fail(`${kindOf(value)} holds itself`);
		if (open.size >= DEEPEST) fail(`it nests containers more than ${DEEPEST} deep`);
		open.add(value);
		const result = converted(value, convert);
		open.delete(value);
		done.set(value, result);
		return result;
	};
	return convert(value);
}

function converted(value: Pickled, convert: (value: Pickled) => unknown): unknown {
	if (value instanceof Map) return convertedDict(value, convert);
	if (value instanceof Set) return new Set([...value].map(convert));
	if (Array.isArray(value)) return value.map(convert);
	if (value instanceof PickledTuple) return value.items.map(convert);
	return value instanceof NamedType ? value.name : fail(`it holds ${kindOf(value)} where a value must be`);
}

function convertedDict(dict: ReadonlyMap<Pickled, Pickled>, convert: (value: Pickled) => unknown): unknown {
	const entries = [...dict].map(([key, value]): [unknown, unknown] => [convert(key), convert(value)]);
	const names = new Set(entries.map(([key]) => (typeof key === 'string' || typeof key === 'number' ? String(key) : null)));
	if (names.has(null) || names.size < entries.length) return new Map(entries);
	const object: Record<string, unknown> = Object.create(null);
	for (const [key, value] of entries) {
		if (key === '__proto__') fail('a dict has the key "__proto__", which is refused');
		object[String(key)] = value;
	}
	return object;
}
