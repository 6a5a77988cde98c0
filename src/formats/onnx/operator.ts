/** What an operator of ONNX sees of the node that it computes, and what it returns. */
import type { DeviceName } from '../../backends/contract';
import type { DType } from '../../core/dtype';
import { FormatError } from '../../core/errors';
import { tensor } from '../../ops/creation';
import { to } from '../../ops/elementwise';
import { contiguous } from '../../ops/layout';
import type { Operand } from '../../ops/operands';
import { Tensor } from '../../tensor';
import { keep, tidy } from '../../tidy';
import type { Attributes } from './attributes';

/** A tensor whose elements the host knows: a constant, or what follows from the shapes of tensors. */
export class Host {
	#numbers: readonly number[] | null = null;
	#moved: Tensor | null = null;

	/** `tensor` is on the CPU, and survives scopes. */
	constructor(readonly tensor: Tensor) {
		keep(tensor);
	}

	/** The elements in row-major order. */
	get numbers(): readonly number[] {
		this.#numbers ??= numbersIn(this.tensor);
		return this.#numbers;
	}

	/** Whether `x` is its tensor on some device. */
	holds(x: Tensor): boolean {
		return x === this.tensor || x === this.#moved;
	}

	/** The tensor on a device, uploaded once. */
	on(device: DeviceName): Tensor {
		if (device === 'cpu') return this.tensor;
		if (this.#moved === null || this.#moved.isDisposed || this.#moved.storage.owner.loss !== undefined) {
			const narrow = to(this.tensor, this.tensor.dtype === 'float64' ? 'float32' : this.tensor.dtype);
			this.#moved = keep(to(narrow, 'webgpu'));
		}
		return this.#moved;
	}
}

/** Reads a tensor on the CPU. */
function numbersIn(x: Tensor): readonly number[] {
	return tidy(() => {
		const packed = contiguous(x);
		return Array.from(packed.storage.hostData!().subarray(packed.offset, packed.offset + packed.size));
	});
}

/** int32 numbers that the host knows. */
export function hostInts(values: readonly number[], shape: readonly number[] = [values.length]): Host {
	return new Host(tensor(Int32Array.from(values), { shape, device: 'cpu' }));
}

/** A list of tensors, as sequence operators pass it on. An optional is a sequence of at most one element. */
export class Sequence {
	constructor(readonly items: readonly (Tensor | Host)[]) {}
}

export type Value = Tensor | Host | Sequence;

/** The output of an operator, or all its outputs. null: the node does not ask for it. */
export type Result = Value | readonly (Value | null)[];

/** A part of a graph that a node runs: the body of If, Loop and Scan. */
export interface Subgraph {
	readonly inputs: number;
	run(inputs: readonly (Value | null)[]): Steps<(Value | null)[]>;
}

/** Thrown if an operator needs elements on the host that only the device has. */
export class NeedsHost extends Error {
	constructor(readonly input: number) {
		super('the elements are on the device');
	}
}

/** A node while it runs. */
export interface Call {
	readonly attributes: Attributes;
	/** The operator set's version. */
	readonly version: number;
	/** Which outputs the node asks for. */
	readonly outputs: readonly boolean[];
	readonly inputs: readonly (Value | null)[];
	/** The types of the inputs in the file, of DATA_TYPE; undefined where the file does not say. */
	readonly types: readonly (number | undefined)[];
	/** Where the node computes. */
	readonly device: DeviceName;
	readonly training: boolean;
	dtypeOf(dataType: number): DType;
	subgraph(attribute: string): Subgraph;
	constant(attribute: string): Host | null;
}

/** A computation that now and then needs the elements of a tensor on the host: it yields the tensor, and goes on with what it is. */
export type Steps<T> = Generator<Tensor, T, Host>;

/** One row of the table of operators. */
export interface Operator {
	run(call: Call): Result | Steps<Result>;
	/** Inputs that training changes if they are initializers. */
	readonly weights?: readonly number[] | 'all';
	/** Whether inputs of one element are constants of a formula. Then they are not weights, and training leaves them alone. */
	readonly ignoresNumbers?: boolean;
	/** Inputs that are state but not trained, if they are initializers. */
	readonly buffers?: readonly number[];
	/** Inputs whose elements the output only rearranges. */
	readonly passes?: readonly number[] | 'all';
	/** Whether two runs on equal inputs may differ. */
	readonly varies?: boolean;
}

export type Table = Readonly<Record<string, Operator>>;

/** A required input as a tensor. */
export function input(call: Call, index: number): Tensor {
	const found = optional(call, index);
	if (found === null) throw new FormatError(`${call.attributes.node} lacks input ${index}`);
	return found;
}

export function optional(call: Call, index: number): Tensor | null {
	const value = call.inputs[index] ?? null;
	if (value instanceof Sequence)
		throw new FormatError(`${call.attributes.node}: input ${index} must be a tensor, not a sequence`);
	return value instanceof Host ? value.on(call.device) : value;
}

/** All inputs, which are tensors. */
export function inputs(call: Call): Tensor[] {
	return call.inputs.map((_, index) => input(call, index));
}

export function sequence(call: Call, index: number): Sequence {
	const value = call.inputs[index];
	if (value instanceof Sequence) return value;
	throw new FormatError(`${call.attributes.node}: input ${index} must be a sequence`);
}

export function has(call: Call, index: number): boolean {
	return call.inputs[index] != null;
}

/** The elements of an input on the host. */
export function numbers(call: Call, index: number): readonly number[] {
	const value = call.inputs[index];
	if (value instanceof Host) return value.numbers;
	if (value instanceof Tensor) throw new NeedsHost(index);
	throw new FormatError(`${call.attributes.node} lacks input ${index}`);
}

/** The only element of an input on the host. */
export function number(call: Call, index: number, otherwise?: number): number {
	if (otherwise !== undefined && !has(call, index)) return otherwise;
	const [first] = numbers(call, index);
	if (first === undefined) throw new FormatError(`${call.attributes.node}: input ${index} is empty`);
	return first;
}

/** Integers that were an attribute before version `since`, and are an input from then on. */
export function intsAt(call: Call, since: number, attribute: string, index: number): readonly number[] | null {
	if (call.version < since) return call.attributes.ints(attribute);
	return has(call, index) ? numbers(call, index) : null;
}

/** An input as a number if the host knows it and it has one element, and else as a tensor. */
export function operand(call: Call, index: number, rank: number): Operand {
	const value = call.inputs[index];
	if (value instanceof Host && call.device !== 'cpu' && value.tensor.size === 1 && value.tensor.ndim <= rank)
		return value.numbers[0]!;
	return input(call, index);
}

/** Throws unless the node is one that this library reads. */
export function unsupported(call: Call, what: string): never {
	throw new FormatError(`${call.attributes.node}: ${what} is not supported`);
}

/** An axis in 0..rank-1. */
export function axisOf(call: Call, axis: number, rank: number): number {
	const at = axis < 0 ? axis + rank : axis;
	if (Number.isInteger(at) && at >= 0 && (at < rank || (at === 0 && rank === 0))) return at;
	throw new FormatError(`${call.attributes.node}: axis ${axis} is out of range for ${rank} dims`);
}

/** The most elements that the host makes of constants. */
export const MOST_ON_HOST = 2 ** 26;

/** Throws if a node that only the file's numbers determine would make a huge tensor on the host. */
export function requireModest(call: Call, shape: readonly number[]): readonly number[] {
	const size = shape.reduce((product, length) => product * length, 1);
	const isOnHost = call.inputs.every((value) => value === null || value instanceof Host);
	if (isOnHost && size > MOST_ON_HOST)
		throw new FormatError(`${call.attributes.node} makes a constant of ${size} elements, and the limit is ${MOST_ON_HOST}`);
	return shape;
}
