/**
 * HDF5 files, through h5wasm: the HDF5 library compiled to WebAssembly. It is loaded at the first use.
 *
 * The file is copied into the memory of a WebAssembly module. Errors of the module become FormatErrors. Sizes are checked before anything is read,
 * so that a small file cannot ask for much memory.
 */
import type { Attribute, Dataset, File, Group } from 'h5wasm';
import { FormatError, WgradError } from '../../core/errors';
import { numel, type Shape } from '../../core/shape';
import type { FileDType } from '../../io/elements';
import { quote } from '../../io/header';

type Library = typeof import('h5wasm');

export interface StoredArray {
	readonly shape: Shape;
	readonly dtype: FileDType;
	readonly bytes: Uint8Array;
}

/** A group to write. */
export interface H5Group {
	readonly attributes: Readonly<Record<string, string | readonly string[]>>;
	readonly groups: Readonly<Record<string, H5Group>>;
	readonly arrays: Readonly<Record<string, StoredArray>>;
}

function fail(message: string): never {
	throw new FormatError(`HDF5 file: ${message}`);
}

let files = 0;

async function library(): Promise<Library> {
	const h5 = await import('h5wasm');
	await h5.ready;
	return h5;
}

export const HDF5_SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

/** Compressed files may hold this many times their size. */
const MOST_RATIO = 20;
const MOST_BYTES = 2 ** 31;
const MOST_TEXT = 2 ** 26;

/** Opens the file in `bytes` and passes it to `use`. */
export async function readHdf5<T>(bytes: Uint8Array, use: (file: H5Reader) => T): Promise<T> {
	if (bytes.length >= MOST_BYTES) fail(`it has ${bytes.length} bytes, and less than ${MOST_BYTES} can be read`);
	checkHeaps(bytes);
	const h5 = await library();
	const path = `/read-${files++}.h5`;
	const { FS } = h5.Module;
	FS.writeFile(path, bytes);
	let file: File | null = null;
	const speak = silenced(h5);
	try {
		file = guarded(() => new h5.File(path, 'r'));
		if (file.file_id < 0n) fail('it is damaged: the library cannot open it');
		return use(new H5Reader(h5, file, bytes.length));
	} finally {
		try {
			file?.close();
		} catch {}
		speak();
		FS.unlink(path);
	}
}

const HEAP_HEADER = 16;

/** Throws if a global heap, where texts are, has an object of a wrong size: some keep the library in an endless loop. */
function checkHeaps(bytes: Uint8Array): void {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const sizeAt = (at: number) => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
	for (let start = 0; start + HEAP_HEADER <= bytes.length; start += 8) {
		// 'GCOL', version 1.
		if (view.getUint32(start, false) !== 0x47434f4c || view.getUint32(start + 4, true) !== 1) continue;
		const end = start + sizeAt(start + 8);
		if (end > bytes.length) fail('it is damaged: a heap reaches beyond its end');
		for (let at = start + HEAP_HEADER; at + HEAP_HEADER <= end; ) {
			const isFree = view.getUint16(at, true) === 0;
			const size = sizeAt(at + 8);
			at += isFree ? size : HEAP_HEADER + 8 * Math.ceil(size / 8);
			if (at > end || (isFree && size < HEAP_HEADER)) fail('it is damaged: an object in a heap has a wrong size');
		}
	}
}

/** Keeps the library from printing its errors, which are thrown too. Returns what lets it print again. */
function silenced({ Module }: Library): () => void {
	// Its declarations leave out the streams of Emscripten's file system.
	const { getStream } = Module.FS as unknown as { getStream?: (fd: number) => { tty?: { ops: { put_char: unknown } } } | null };
	const ops = getStream?.(2)?.tty?.ops;
	if (ops === undefined) return () => {};
	const own = ops.put_char;
	ops.put_char = () => {};
	return () => {
		ops.put_char = own;
	};
}

/** Turns what the library throws into FormatErrors. */
function guarded<T>(use: () => T): T {
	try {
		return use();
	} catch (error) {
		if (error instanceof WgradError) throw error;
		const message = error instanceof Error ? error.message : String(error);
		throw new FormatError(`HDF5 file: it is damaged: ${message}`, { cause: error });
	}
}

export class H5Reader {
	#left: number;

	constructor(
		readonly h5: Library,
		readonly file: File,
		size: number,
	) {
		this.#left = MOST_RATIO * size;
	}

	/** Counts bytes that are read. */
	#take(what: string, count: number, length: number): void {
		const bytes = count * length;
		if (!(bytes >= 0)) fail(`${what} has a wrong size`);
		this.#left -= bytes;
		if (this.#left < 0) fail(`${what} makes more than ${MOST_RATIO} times the file's size`);
	}

	#group(path: string): Group | null {
		const found = guarded(() => (path === '/' ? this.file : this.file.get(path)));
		return found instanceof this.h5.Group ? found : null;
	}

	has(path: string): boolean {
		return this.#group(path) !== null;
	}

	/** The names in a group. */
	names(path: string): string[] {
		const group = this.#group(path);
		return group === null ? [] : guarded(() => group.keys());
	}

	#attribute(path: string, name: string): Attribute | undefined {
		const group = this.#group(path);
		return group === null ? undefined : guarded(() => (this.#attributes(group).includes(name) ? group.attrs[name] : undefined));
	}

	#attributes(group: Group): string[] {
		return this.h5.Module.get_attribute_names(group.file_id, group.path) as string[];
	}

	/** An attribute that is a text. */
	text(path: string, name: string): string | undefined {
		const attribute = this.#attribute(path, name);
		if (attribute === undefined) return undefined;
		const texts = this.#texts(attribute, name);
		return texts.length === 1 ? texts[0] : fail(`the attribute ${quote(name)} is not one text`);
	}

	/** A list of texts. Keras splits long ones into attributes with numbers. */
	texts(path: string, name: string): string[] | undefined {
		const whole = this.#attribute(path, name);
		if (whole !== undefined) return this.#texts(whole, name);
		const found: string[] = [];
		for (let i = 0; ; i++) {
			const part = this.#attribute(path, `${name}${i}`);
			if (part === undefined) return i === 0 ? undefined : found;
			found.push(...this.#texts(part, name));
		}
	}

	#texts(attribute: Attribute, name: string): string[] {
		const { metadata } = attribute;
		if (metadata.total_size === 0) return [];
		if (metadata.type !== this.h5.Module.H5T_class_t.H5T_STRING.value) fail(`the attribute ${quote(name)} is no text`);
		if (metadata.total_size * metadata.size > MOST_TEXT) fail(`the attribute ${quote(name)} is too long`);
		this.#take(`the attribute ${quote(name)}`, metadata.total_size, metadata.size);
		const value = guarded(() => attribute.value);
		const list: unknown[] = Array.isArray(value) ? value : [value];
		return list.map((item) => (typeof item === 'string' ? item : fail(`the attribute ${quote(name)} is no text`)));
	}

	/** A dataset of numbers, or null. */
	array(path: string): H5Array | null {
		const found = guarded(() => this.file.get(path));
		if (!(found instanceof this.h5.Dataset)) return null;
		const { shape, type, size, signed, littleEndian, total_size } = guarded(() => found.metadata);
		const { H5T_FLOAT, H5T_INTEGER } = this.h5.Module.H5T_class_t;
		const kind = type === H5T_FLOAT.value ? 'F' : type === H5T_INTEGER.value ? (signed ? 'I' : 'U') : null;
		const dtype = `${kind}${8 * size}` as FileDType;
		const known = kind !== null && (kind === 'F' ? [2, 4, 8] : [1, 2, 4, 8]).includes(size);
		if (!known || !littleEndian || shape === null) return fail(`the dataset ${quote(path)} holds no numbers that are read`);
		if (numel(shape) !== total_size) return fail(`the dataset ${quote(path)} has a wrong size`);
		return { path, shape, dtype, read: () => this.#read(found, path, total_size, size) };
	}

	#read(dataset: Dataset, path: string, count: number, size: number): Uint8Array {
		this.#take(`the dataset ${quote(path)}`, count, size);
		const { Module } = this.h5;
		if (count === 0) return new Uint8Array();
		return guarded(() => {
			const at = Module._malloc(count * size);
			if (at === 0) fail(`there is no memory for the dataset ${quote(path)}`);
			try {
				const status = Module.get_dataset_data(dataset.file_id, dataset.path, null, null, null, BigInt(at));
				if (Number(status) < 0) fail(`the dataset ${quote(path)} cannot be read`);
				return Module.HEAPU8.slice(at, at + count * size);
			} finally {
				Module._free(at);
			}
		});
	}
}

/** A dataset of numbers in a file. */
export interface H5Array {
	readonly path: string;
	readonly shape: Shape;
	readonly dtype: FileDType;
	read(): Uint8Array;
}

/** HDF5 keeps attributes in the header of their group, which has at most 64 KiB. Longer lists are split, as Keras does. */
const MOST_LIST = 60_000;

/** The bytes of a file with `root` as its root. */
export async function writeHdf5(root: H5Group): Promise<Uint8Array> {
	const h5 = await library();
	const path = `/write-${files++}.h5`;
	const { FS } = h5.Module;
	const file = new h5.File(path, 'w');
	try {
		writeGroup(h5, file, root);
		file.close();
		return FS.readFile(path) as Uint8Array;
	} finally {
		FS.unlink(path);
	}
}

const WRITTEN: Readonly<Partial<Record<FileDType, string>>> = {
	F32: '<f',
	F64: '<d',
	I32: '<i',
	I64: '<q',
	U32: '<I',
	U8: '<B',
	I8: '<b',
};

function writeGroup(h5: Library, group: Group, { attributes, groups, arrays }: H5Group): void {
	for (const [name, value] of Object.entries(attributes)) {
		if (typeof value === 'string') group.create_attribute(name, value, null, 'S');
		else writeTexts(group, name, value);
	}
	for (const [name, inner] of Object.entries(groups)) writeGroup(h5, group.create_group(name), inner);
	for (const [name, { shape, dtype, bytes }] of Object.entries(arrays)) {
		const data = dtype === 'I64' ? new BigInt64Array(bytes.slice().buffer) : typed(dtype, bytes);
		group.create_dataset({ name, data, shape: [...shape], dtype: WRITTEN[dtype]! });
	}
}

function typed(
	dtype: FileDType,
	bytes: Uint8Array,
): Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array | Int8Array {
	const { buffer } = bytes.slice();
	if (dtype === 'F64') return new Float64Array(buffer);
	if (dtype === 'I32') return new Int32Array(buffer);
	if (dtype === 'U32') return new Uint32Array(buffer);
	if (dtype === 'U8') return new Uint8Array(buffer);
	if (dtype === 'I8') return new Int8Array(buffer);
	return new Float32Array(buffer);
}

function writeTexts(group: Group, name: string, texts: readonly string[]): void {
	if (texts.length === 0) {
		group.create_attribute(name, new Float64Array(0), [0], '<d');
		return;
	}
	const width = Math.max(1, ...texts.map((text) => new TextEncoder().encode(text).length));
	const perPart = Math.max(1, Math.floor(MOST_LIST / width));
	const parts = Math.ceil(texts.length / perPart);
	for (let i = 0; i < parts; i++) {
		const part = texts.slice(i * perPart, (i + 1) * perPart);
		group.create_attribute(parts === 1 ? name : `${name}${i}`, part, [part.length], `S${width}`);
	}
}
