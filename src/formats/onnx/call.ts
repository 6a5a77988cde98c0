/** What a row of the tables of operations gets: one recorded operation, and the graph to add its nodes to. */
import { type DType, isFloating } from '../../core/dtype';
import { ArgumentError } from '../../core/errors';
import type { Attributes, Graph, Name } from './graph';
import { nameOf, type SymbolicStep, type SymbolicValue } from './merge';
import { Dim, type Size } from './symbols';

/** Adds the nodes of one operation. Returns the name of its output, or those of its outputs. */
export type Row = (call: Call) => Name | readonly (Name | null)[];

/** The rows by the kind of operation. */
export type Rows = Readonly<Record<string, Row>>;

export class Call {
	constructor(
		readonly graph: Graph,
		readonly step: SymbolicStep,
		readonly names: ReadonlyMap<SymbolicValue, Name>,
		/** The operation that made a value, if one did. */
		readonly makerOf: (value: SymbolicValue) => SymbolicStep | undefined,
		/** Whether anything reads an output. */
		readonly isUsed: (output: number) => boolean,
	) {}

	/** The same place with another operation, for a row that uses another row. */
	withStep(step: SymbolicStep): Call {
		return new Call(this.graph, step, this.names, this.makerOf, this.isUsed);
	}

	/** The attributes, as the operation's definition has them. The row knows their types; numbers that may follow the axes are of type Size. */
	attributes<A>(): A {
		return this.step.attributes as A;
	}

	/** The name of an input. */
	in(key: string | number): Name {
		return this.names.get(this.value(key))!;
	}

	/** The name of an input, or null if the call left it out. */
	optional(key: string): Name | null {
		const value = this.step.inputs[key];
		return value == null ? null : this.names.get(value)!;
	}

	value(key: string | number): SymbolicValue {
		return this.step.inputs[key]!;
	}

	has(key: string): boolean {
		return this.step.inputs[key] != null;
	}

	shape(key: string | number): readonly Size[] {
		return this.value(key).shape;
	}

	dtype(key: string | number): DType {
		return this.value(key).dtype;
	}

	/** The output at a position, which exists. */
	output(index = 0): SymbolicValue {
		return this.step.outputs[index]!;
	}

	/** An input in another dtype. */
	as(key: string | number, dtype: DType): Name {
		return this.graph.cast(this.in(key), this.dtype(key), dtype);
	}

	add(opType: string, inputs: readonly (Name | null)[], attributes: Attributes = {}): Name {
		return this.graph.add(opType, inputs, attributes);
	}

	/** A constant, or a size that follows a dynamic axis. */
	scalar(value: Size, dtype: DType): Name {
		if (typeof value === 'number') return this.graph.scalar(dtype, value);
		return this.graph.cast(this.graph.reshape(this.graph.integers([value]), [1], []), 'int64', dtype);
	}

	/** A size that the row needs as a number. */
	number(size: Size, what: string): number {
		if (size instanceof Dim) this.refuse(`${what} follows a dynamic axis`);
		return size as number;
	}

	numbers(sizes: readonly Size[], what: string): number[] {
		return sizes.map((size) => this.number(size, what));
	}

	/** The dtype in which half-precision values are computed where several nodes make one operation. */
	wide(dtype: DType): DType {
		return isFloating(dtype) && dtype !== 'float64' ? 'float32' : dtype;
	}

	/** Runs `body` on the given input in float32, and rounds its result to the dtype of the output. */
	inFloat32(key: string, body: (x: Name, dtype: DType) => Name): Name {
		const wide = this.wide(this.output().dtype);
		return this.graph.cast(body(this.as(key, wide), wide), wide, this.output().dtype);
	}

	refuse(reason: string): never {
		throw new ArgumentError(`ONNX export: ${nameOf(this.step)} cannot be exported: ${reason}`);
	}
}
