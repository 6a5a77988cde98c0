/**
 * Reads and writes the safetensors file format as plain data: https://github.com/huggingface/safetensors#format
 *
 *   8 bytes   length of the header, unsigned little-endian
 *   header    JSON: { "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end] }, ..., "__metadata__": { ... } }
 *   data      little-endian, row-major; offsets count from its start; no gaps, no overlaps
 *
 * Files may come from anywhere. `decodeSafetensors` validates every byte and throws a FormatError that names the problem. Values have the
 * machine's byte order, which is little-endian wherever WebGPU runs.
 */
import { requireArray, requireOneOf } from '../core/checks';
import { type DType, hostBytes, type TypedArray } from '../core/dtype';
import { ArgumentError, DTypeError, FormatError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { checkShape, numel, type Shape } from '../core/shape';
import { isObject } from '../core/state';
import { type ElementOptions, type Elements, FILE_WIDTH, type FileDType, readElements } from './elements';
import { type Description, type Header, LONE_SURROGATE, METADATA, parseHeader, quote } from './header';

export interface SafetensorsRecord {
	readonly name: string;
	readonly dtype: DType;
	readonly shape: Shape;
	/** The elements in row-major order, in the typed array of `dtype` (core/dtype). */
	readonly data: TypedArray;
}

interface SafetensorsFile {
	/** In the order of their data. */
	readonly tensors: SafetensorsRecord[];
	/** Free text, for example `format: 'pt'`. */
	readonly metadata: Readonly<Record<string, string>>;
}

/** The bytes of the length before the header. */
export const LENGTH_BYTES = 8;
/** The limit of the format's own implementation. */
const MAX_HEADER_BYTES = 100_000_000;

/** Dtypes of the format that wgrad cannot represent. */
const UNSUPPORTED = ['F4', 'F6_E2M3', 'F6_E3M2', 'F8_E5M2', 'F8_E4M3', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'C64'];

const WRITTEN_AS: Record<DType, FileDType> = {
	float64: 'F64',
	float32: 'F32',
	int32: 'I32',
	float16: 'F16',
	bfloat16: 'BF16',
	int8: 'I8',
	uint8: 'U8',
	bool: 'BOOL',
};

/** A tensor of a file: its elements are the bytes from `begin` to `end` of the data. */
export interface Entry {
	readonly name: string;
	readonly dtype: FileDType;
	readonly shape: number[];
	readonly begin: number;
	readonly end: number;
}

export interface Layout {
	/** In the order of their data. */
	readonly entries: Entry[];
	readonly metadata: Readonly<Record<string, string>>;
}

function fail(message: string): never {
	throw new FormatError(`safetensors: ${message}`);
}

/** Returns the tensors and metadata of a file. Arrays that are aligned and need no conversion share memory with `bytes`. */
export function decodeSafetensors(bytes: Uint8Array, options: ElementOptions = {}): SafetensorsFile {
	if (!ArrayBuffer.isView(bytes))
		throw new ArgumentError(`decodeSafetensors: it takes the bytes of a file, a Uint8Array, not ${typeof bytes}`);
	const { float16As = 'float16', float64As = 'float64' } = checkOptions('decodeSafetensors', options, ['float16As', 'float64As']);
	requireOneOf('decodeSafetensors', 'float16As', float16As, ['float16', 'float32']);
	requireOneOf('decodeSafetensors', 'float64As', float64As, ['float64', 'float32']);
	// Node's Buffer is a Uint8Array with a slice() that does not copy.
	const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const dataStart = LENGTH_BYTES + headerLength(plain, plain.length);
	const data = plain.subarray(dataStart);
	const { entries, metadata } = parseLayout(plain.subarray(LENGTH_BYTES, dataStart), data.length);
	const tensors = entries.map((entry): SafetensorsRecord => {
		const bytes = data.subarray(entry.begin, entry.end);
		return { name: entry.name, shape: entry.shape, ...elementsOf(entry, bytes, options) };
	});
	return { tensors, metadata };
}

/** Files that are often mistaken for safetensors files, by their first bytes. */
const OTHER_FILES = [
	['PK', "a zip archive, as torch.save() writes it. Read it with loadPyTorch() of 'wgrad/formats'"],
	['version ', "a pointer of Git LFS. Fetch the file itself with 'git lfs pull'"],
	['<', 'a page of HTML or XML, as servers send it in place of a file. Check the address'],
	['{"', 'a JSON file'],
] as const;

/** The length of the header of a file of `fileBytes` bytes, of which `start` holds the first 8 or more. */
export function headerLength(start: Uint8Array, fileBytes: number): number {
	if (start.length < LENGTH_BYTES)
		fail(`the file has ${start.length} bytes, too few for the ${LENGTH_BYTES} of the header length`);
	const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
	const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
	if (length > MAX_HEADER_BYTES) {
		const other = OTHER_FILES.find(([letters]) => [...letters].every((letter, i) => start[i] === letter.charCodeAt(0)));
		if (other !== undefined) fail(`this is not a safetensors file, but ${other[1]}`);
		fail(`the header claims ${length} bytes; the limit is ${MAX_HEADER_BYTES}. Is this a safetensors file?`);
	}
	if (LENGTH_BYTES + length > fileBytes)
		fail(`the header claims ${length} bytes, but only ${fileBytes - LENGTH_BYTES} follow: the file is cut short`);
	return length;
}

/** Parses the header of a file with `dataBytes` bytes of data. */
export function parseLayout(header: Uint8Array, dataBytes: number): Layout {
	let text: string;
	try {
		text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
	} catch {
		fail('the header is not valid UTF-8');
	}
	if (!text.startsWith('{')) fail(`the header does not start with "{" but with ${quote(text.slice(0, 1))}`);
	const parsed = parseHeader(text, fail);
	const metadata = readMetadata(parsed);
	const entries = parsed.descriptions.map(checkEntry);
	checkLayout(entries, dataBytes);
	return { entries, metadata };
}

/** Reads the elements of an entry from the index `first` on from their bytes. */
export function elementsOf({ name, dtype }: Entry, bytes: Uint8Array, options: ElementOptions, first = 0): Elements {
	return readElements(`safetensors: tensor ${quote(name)}`, dtype, bytes, options, first);
}

function readMetadata({ metadata }: Header): Record<string, string> {
	if (metadata.has('__proto__')) fail(`${METADATA} holds the key "__proto__", which is refused`);
	return Object.fromEntries(metadata);
}

/** Names become keys of plain objects, so a prototype key is dangerous. */
function reachesPrototype(name: string): boolean {
	return name.includes('__proto__') && name.split('.').includes('__proto__');
}

function checkEntry({ name, dtype, shape, begin, end }: Description): Entry {
	if (reachesPrototype(name)) fail(`a tensor is named ${quote(name)}; names with "__proto__" are refused`);
	if (!Object.hasOwn(FILE_WIDTH, dtype)) {
		const readable = `readable are ${Object.keys(FILE_WIDTH).join(', ')}`;
		const tensor = `tensor ${quote(name)} has dtype ${quote(dtype)}`;
		if (!UNSUPPORTED.includes(dtype)) fail(`${tensor}; ${readable}`);
		fail(`${tensor}, which wgrad does not support; ${readable}. Convert it to F16, BF16 or F32 first`);
	}
	if (begin > end) fail(`tensor ${quote(name)} has data_offsets in the wrong order: [${begin}, ${end}]`);
	let size: number = FILE_WIDTH[dtype as FileDType];
	for (const count of shape) {
		size *= count;
		if (size > Number.MAX_SAFE_INTEGER)
			fail(`tensor ${quote(name)} has a shape too large to count: ${quote(formatShape(shape))}`);
	}
	if (size !== end - begin) {
		fail(
			`tensor ${quote(name)} of dtype ${dtype} and shape ${quote(formatShape(shape))} takes ${size} bytes, but its data_offsets span ${end - begin}`,
		);
	}
	return { name, dtype: dtype as FileDType, shape, begin, end };
}

/** Sorts entries by offset and checks that they cover the data exactly. */
function checkLayout(entries: Entry[], dataBytes: number): void {
	entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
	let covered = 0;
	for (const { name, begin, end } of entries) {
		if (begin !== covered || end > dataBytes) {
			const place = `tensor ${quote(name)} at [${begin}, ${end}]`;
			if (end > dataBytes)
				fail(`${place} lies outside the data of ${dataBytes} bytes: the file is cut short or its offsets are wrong`);
			if (begin < covered) fail(`${place} overlaps another tensor, which ends at ${covered}`);
			fail(`${place} leaves a gap after ${covered}`);
		}
		covered = end;
	}
	if (covered !== dataBytes) fail(`${dataBytes - covered} bytes after the last tensor belong to no tensor`);
}

/** The order of dtypes in a file. */
const FILE_ORDER: Record<DType, number> = {
	float64: 0,
	float32: 1,
	int32: 2,
	bfloat16: 3,
	float16: 4,
	int8: 5,
	uint8: 6,
	bool: 7,
};

const ARRAY_OF = {
	float32: Float32Array,
	float64: Float64Array,
	float16: Uint16Array,
	bfloat16: Uint16Array,
	int32: Int32Array,
	int8: Int8Array,
	uint8: Uint8Array,
	bool: Uint8Array,
};

/**
 * Returns a safetensors file of these tensors. Orders data by the width of their dtype, widest first, then by name, and pads the header to
 * a multiple of 8 bytes, as the format's own writer does. So all data are aligned.
 */
export function encodeSafetensors(
	tensors: readonly SafetensorsRecord[],
	metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
	requireArray('encodeSafetensors', 'tensors', tensors, 'a list of { name, dtype, shape, data }');
	if (!isObject(metadata)) throw new ArgumentError('encodeSafetensors: the metadata must be an object of strings by name');
	for (const record of tensors) checkRecord(record);
	const { start, sorted, size } = layOut(tensors, metadata);
	const file = new Uint8Array(size);
	file.set(start);
	let at = start.length;
	for (const { data } of sorted) {
		file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
		at += data.byteLength;
	}
	return file;
}

/** A tensor of a file to write. */
export type Described = Omit<SafetensorsRecord, 'data'>;

/** The bytes before the data of a file of these tensors, the order of the tensors in it, and its size. See `encodeSafetensors`. */
export function layOut<T extends Described>(
	tensors: readonly T[],
	metadata: Readonly<Record<string, string>>,
): { start: Uint8Array; sorted: T[]; size: number } {
	const names = new Set<string>();
	for (const { name } of tensors) checkName(name, names);
	const sorted = [...tensors].sort((a, b) => FILE_ORDER[a.dtype] - FILE_ORDER[b.dtype] || (a.name < b.name ? -1 : 1));
	const parts: string[] = [];
	if (Object.keys(metadata).length > 0) {
		for (const [key, text] of Object.entries(metadata)) {
			if (typeof text !== 'string') fail(`metadata ${quote(key)} is not a string but a ${typeof text}`);
			if (key === '__proto__') fail('metadata cannot have the key "__proto__"');
			if (LONE_SURROGATE.test(key + text)) fail(`metadata ${quote(key)} holds a lone surrogate, which UTF-8 cannot encode`);
		}
		parts.push(`"${METADATA}":${JSON.stringify(metadata)}`);
	}
	let size = 0;
	for (const { name, dtype, shape } of sorted) {
		const begin = size;
		size += numel(shape) * hostBytes(dtype);
		parts.push(
			`${JSON.stringify(name)}:{"dtype":"${WRITTEN_AS[dtype]}","shape":[${shape.join(',')}],"data_offsets":[${begin},${size}]}`,
		);
	}
	const header = new TextEncoder().encode(`{${parts.join(',')}}`);
	const headerBytes = Math.ceil(header.length / 8) * 8;
	if (headerBytes > MAX_HEADER_BYTES) fail(`the header would take ${headerBytes} bytes; the limit is ${MAX_HEADER_BYTES}`);
	const start = new Uint8Array(LENGTH_BYTES + headerBytes).fill(0x20);
	new DataView(start.buffer).setBigUint64(0, BigInt(headerBytes), true);
	start.set(header, LENGTH_BYTES);
	return { start, sorted, size: start.length + size };
}

function checkName(name: string, names: Set<string>): void {
	if (name === METADATA || reachesPrototype(name)) fail(`a tensor cannot be named ${quote(name)}`);
	if (LONE_SURROGATE.test(name)) fail(`the name ${quote(name)} holds a lone surrogate, which UTF-8 cannot encode`);
	if (names.has(name)) fail(`two tensors are named ${quote(name)}`);
	names.add(name);
}

function checkRecord(record: SafetensorsRecord): void {
	if (!isObject(record) || typeof record.name !== 'string')
		throw new ArgumentError('encodeSafetensors: each tensor must be an object { name, dtype, shape, data }');
	const { name, dtype, shape, data } = record;
	if (!Object.hasOwn(ARRAY_OF, dtype))
		throw new DTypeError(
			`safetensors: tensor ${quote(name)} has dtype ${String(dtype)}; it takes ${Object.keys(ARRAY_OF).join(', ')}`,
		);
	if (!(data instanceof ARRAY_OF[dtype])) {
		const given = ArrayBuffer.isView(data) ? (data as TypedArray).constructor.name : typeof data;
		throw new DTypeError(
			`safetensors: tensor ${quote(name)} of dtype ${dtype} comes as ${given} instead of ${ARRAY_OF[dtype].name}`,
		);
	}
	checkShape('encodeSafetensors', shape);
	if (data.length !== numel(shape)) {
		throw new ShapeError(
			`safetensors: tensor ${quote(name)} of shape ${formatShape(shape)} has ${numel(shape)} elements, but its data have ${data.length}`,
		);
	}
}
