/** Builds the graph of an ONNX file: nodes, initializers, and the integers that follow the dynamic axes. */
import type { DType, TypedArray } from '../../core/dtype';
import { storedArray } from '../../core/halves';
import type { Tensor } from '../../tensor';
import { ATTRIBUTE_TYPE, type AttributeProto, DATA_TYPE, type Message, type NodeProto } from './messages';
import { Dim, type Size, termsOf } from './symbols';

/** The types of constants: wgrad's, and those of shapes and of the words that hold bits. */
export type ElementType = DType | 'int64' | 'uint32';

/** A name in the graph. Node inputs that are left out are null. */
export type Name = string;

/** An attribute that is a float, because numbers are integers. */
export class Float {
	constructor(readonly value: number) {}
}

export function float(value: number): Float {
	return new Float(value);
}

export type Attribute = number | Float | string | readonly number[];
export type Attributes = Readonly<Record<string, Attribute | undefined>>;

export interface Initializer {
	readonly name: Name;
	readonly dataType: number;
	readonly dims: readonly number[];
	/** The bytes, or the tensor that holds them. */
	readonly data: Uint8Array | Tensor;
}

/** A dynamic axis: where its size stands. */
export interface Axis {
	readonly name: string;
	readonly input: Name;
	readonly dim: number;
}

export class Graph {
	readonly nodes: Message<NodeProto>[] = [];
	readonly initializers: Initializer[] = [];
	readonly #names = new Set<Name>();
	readonly #constants = new Map<string, Name>();
	readonly #sizes = new Map<string, Name>();
	/** The operation whose nodes are added, for their names. */
	place = '';

	constructor(
		readonly opset: number,
		readonly axes: readonly Axis[],
	) {}

	/** A name that no other value or node has. */
	unique(wanted: string): Name {
		let name = wanted;
		for (let i = 1; this.#names.has(name); i++) name = `${wanted}_${i}`;
		this.#names.add(name);
		return name;
	}

	/** Adds a node with one output. */
	add(opType: string, inputs: readonly (Name | null)[], attributes: Attributes = {}): Name {
		return this.addMany(opType, inputs, attributes, 1)[0]!;
	}

	addMany(opType: string, inputs: readonly (Name | null)[], attributes: Attributes, count: number): Name[] {
		const name = this.unique(`${this.place}/${opType}`);
		const output = Array.from({ length: count }, (_, i) => this.unique(`${name}_output_${i}`));
		const given = [...inputs];
		while (given.at(-1) === null) given.pop();
		this.nodes.push({ name, opType, input: given.map((input) => input ?? ''), output, attribute: attributesOf(attributes) });
		return output;
	}

	/** A tensor of constants. Equal ones are shared. */
	constant(dtype: ElementType, dims: readonly number[], values: ArrayLike<number>): Name {
		const list = Array.from(values);
		const key = `${dtype}[${dims.join()}]${list.map((value) => (Object.is(value, -0) ? '-0' : value)).join()}`;
		const known = list.length <= 64 ? this.#constants.get(key) : undefined;
		if (known !== undefined) return known;
		const name = this.unique('constant');
		this.initializers.push({ name, dataType: DATA_TYPE[dtype], dims, data: bytesOf(dtype, list) });
		this.#constants.set(key, name);
		return name;
	}

	scalar(dtype: ElementType, value: number): Name {
		return this.constant(dtype, [], [value]);
	}

	/** A vector of int64, such as a shape. */
	integers(list: readonly Size[]): Name {
		if (list.every((size) => typeof size === 'number')) return this.constant('int64', [list.length], list);
		const parts: Name[] = [];
		let fixed: number[] = [];
		const flush = () => {
			if (fixed.length > 0) parts.push(this.constant('int64', [fixed.length], fixed));
			fixed = [];
		};
		for (const size of list) {
			if (typeof size === 'number') fixed.push(size);
			else {
				flush();
				parts.push(this.#size(size));
			}
		}
		flush();
		return parts.length === 1 ? parts[0]! : this.add('Concat', parts, { axis: 0 });
	}

	/** A size as an int64 vector of one element. */
	#size(size: Dim): Name {
		const key = [...size.terms].map(([product, factor]) => `${product}:${factor}`).join(' ');
		const known = this.#sizes.get(key);
		if (known !== undefined) return known;
		let total: Name | null = null;
		for (const [product, factor] of termsOf(size)) {
			let term: Name | null = null;
			for (const symbol of product === '' ? [] : product.split(',')) {
				const { input, dim } = this.axes[Number(symbol)]!;
				const one = this.#symbol(input, dim);
				term = term === null ? one : this.add('Mul', [term, one]);
			}
			const scale = this.constant('int64', [1], [factor]);
			const scaled: Name = term === null ? scale : factor === 1 ? term : this.add('Mul', [term, scale]);
			total = total === null ? scaled : this.add('Add', [total, scaled]);
		}
		this.#sizes.set(key, total!);
		return total!;
	}

	#symbol(input: Name, dim: number): Name {
		const key = `${input} ${dim}`;
		let name = this.#sizes.get(key);
		if (name === undefined) {
			name = this.add('Shape', [input], { start: dim, end: dim + 1 });
			this.#sizes.set(key, name);
		}
		return name;
	}

	cast(x: Name, from: ElementType, to: ElementType): Name {
		return from === to ? x : this.add('Cast', [x], { to: DATA_TYPE[to] });
	}

	/** Adds nodes that reshape x from shape `from` to shape `to`. Returns the name of the result. */
	reshape(x: Name, from: readonly Size[], to: readonly Size[]): Name {
		const dynamic = to.filter((size) => size instanceof Dim);
		if (dynamic.length <= 1 && !to.includes(0)) {
			return this.add('Reshape', [
				x,
				this.constant(
					'int64',
					[to.length],
					to.map((size) => (size instanceof Dim ? -1 : size)),
				),
			]);
		}
		return this.add('Reshape', [x, this.integers(to)], from.includes(0) || to.includes(0) ? { allowzero: 1 } : {});
	}
}

function bytesOf(dtype: ElementType, values: readonly number[]): Uint8Array {
	const { buffer } =
		dtype === 'int64'
			? BigInt64Array.from(values, BigInt)
			: dtype === 'uint32'
				? Uint32Array.from(values)
				: elementsOf(dtype, values);
	return new Uint8Array(buffer as ArrayBuffer);
}

function elementsOf(dtype: DType, values: readonly number[]): TypedArray {
	switch (dtype) {
		case 'float64':
			return Float64Array.from(values);
		case 'int32':
			return Int32Array.from(values);
		case 'int8':
			return Int8Array.from(values);
		case 'uint8':
		case 'bool':
			return Uint8Array.from(values);
		default:
			return storedArray(dtype, Float32Array.from(values));
	}
}

function attributesOf(attributes: Attributes): Message<AttributeProto>[] {
	return Object.entries(attributes).flatMap(([name, value]): Message<AttributeProto>[] => {
		if (value === undefined) return [];
		if (typeof value === 'number') return [{ name, type: ATTRIBUTE_TYPE.int, i: value }];
		if (typeof value === 'string') return [{ name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(value) }];
		if (value instanceof Float) return [{ name, type: ATTRIBUTE_TYPE.float, f: value.value }];
		return [{ name, type: ATTRIBUTE_TYPE.ints, ints: value }];
	});
}
