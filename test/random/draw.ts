/** Random cases, and how to draw their parts: sizes, memory layouts, values. */
import type fc from 'fast-check';
import { type Device, type DType, noGrad, type Tensor, tensor } from 'wgrad';
import { float16ToFloat32, float32ToFloat16 } from '../../src/core/float16';
import { stream } from '../ops/database';

/** The memory layout of an input: a part of a larger array, with dims stored in any order. */
interface Placement {
	/** The dims, outermost first, as they are stored. */
	readonly order: readonly number[];
	/** By dim: the number of array elements before the first one. */
	readonly starts: readonly number[];
	/** By dim: the distance between adjacent elements, in elements of the array. */
	readonly steps: readonly number[];
	/** By dim: whether one stored element is repeated. */
	readonly expanded: readonly boolean[];
}

export interface Values {
	/** Range of floats and integers, [low, high). Default [-2, 2). */
	readonly low?: number;
	readonly high?: number;
	/** Floats are multiples of this number, so that ties are common; the case must set `ties`. */
	readonly multipleOf?: number;
	/** No two values are equal, for operations with a choice that flips at ties. */
	readonly distinct?: boolean;
	/** Floats keep 0.02 away from these kinks. */
	readonly avoid?: readonly number[];
	/** Whether to check the gradient. By default floating inputs are checked. */
	readonly gradient?: boolean;
}

export interface Input extends Values {
	readonly shape: readonly number[];
	readonly dtype: DType;
	readonly seed: number;
	readonly placement: Placement | null;
	/** Whether floats are values of float16. */
	readonly half?: boolean;
}

export interface Case {
	readonly operation: string;
	readonly inputs: readonly Input[];
	/** The other arguments of the call, for messages only. */
	readonly args: unknown;
	call(inputs: Tensor[]): Tensor | readonly Tensor[];
	/** Whether equal values move together when the condition of the result is measured. */
	readonly ties?: boolean;
	/** The allowed absolute error, even for small results; each use gives the reason. Default 0. */
	readonly absolute?: number;
	/** The same for gradients. Default: `absolute`. */
	readonly absoluteGradient?: number;
	/** The seed of this case, also for the engine's generator. */
	readonly seed: number;
	/** Whether to compute gradients with the composed, recordable forms instead of fused kernels. */
	readonly composed: boolean;
	/** Whether to run in float16 on the GPU. */
	readonly half?: boolean;
}

/** The same case in float16. */
export function halved(given: Case): Case {
	return { ...given, half: true, inputs: given.inputs.map((input) => ({ ...input, half: true })) };
}

/** `values` rounded to float16. */
export function roundToHalf(values: readonly number[]): number[] {
	return [...float16ToFloat32(float32ToFloat16(Float32Array.from(values)))];
}

/** Sizes at the edges of vectors, subgroups, workgroups and tiles. */
const EDGES = [33, 65, 16, 17, 31, 64];

/** Draws with fast-check, which sees every choice and can shrink it. The first of several choices is the simplest. */
export class Draw {
	readonly #value: fc.GeneratorValue;
	readonly #fc: typeof fc;

	constructor(value: fc.GeneratorValue, library: typeof fc) {
		this.#value = value;
		this.#fc = library;
	}

	/** An integer from min to max, inclusive. */
	int(min: number, max: number): number {
		return min === max ? min : this.#value(this.#fc.integer, { min, max });
	}

	pick<T>(choices: readonly T[]): T {
		return choices[this.int(0, choices.length - 1)]!;
	}

	/** True with probability 1 / `n`. */
	oneIn(n: number): boolean {
		return this.int(0, n - 1) === n - 1;
	}

	bool(): boolean {
		return this.oneIn(2);
	}

	/** One of 1 ... 9; sometimes 0, if that is allowed, or an odd larger one up to `most`. */
	size({ empty = false, most = 65 }: { empty?: boolean; most?: number } = {}): number {
		const kind = this.int(0, 19);
		if (kind === 19 && empty) return 0;
		if (kind >= 17) return this.pick(EDGES.filter((size) => size <= most).concat(1));
		return this.int(1, Math.min(9, most));
	}

	/** Sizes of `rank` dims, with at most `elements` in all. */
	shape(rank: number, { empty = true, elements = 600 }: { empty?: boolean; elements?: number } = {}): number[] {
		const shape: number[] = [];
		let left = elements;
		for (let dim = 0; dim < rank; dim++) {
			const size = Math.min(this.size({ empty, most: left }), left);
			shape.push(size);
			left = Math.max(1, Math.floor(left / Math.max(size, 1)));
		}
		return shape;
	}

	/** A dim of a tensor of this rank, counted from either end. */
	dim(rank: number): number {
		const dim = this.int(0, Math.max(rank - 1, 0));
		return this.oneIn(3) ? dim - Math.max(rank, 1) : dim;
	}

	/** Distinct dims in any order. */
	dims(rank: number, count = this.int(1, Math.max(rank, 1))): number[] {
		return this.order(rank)
			.slice(0, count)
			.map((dim) => (this.oneIn(4) ? dim - rank : dim));
	}

	/** 0 ... n - 1 in any order. */
	order(n: number): number[] {
		const rest = Array.from({ length: n }, (_, i) => i);
		return Array.from({ length: n }, () => rest.splice(this.int(0, rest.length - 1), 1)[0]!);
	}

	/** A shape that broadcasts to this one: dims of size 1, leading dims missing. */
	broadcast(shape: readonly number[]): number[] {
		if (this.oneIn(3)) return [...shape];
		return shape.slice(this.oneIn(3) ? this.int(0, shape.length) : 0).map((size) => (this.oneIn(3) ? 1 : size));
	}

	input(shape: readonly number[], dtype: DType = 'float32', values: Values = {}): Input {
		return { shape, dtype, placement: this.#placement(shape, values.distinct === true), seed: this.int(0, 999), ...values };
	}

	/** An int32 tensor of valid positions along a dim of this size. */
	indices(shape: readonly number[], size: number): Input {
		return this.input(shape, 'int32', { low: 0, high: size });
	}

	case(
		operation: string,
		inputs: readonly Input[],
		call: Case['call'],
		args: unknown = {},
		rest: Partial<Pick<Case, 'ties' | 'absolute' | 'absoluteGradient'>> = {},
	): Case {
		return { operation, inputs, args, call, seed: this.int(0, 999), composed: this.oneIn(4), ...rest };
	}

	#placement(shape: readonly number[], distinct: boolean): Placement | null {
		const rank = shape.length;
		const kind = this.int(0, 7);
		if (rank === 0 || kind < 3) return null;
		const some = (chosen: boolean) => shape.map(() => chosen && this.oneIn(2));
		const [permuted, offset, strided, expanded] = [kind === 3, kind === 4, kind === 5, kind === 6 && !distinct];
		const [starts, steps] = [some(offset || kind === 7), some(strided || kind === 7)];
		return {
			order: permuted || kind === 7 ? this.order(rank) : shape.map((_, dim) => dim),
			starts: starts.map((on) => (on ? 1 : 0)),
			steps: steps.map((on) => (on ? 2 : 1)),
			expanded: some(expanded),
		};
	}
}

/**
 * The relative change of a value. It depends on the index in row-major order (each element of an expanded view moves alone), or,
 * if equal values must stay equal, on the value.
 */
export interface Perturbation {
	readonly by: 'index' | 'value';
	readonly round: number;
}

export function moved({ by, round }: Perturbation, index: number, value: number, which: number): number {
	let bits =
		by === 'index' ? Math.imul(index, 0x9e3779b1) + Math.imul(which, 0x85ebca6b) : Math.imul(value * 2 ** 20, 0x9e3779b1);
	bits = Math.imul(bits ^ (bits >>> 15) ^ Math.imul(round + 1, 0x27d4eb2f), 0x2c1b3c6d);
	bits = Math.imul(bits ^ (bits >>> 13), 0x297a2d39);
	bits ^= bits >>> 16;
	const size = 0.5 + (bits >>> 1) / 2 ** 31;
	return 1 + 2 ** -16 * (bits & 1 ? -size : size);
}

function drawValues(input: Input, count: number): number[] {
	const { low = -2, high = 2, multipleOf, avoid = [], dtype, distinct } = input;
	const next = stream(`${input.seed}`);
	if (distinct) {
		const order = Array.from({ length: count }, (_, i) => i);
		for (let i = count - 1; i > 0; i--) {
			const other = Math.floor(next() * (i + 1));
			[order[i], order[other]] = [order[other]!, order[i]!];
		}
		return order.map((rank) => Math.fround(low + ((rank + 0.25 + 0.5 * next()) / count) * (high - low)));
	}
	return Array.from({ length: count }, () => {
		if (dtype === 'bool') return next() < 0.5 ? 0 : 1;
		if (dtype === 'int32') return Math.floor(low + next() * (high - low));
		let value = low + next() * (high - low);
		if (multipleOf !== undefined) return Math.round(value / multipleOf) * multipleOf;
		for (const kink of avoid) if (Math.abs(value - kink) < 0.02) value = kink + (value < kink ? -0.02 : 0.02);
		return Math.fround(value);
	});
}

/** The tensor that an input describes; `precision` replaces float32. */
export function makeInput(input: Input, device: Device, precision: DType, perturbed: Perturbation | null, which: number): Tensor {
	const { shape, placement } = input;
	const floating = input.dtype === 'float32';
	const dtype = floating ? precision : input.dtype;
	const { order, starts, steps, expanded } = placement ?? {
		order: shape.map((_, dim) => dim),
		starts: shape.map(() => 0),
		steps: shape.map(() => 1),
		expanded: shape.map(() => false),
	};
	const stored = shape.map((size, dim) => {
		if (expanded[dim] && size > 0) return 1;
		return size === 0 ? starts[dim]! : starts[dim]! + (size - 1) * steps[dim]! + 1 + (starts[dim]! + steps[dim]! > 1 ? 1 : 0);
	});
	const count = stored.reduce((a, b) => a * b, 1);
	const drawn = drawValues(input, count);
	const values = input.half && floating ? roundToHalf(drawn) : drawn;
	const together = floating && perturbed?.by === 'value';
	const data = together ? values.map((value, i) => value * moved(perturbed, i, value, which)) : values;
	let x = tensor(data, { shape: order.map((dim) => stored[dim]!), dtype, device });
	if (order.some((dim, place) => dim !== place)) x = x.permute(shape.map((_, dim) => order.indexOf(dim)));
	shape.forEach((size, dim) => {
		if (x.shape[dim] !== size && !expanded[dim])
			x = x.slice(dim, starts[dim]!, size === 0 ? starts[dim]! : starts[dim]! + (size - 1) * steps[dim]! + 1, steps[dim]!);
	});
	if (expanded.some((on) => on)) x = x.expand(shape);
	if (floating && perturbed?.by === 'index') {
		const factors = Array.from({ length: x.size }, (_, i) => moved(perturbed, i, 0, which));
		x = noGrad(() => x.mul(tensor(factors, { shape, dtype, device })));
	}
	return (input.gradient ?? floating) ? x.requiresGrad_() : x;
}
