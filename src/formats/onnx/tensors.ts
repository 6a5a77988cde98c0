/** The elements of tensors in ONNX files. */
import { type DType, isFloating } from '../../core/dtype';
import { FormatError } from '../../core/errors';
import { numel } from '../../core/shape';
import { type ElementOptions, type Elements, FILE_WIDTH, type FileDType, readElements } from '../../io/elements';
import { quote } from '../../io/header';
import { DATA_TYPE, type TensorProto } from './messages';

/** How a file's floating types are read. */
export interface Precision {
	readonly float16: 'float16' | 'float32';
	readonly bfloat16: 'bfloat16' | 'float32';
	readonly float64: 'float64' | 'float32';
}

const FILE_TYPES: Readonly<Record<number, FileDType>> = {
	[DATA_TYPE.float32]: 'F32',
	[DATA_TYPE.uint8]: 'U8',
	[DATA_TYPE.int8]: 'I8',
	[DATA_TYPE.uint16]: 'U16',
	[DATA_TYPE.int16]: 'I16',
	[DATA_TYPE.int32]: 'I32',
	[DATA_TYPE.int64]: 'I64',
	[DATA_TYPE.bool]: 'BOOL',
	[DATA_TYPE.float16]: 'F16',
	[DATA_TYPE.float64]: 'F64',
	[DATA_TYPE.uint32]: 'U32',
	[DATA_TYPE.uint64]: 'U64',
	[DATA_TYPE.bfloat16]: 'BF16',
};

const OWN_TYPES: Readonly<Record<FileDType, DType>> = {
	BOOL: 'bool',
	U8: 'uint8',
	I8: 'int8',
	I16: 'int32',
	U16: 'int32',
	I32: 'int32',
	U32: 'int32',
	I64: 'int32',
	U64: 'int32',
	F16: 'float16',
	BF16: 'bfloat16',
	F32: 'float32',
	F64: 'float64',
};

/** The name of an ONNX type. */
export function typeName(dataType: number): string {
	return Object.entries(DATA_TYPE).find(([, code]) => code === dataType)?.[0] ?? `number ${dataType}`;
}

/** The dtype of tensors of an ONNX type. Integers of other sizes than 8 bits are int32. */
export function dtypeOf(what: string, dataType: number, precision: Precision): DType {
	if (dataType === DATA_TYPE.uint4) return 'uint8';
	if (dataType === DATA_TYPE.int4) return 'int8';
	const type = FILE_TYPES[dataType];
	if (type === undefined) throw new FormatError(`${what} has the type ${typeName(dataType)}, which is not supported`);
	const own = OWN_TYPES[type];
	return own === 'float16' || own === 'bfloat16' || own === 'float64' ? precision[own] : own;
}

/** The shape of a tensor, once it is sound. */
export function shapeOf(what: string, dims: readonly number[]): readonly number[] {
	if (dims.length > 8 || dims.some((size) => !Number.isSafeInteger(size) || size < 0) || numel(dims) > 2 ** 40)
		throw new FormatError(`${what} has the shape [${dims.join(', ')}]`);
	return dims;
}

export function nameOf(proto: TensorProto): string {
	return `tensor ${quote(proto.name)}`;
}

/** Bytes that a tensor's elements take in a file, for a file beside the model. */
export function byteLength(proto: TensorProto): number {
	const type = FILE_TYPES[proto.dataType];
	const count = numel(shapeOf(nameOf(proto), proto.dims));
	if (type !== undefined) return count * FILE_WIDTH[type];
	dtypeOf(nameOf(proto), proto.dataType, { float16: 'float32', bfloat16: 'float32', float64: 'float32' });
	return Math.ceil(count / 2);
}

/** The elements of a tensor. `external` are its bytes if they are in another file. */
export function elementsOf(proto: TensorProto, external: Uint8Array | null, precision: Precision): Elements {
	const what = nameOf(proto);
	const dtype = dtypeOf(what, proto.dataType, precision);
	const count = numel(shapeOf(what, proto.dims));
	const raw = external ?? (proto.rawData.length > 0 || fieldOf(proto).length === 0 ? proto.rawData : null);
	const elements = raw === null ? fromField(proto, count) : fromBytes(proto, raw, count, precision);
	const found = elements.data.length;
	if (found !== count) throw new FormatError(`${what} has ${found} elements, and its shape [${proto.dims.join(', ')}] ${count}`);
	return isFloating(dtype) && elements.dtype !== dtype ? widened(what, elements, dtype) : elements;
}

function widened(what: string, { data, dtype: from }: Elements, dtype: DType): Elements {
	if (from === 'bfloat16' && dtype === 'float32') {
		const bits = new Uint32Array(data.length);
		for (let i = 0; i < bits.length; i++) bits[i] = data[i]! << 16;
		return { dtype, data: new Float32Array(bits.buffer) };
	}
	if (from === 'float64') return { dtype, data: Float32Array.from(data) };
	const type = from === 'float16' ? 'F16' : 'F32';
	const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
	return readElements(what, type, bytes, { float16As: 'float32' });
}

function fromBytes(proto: TensorProto, bytes: Uint8Array, count: number, precision: Precision): Elements {
	const what = nameOf(proto);
	const type = FILE_TYPES[proto.dataType];
	if (type === undefined) return unpacked(proto, bytes, count);
	if (bytes.length !== count * FILE_WIDTH[type])
		throw new FormatError(`${what} has ${bytes.length} bytes, and its ${count} elements take ${count * FILE_WIDTH[type]}`);
	if (type === 'I64' || type === 'U64') {
		const { buffer, byteOffset } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
		const wide = type === 'I64' ? new BigInt64Array(buffer, byteOffset, count) : new BigUint64Array(buffer, byteOffset, count);
		return { dtype: 'int32', data: narrowed(what, count, (i) => Number(wide[i]!)) };
	}
	const options: ElementOptions = { float16As: precision.float16, float64As: precision.float64 };
	return readElements(what, type, bytes, options);
}

/** Numbers beyond this stand for the end of a dim, and become the largest int32. */
const ENDLESS = 2 ** 62;

function narrowed(what: string, count: number, at: (index: number) => number): Int32Array {
	const result = new Int32Array(count);
	for (let i = 0; i < count; i++) {
		const value = at(i);
		if (value >= ENDLESS) result[i] = 2 ** 31 - 1;
		else if (value <= -ENDLESS) result[i] = -(2 ** 31);
		else if (value === (value | 0)) result[i] = value;
		else throw new FormatError(`${what} holds ${value} at index ${i}, which does not fit int32`);
	}
	return result;
}

/** The list of numbers that holds the elements, if there are no bytes. */
function fieldOf(proto: TensorProto): readonly number[] {
	switch (proto.dataType) {
		case DATA_TYPE.float32:
			return proto.floatData;
		case DATA_TYPE.float64:
			return proto.doubleData;
		case DATA_TYPE.int64:
			return proto.int64Data;
		case DATA_TYPE.uint32:
		case DATA_TYPE.uint64:
			return proto.uint64Data;
		default:
			return proto.int32Data;
	}
}

function fromField(proto: TensorProto, count: number): Elements {
	const what = nameOf(proto);
	const values = fieldOf(proto);
	const type = FILE_TYPES[proto.dataType];
	if (type === undefined) return unpacked(proto, Uint8Array.from(values), count);
	switch (OWN_TYPES[type]) {
		case 'float32':
			return { dtype: 'float32', data: Float32Array.from(values) };
		case 'float64':
			return { dtype: 'float64', data: Float64Array.from(values) };
		case 'float16':
		case 'bfloat16':
			return { dtype: OWN_TYPES[type], data: Uint16Array.from(values) };
		case 'int8':
			return { dtype: 'int8', data: Int8Array.from(values) };
		case 'uint8':
			return { dtype: 'uint8', data: Uint8Array.from(values) };
		case 'bool':
			return { dtype: 'bool', data: Uint8Array.from(values, (value) => (value === 0 ? 0 : 1)) };
		case 'int32':
			return { dtype: 'int32', data: narrowed(what, values.length, (i) => values[i]!) };
	}
}

/** Two elements of 4 bits a byte, the lower first. */
function unpacked(proto: TensorProto, bytes: Uint8Array, count: number): Elements {
	if (bytes.length !== Math.ceil(count / 2))
		throw new FormatError(`${nameOf(proto)} has ${bytes.length} bytes for ${count} elements of 4 bits`);
	const bits = (i: number) => (i % 2 === 0 ? bytes[i >> 1]! & 15 : bytes[i >> 1]! >> 4);
	if (proto.dataType === DATA_TYPE.uint4) return { dtype: 'uint8', data: Uint8Array.from({ length: count }, (_, i) => bits(i)) };
	return { dtype: 'int8', data: Int8Array.from({ length: count }, (_, i) => (bits(i) << 28) >> 28) };
}
