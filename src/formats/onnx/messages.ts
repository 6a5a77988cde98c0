/**
 * Reads and writes the messages of ONNX files: the types of what `schema.ts` reads. Numbers of 64 bits are numbers here, so those beyond
 * 2^53 are rounded. Bytes share the file's memory.
 */
import protobuf from 'protobufjs/minimal.js';
import { FormatError } from '../../core/errors';
import { onnx } from './schema';

export interface ModelProto {
	irVersion: number;
	opsetImport: OperatorSetIdProto[];
	producerName: string;
	producerVersion: string;
	domain: string;
	modelVersion: number;
	docString: string;
	graph: GraphProto | null;
	metadataProps: StringStringEntryProto[];
	functions: FunctionProto[];
}

export interface OperatorSetIdProto {
	domain: string;
	version: number;
}

export interface StringStringEntryProto {
	key: string;
	value: string;
}

export interface FunctionProto {
	name: string;
	input: string[];
	output: string[];
	attribute: string[];
	attributeProto: AttributeProto[];
	node: NodeProto[];
	opsetImport: OperatorSetIdProto[];
	domain: string;
	overload: string;
}

export interface GraphProto {
	node: NodeProto[];
	name: string;
	initializer: TensorProto[];
	sparseInitializer: SparseTensorProto[];
	docString: string;
	input: ValueInfoProto[];
	output: ValueInfoProto[];
	valueInfo: ValueInfoProto[];
}

export interface NodeProto {
	input: string[];
	output: string[];
	name: string;
	opType: string;
	domain: string;
	overload: string;
	attribute: AttributeProto[];
}

export interface AttributeProto {
	name: string;
	refAttrName: string;
	/** Of ATTRIBUTE_TYPE. */
	type: number;
	f: number;
	i: number;
	s: Uint8Array;
	t: TensorProto | null;
	g: GraphProto | null;
	sparseTensor: SparseTensorProto | null;
	floats: number[];
	ints: number[];
	strings: Uint8Array[];
	tensors: TensorProto[];
	graphs: GraphProto[];
}

export interface ValueInfoProto {
	name: string;
	type: TypeProto | null;
	docString: string;
}

/** Holds one of the types. */
export interface TypeProto {
	tensorType: TensorTypeProto | null;
	sequenceType: { elemType: TypeProto | null } | null;
	mapType: { keyType: number; valueType: TypeProto | null } | null;
	optionalType: { elemType: TypeProto | null } | null;
	denotation: string;
}

export interface TensorTypeProto {
	/** Of DATA_TYPE. */
	elemType: number;
	/** null: of any rank. */
	shape: TensorShapeProto | null;
}

export interface TensorShapeProto {
	dim: DimensionProto[];
}

/** Holds a size, a name, or neither. */
export interface DimensionProto {
	dimValue: number | null;
	dimParam: string | null;
	denotation: string;
}

export interface TensorProto {
	dims: number[];
	/** Of DATA_TYPE. */
	dataType: number;
	floatData: number[];
	int32Data: number[];
	stringData: Uint8Array[];
	int64Data: number[];
	name: string;
	rawData: Uint8Array;
	doubleData: number[];
	uint64Data: number[];
	docString: string;
	externalData: StringStringEntryProto[];
	/** 1: in the file that `externalData` names. */
	dataLocation: number;
}

export interface SparseTensorProto {
	values: TensorProto | null;
	indices: TensorProto | null;
	dims: number[];
}

/** A message to write: fields may be left out. */
export type Message<T> = T extends Uint8Array
	? T
	: T extends readonly (infer Item)[]
		? readonly Message<Item>[]
		: T extends object
			? { readonly [Key in keyof T]?: Message<T[Key]> }
			: T;

export const ATTRIBUTE_TYPE = {
	undefined: 0,
	float: 1,
	int: 2,
	string: 3,
	tensor: 4,
	graph: 5,
	floats: 6,
	ints: 7,
	strings: 8,
	tensors: 9,
	graphs: 10,
	sparseTensor: 11,
} as const;

export const DATA_TYPE = {
	undefined: 0,
	float32: 1,
	uint8: 2,
	int8: 3,
	uint16: 4,
	int16: 5,
	int32: 6,
	int64: 7,
	string: 8,
	bool: 9,
	float16: 10,
	float64: 11,
	uint32: 12,
	uint64: 13,
	complex64: 14,
	complex128: 15,
	bfloat16: 16,
	float8e4m3fn: 17,
	float8e4m3fnuz: 18,
	float8e5m2: 19,
	float8e5m2fnuz: 20,
	uint4: 21,
	int4: 22,
	float4e2m1: 23,
} as const;

/** protobufjs gives 64-bit numbers as objects where the package `long` is installed. */
interface WireReader extends Omit<protobuf.Reader, 'int64' | 'uint64'> {
	int64(): unknown;
	uint64(): unknown;
}

const WireReader = protobuf.Reader as unknown as new (bytes: Uint8Array) => WireReader;

class NumberReader extends WireReader {
	constructor(bytes: Uint8Array) {
		super(bytes);
		this.discardUnknown = true;
	}

	override int64(): number {
		return Number(super.int64());
	}

	override uint64(): number {
		return Number(super.uint64());
	}
}

const Model = (
	onnx as unknown as {
		readonly ModelProto: {
			decode(reader: NumberReader): ModelProto;
			encode(message: Message<ModelProto>): protobuf.Writer;
		};
	}
).ModelProto;

/** Throws a FormatError unless `bytes` are a model's. */
export function decodeModel(bytes: Uint8Array): ModelProto {
	// Node's Buffer has a slice() of its own.
	const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	try {
		return Model.decode(new NumberReader(plain));
	} catch (error) {
		throw new FormatError(`ONNX file: it is cut short or damaged, or it is no ONNX file: ${(error as Error).message}`, {
			cause: error,
		});
	}
}

export function encodeModel(model: Message<ModelProto>): Uint8Array {
	return Model.encode(model).finish();
}
