/** Elementwise kernels on the host: the reference for shaders/elementwise.wgsl.ts, in double precision. */
import { isInteger } from '../../core/dtype';
import { isContiguous, numel } from '../../core/shape';
import type { View } from '../contract';
import type { BinaryOp, ElementwiseKernels } from '../contract/elementwise';
import {
	BINARY,
	type BinaryFunction,
	COMBINE,
	COMPARE,
	PREDICATE,
	TERNARY,
	UNARY,
	type UnaryFunction,
} from '../contract/elementwiseFunctions';
import { cpuData, positions } from './storage';

/** The integer function if y is an integer and the row has one, else the floating one. */
function binaryFunction(op: BinaryOp, y: View): BinaryFunction['value'] {
	const { value, integer = value }: BinaryFunction = BINARY[op];
	return isInteger(y.dtype) ? integer : value;
}

/**
 * y = compute(elements of the inputs at the same position), for one to three inputs. A bool y stores whether the result is
 * nonzero.
 */
function mapInto(y: View, inputs: readonly View[], compute: (a: number, b: number, c: number) => number): void {
	const target = cpuData(y);
	const [a, b, c] = inputs.map(reader);
	const at = reader(y).at;
	const size = numel(y.shape);
	const bool = y.dtype === 'bool';
	for (let i = 0; i < size; i++) {
		const value = compute(
			a === undefined ? 0 : a.data[a.at === null ? a.offset + i : a.at[i]!]!,
			b === undefined ? 0 : b.data[b.at === null ? b.offset + i : b.at[i]!]!,
			c === undefined ? 0 : c.data[c.at === null ? c.offset + i : c.at[i]!]!,
		);
		target[at === null ? y.offset + i : at[i]!] = bool ? (value !== 0 ? 1 : 0) : value;
	}
}

/** A view's data, and the positions of its elements unless they are consecutive. */
function reader(view: View) {
	return { data: cpuData(view), offset: view.offset, at: isContiguous(view.shape, view.strides) ? null : positions(view) };
}

function toInteger(x: number): number {
	return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), -(2 ** 31)), 2 ** 31 - 1);
}

export const elementwise: ElementwiseKernels = {
	unary({ x }, { y }, { op, p0 = 0, p1 = 0 }) {
		const { value, integer = value }: UnaryFunction = UNARY[op];
		const f = isInteger(x.dtype) ? integer : value;
		mapInto(y, [x], (element) => f(element, p0, p1));
	},

	unaryGrad({ saved, gradient }, { dx }, { op, p0 = 0, p1 = 0 }) {
		const f: (g: number, saved: number, p0: number, p1: number) => number = UNARY[op].gradient;
		mapInto(dx, [gradient, saved], (g, v) => f(g, v, p0, p1));
	},

	predicate({ x }, { y }, { op }) {
		const f = PREDICATE[op];
		mapInto(y, [x], (value) => Number(f(value)));
	},

	binary({ a, b }, { y }, { op }) {
		mapInto(y, [a, b], binaryFunction(op, y));
	},

	binaryScalar({ x }, { y }, { op, scalar, scalarFirst }) {
		const f = binaryFunction(op, y);
		mapInto(y, [x], scalarFirst ? (value) => f(scalar, value) : (value) => f(value, scalar));
	},

	binaryInPlace({ b }, { a }, { op }) {
		mapInto(a, [a, b], binaryFunction(op, a));
	},

	binaryScalarInPlace(_inputs, { x }, { op, scalar }) {
		const f = binaryFunction(op, x);
		mapInto(x, [x], (value) => f(value, scalar));
	},

	compare({ a, b }, { y }, { op }) {
		const f = COMPARE[op];
		mapInto(y, [a, b], (left, right) => Number(f(left, right)));
	},

	compareScalar({ x }, { y }, { op, scalar }) {
		const f = COMPARE[op];
		mapInto(y, [x], (value) => Number(f(value, scalar)));
	},

	combine({ a, b }, { y }, { op, factor }) {
		const f = COMBINE[op];
		mapInto(y, [a, b], (left, right) => f(left, right, factor));
	},

	where({ condition, a, b }, { y }, { a: left = 0, b: right = 0 }) {
		if (a && b) mapInto(y, [condition, a, b], (test, x, z) => (test !== 0 ? x : z));
		else if (a) mapInto(y, [condition, a], (test, x) => (test !== 0 ? x : right));
		else if (b) mapInto(y, [condition, b], (test, z) => (test !== 0 ? left : z));
		else mapInto(y, [condition], (test) => (test !== 0 ? left : right));
	},

	ternary({ a, b, c }, { y }, { op, p0 = 1 }) {
		const f = TERNARY[op];
		mapInto(y, [a, b, c], (left, middle, right) => f(left, middle, right, p0));
	},

	cast({ x }, { y }) {
		mapInto(y, [x], isInteger(y.dtype) ? toInteger : (value) => value);
	},
};
