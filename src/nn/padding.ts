/** Layers that pad the last dims of [N, C, ...] or [C, ...]. */
import { requireNumber, wrongArgument } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { type PadMode, pad } from '../ops/layout';
import type { Tensor } from '../tensor';
import { Module } from './module';

type Sides = number | readonly number[];

/** `padding` is one number for all sides, or [left, right, top, bottom, ...]: before and after the last dim, then the dim before it. */
abstract class PaddingLayer extends Module {
	readonly padding: readonly number[];

	constructor(
		rank: number,
		padding: Sides,
		readonly mode: PadMode,
		readonly value: number,
	) {
		super();
		const list: readonly unknown[] = Array.isArray(padding) ? padding : [padding];
		if (!list.every(Number.isInteger))
			throw wrongArgument(new.target.name, 'padding', `a whole number or an array of ${2 * rank}`, padding);
		requireNumber(new.target.name, 'value', value);
		this.padding = typeof padding === 'number' ? new Array<number>(2 * rank).fill(padding) : [...padding];
		if (this.padding.length !== 2 * rank)
			throw new ArgumentError(
				`${new.target.name}: padding [${this.padding}] has ${this.padding.length} numbers; give one or ${2 * rank}`,
			);
	}

	override forward(input: Tensor): Tensor {
		return pad(input, this.padding, { mode: this.mode, value: this.value });
	}

	override extraRepr(): string {
		return `[${this.padding.join(', ')}]${this.value === 0 ? '' : `, value=${this.value}`}`;
	}
}

/** The class of layers that pad the last `rank` dims in one mode, or with zeros. */
function padded(rank: number, mode: PadMode): new (padding: Sides) => PaddingLayer {
	return class extends PaddingLayer {
		constructor(padding: Sides) {
			super(rank, padding, mode, 0);
		}
	};
}

/** Adds `value` at both ends. As `torch.nn.ConstantPad1d`. */
export class ConstantPad1d extends PaddingLayer {
	constructor(padding: Sides, value: number) {
		super(1, padding, 'constant', value);
	}
}

/** Adds `value` on all sides. As `torch.nn.ConstantPad2d`. */
export class ConstantPad2d extends PaddingLayer {
	constructor(padding: Sides, value: number) {
		super(2, padding, 'constant', value);
	}
}

/** Adds zeros on all sides. As `torch.nn.ZeroPad2d`. */
export class ZeroPad2d extends padded(2, 'constant') {}

/** Mirrors at the edge element. As `torch.nn.ReflectionPad1d`. */
export class ReflectionPad1d extends padded(1, 'reflect') {}

/** Mirrors at the edge elements. As `torch.nn.ReflectionPad2d`. */
export class ReflectionPad2d extends padded(2, 'reflect') {}

/** Repeats the edge element. As `torch.nn.ReplicationPad1d`. */
export class ReplicationPad1d extends padded(1, 'replicate') {}

/** Repeats the edge elements. As `torch.nn.ReplicationPad2d`. */
export class ReplicationPad2d extends padded(2, 'replicate') {}

/** Continues at the other end. As `torch.nn.CircularPad2d`. */
export class CircularPad2d extends padded(2, 'circular') {}

/** Adds `value` on all sides of volumes. As `torch.nn.ConstantPad3d`. */
export class ConstantPad3d extends PaddingLayer {
	constructor(padding: Sides, value: number) {
		super(3, padding, 'constant', value);
	}
}

/** Adds zeros at both ends. As `torch.nn.ZeroPad1d`. */
export class ZeroPad1d extends padded(1, 'constant') {}

/** Adds zeros on all sides of volumes. As `torch.nn.ZeroPad3d`. */
export class ZeroPad3d extends padded(3, 'constant') {}

/** Mirrors volumes at the elements of their sides. As `torch.nn.ReflectionPad3d`. */
export class ReflectionPad3d extends padded(3, 'reflect') {}

/** Repeats the elements at the sides of volumes. As `torch.nn.ReplicationPad3d`. */
export class ReplicationPad3d extends padded(3, 'replicate') {}

/** Continues at the other end. As `torch.nn.CircularPad1d`. */
export class CircularPad1d extends padded(1, 'circular') {}

/** Continues volumes at the other end. As `torch.nn.CircularPad3d`. */
export class CircularPad3d extends padded(3, 'circular') {}
