/**
 * A recorder sees each operation that a program runs, by name, with its tensors and attributes: see formats/onnx/trace.ts. Operations within
 * an operation are not seen. A mode covers synchronous code only, never an `await`.
 */
import type { Tensor } from '../tensor';

type Absent = null | undefined;

/** One call of an operation. */
export interface RecordedCall {
	/** The name of the definition, which decides what the attributes are. */
	readonly kind: string;
	/** The public name. */
	readonly name: string;
	readonly inputs: Readonly<Record<string | number, Tensor | Absent>>;
	readonly attributes: unknown;
	/** The outputs in order. */
	readonly outputs: readonly (Tensor | Absent)[];
}

/** One write into a tensor: x becomes op(x, source), in the shape and dtype of x. */
export interface RecordedWrite {
	readonly name: string;
	readonly x: Tensor;
	readonly source: Tensor | null;
	readonly attributes: WriteAttributes;
}

/** 'copy' writes the source or, if there is none, `value`; the others compute from x and from alpha times the source or `value`. */
export interface WriteAttributes {
	readonly op: 'copy' | 'add' | 'sub' | 'mul' | 'div' | 'truncDiv' | 'floorDiv';
	readonly value: number | null;
	readonly alpha: number;
}

export interface Recorder {
	called(call: RecordedCall): void;
	/** Called before the memory of `x` changes. */
	beforeWrite(x: Tensor): void;
	wrote(write: RecordedWrite): void;
}

let recorder: Recorder | null = null;

/** What records now, or null. */
export function currentRecorder(): Recorder | null {
	return recorder;
}

/** Runs `fn` with another recorder; null records nothing. */
export function withRecorder<T>(next: Recorder | null, fn: () => T): T {
	const before = recorder;
	recorder = next;
	try {
		return fn();
	} finally {
		recorder = before;
	}
}
