/** Writes models of one operator, and larger ones, for the tests of ONNX. */
import {
	ATTRIBUTE_TYPE,
	type AttributeProto,
	DATA_TYPE,
	encodeModel,
	type GraphProto,
	type Message,
	type NodeProto,
	type TensorProto,
} from '../../../src/formats/onnx/messages';

export type ElementType = 'float32' | 'float64' | 'int32' | 'int64' | 'uint8' | 'int8' | 'uint16' | 'int16' | 'bool' | 'float16';

/** An input of a case. */
export interface Given {
	readonly type: ElementType;
	readonly shape: readonly number[];
	readonly values: readonly number[];
	/** Whether it is an initializer, which the host knows. */
	readonly fixed: boolean;
}

/** Whole numbers, strings and lists of them stand for themselves. */
export type Attribute =
	| number
	| string
	| readonly number[]
	| { readonly f: number }
	| { readonly floats: readonly number[] }
	| { readonly texts: readonly string[] }
	| { readonly t: Given }
	| { readonly g: Message<GraphProto> };

export interface OnnxCase {
	readonly op: string;
	readonly domain?: string;
	/** Of the operator set. Default 21. */
	readonly version?: number;
	readonly attributes?: Readonly<Record<string, Attribute>>;
	readonly inputs: readonly (Given | null)[];
	/** How many outputs there are, or which of them. Default 1. */
	readonly outputs?: number | readonly boolean[];
	/** The operator draws numbers, so only shapes are compared. */
	readonly random?: boolean;
	/** The operator needs elements on the host. */
	readonly waits?: boolean;
}

/** A sequence of numbers that looks random, the same everywhere. */
export function noise(count: number, low = -1, high = 1, seed = 1): number[] {
	let state = (seed * 2654435761 + count) >>> 0;
	return Array.from({ length: count }, () => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.fround(low + ((state >>> 8) / 2 ** 24) * (high - low));
	});
}

function size(shape: readonly number[]): number {
	return shape.reduce((product, length) => product * length, 1);
}

let drawn = 0;

/** Floating numbers, an input of the model. */
export function f(shape: readonly number[], low = -2, high = 2): Given {
	return { type: 'float32', shape, values: noise(size(shape), low, high, ++drawn), fixed: false };
}

/** Given values, an input of the model. */
export function v(type: ElementType, values: readonly number[], shape: readonly number[] = [values.length]): Given {
	return { type, shape, values, fixed: false };
}

/** Whole numbers below `high`, an input of the model. */
export function n(type: ElementType, shape: readonly number[], low: number, high: number): Given {
	return { type, shape, values: noise(size(shape), low, high, ++drawn).map(Math.floor), fixed: false };
}

/** The same as an initializer. */
export function fixed(given: Given): Given {
	return { ...given, fixed: true };
}

/** int64 numbers that the host knows. */
export function ints(...values: number[]): Given {
	return { type: 'int64', shape: [values.length], values, fixed: true };
}

export function scalar(value: number, type: ElementType = 'float32'): Given {
	return { type, shape: [], values: [value], fixed: true };
}

export function tensorProto(name: string, { type, shape, values }: Given): Message<TensorProto> {
	const bytes = (array: { readonly buffer: ArrayBufferLike }) => new Uint8Array(array.buffer);
	const raw = {
		float32: () => bytes(Float32Array.from(values)),
		float64: () => bytes(Float64Array.from(values)),
		float16: () => bytes(Uint16Array.from(values)),
		int32: () => bytes(Int32Array.from(values)),
		int64: () => bytes(BigInt64Array.from(values.map(BigInt))),
		uint8: () => Uint8Array.from(values),
		uint16: () => bytes(Uint16Array.from(values)),
		int16: () => bytes(Int16Array.from(values)),
		int8: () => bytes(Int8Array.from(values)),
		bool: () => Uint8Array.from(values),
	}[type]();
	return { name, dataType: DATA_TYPE[type], dims: [...shape], rawData: raw };
}

function attributeProto(name: string, value: Attribute): Message<AttributeProto> {
	const encode = (text: string) => new TextEncoder().encode(text);
	if (typeof value === 'number') return { name, type: ATTRIBUTE_TYPE.int, i: value };
	if (typeof value === 'string') return { name, type: ATTRIBUTE_TYPE.string, s: encode(value) };
	if (Array.isArray(value)) return { name, type: ATTRIBUTE_TYPE.ints, ints: [...(value as readonly number[])] };
	if ('f' in value) return { name, type: ATTRIBUTE_TYPE.float, f: value.f };
	if ('floats' in value) return { name, type: ATTRIBUTE_TYPE.floats, floats: [...value.floats] };
	if ('texts' in value) return { name, type: ATTRIBUTE_TYPE.strings, strings: value.texts.map(encode) };
	if ('t' in value) return { name, type: ATTRIBUTE_TYPE.tensor, t: tensorProto('', value.t) };
	if ('g' in value) return { name, type: ATTRIBUTE_TYPE.graph, g: value.g };
	throw new Error(`${name}: no attribute`);
}

export function node(
	opType: string,
	input: readonly string[],
	output: readonly string[],
	attributes: Readonly<Record<string, Attribute>> = {},
	domain = '',
): Message<NodeProto> {
	const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
	return { opType, input: [...input], output: [...output], attribute, domain };
}

/** An input or output of any shape. */
export function value(name: string, type: ElementType | null, shape: readonly (number | string)[] | null = null) {
	if (type === null) return { name };
	const dim = shape?.map((length) => (typeof length === 'number' ? { dimValue: length } : { dimParam: length }));
	return { name, type: { tensorType: { elemType: DATA_TYPE[type], ...(dim && { shape: { dim } }) } } };
}

export function model(graph: Message<GraphProto>, version = 21): Uint8Array {
	const opsetImport = [
		{ domain: '', version },
		{ domain: 'com.microsoft', version: 1 },
	];
	return encodeModel({ irVersion: version < 13 ? 6 : 10, opsetImport, graph: { name: 'g', ...graph } });
}

/** The model of a case. Its inputs are x0, x1, ... and its outputs y0, y1, ... */
export function modelOf({ op, domain = '', version = 21, attributes = {}, inputs, outputs = 1 }: OnnxCase): Uint8Array {
	const wanted = typeof outputs === 'number' ? new Array<boolean>(outputs).fill(true) : outputs;
	const names = wanted.map((isWanted, i) => (isWanted ? `y${i}` : ''));
	const initializer = inputs.flatMap((given, i) => (given?.fixed ? [tensorProto(`x${i}`, given)] : []));
	return model(
		{
			node: [
				node(
					op,
					inputs.map((given, i) => (given === null ? '' : `x${i}`)),
					names,
					attributes,
					domain,
				),
			],
			initializer,
			input: inputs.flatMap((given, i) => (given === null || given.fixed ? [] : [value(`x${i}`, given.type, given.shape)])),
			output: names.filter((name) => name !== '').map((name) => value(name, null)),
		},
		version,
	);
}
