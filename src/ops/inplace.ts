/**
 * In-place operations overwrite a tensor's elements and return the tensor. They are recorded, as in PyTorch: a plain tensor joins the graph
 * if its source is in it, and a write into a view is a write into the base, which its other views see (autograd/views.ts). A leaf that
 * requires a gradient, or a view of one, can be written only under `noGrad`. The backward walk throws if a saved tensor was overwritten.
 */

import { callerStack, isWatching, observe } from '../autograd/anomaly';
import { zeroGradient } from '../autograd/gradients';
import { isGradEnabled } from '../autograd/modes';
import { currentRecorder, type WriteAttributes as RecordedAttributes, withRecorder } from '../autograd/recorder';
import { type OutputInfo, outputInfo, type Rule, requireOwnGradient, TapeNode } from '../autograd/tape';
import { baseOf, rebase, replayView, requireRecordable, type ViewPath } from '../autograd/views';
import type { View } from '../backends/contract';
import { elementwiseKernels, layoutKernels } from '../backends/kernels';
import { requireOneOf } from '../core/checks';
import { type DType, fillValue, isFloating } from '../core/dtype';
import { DTypeError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { closeScope, onNodeCreated, openScope } from '../core/scope';
import { copyOf, empty, emptyOn, markWritten, Tensor } from '../tensor';
import { requireDistinct, requireDivisor, requireFactor, requireRank, requireSameDevice, requireTensor } from '../tensorChecks';
import { widened } from './composed';
import {
	type AddOptions,
	addedTimes,
	type DivOptions,
	PRODUCT,
	QUOTIENT,
	ROUNDED,
	ROUNDING_MODES,
} from './elementwise/arithmetic';
import { to } from './elementwise/cast';
import { type Partials, pullBack } from './elementwise/definitions';
import { cloneAs } from './layout/views';
import { broadcastView, converted, gradientFor, type Operand, scalarFor, typeOfResult } from './operands';

/** The tensors that the VJP of an in-place operation reads: the target before the write, and the source. */
interface WriteSaves {
	readonly x: Tensor | null;
	readonly source: Tensor | null;
}

/** The gradients of the target before the write (null for zeros) and of the source, from the gradient of the target after it. */
type WriteVjp<A> = (
	gradient: Tensor,
	saved: WriteSaves,
	attributes: A,
	needs: { readonly x: OutputInfo | null; readonly source: OutputInfo | null },
) => { readonly x: Tensor | null; readonly source: Tensor | null };

interface WriteAttributes<A> {
	readonly vjp: WriteVjp<A>;
	readonly attributes: A;
	/** The path from the base to the view that was written. Null for a write into the whole base. */
	readonly path: ViewPath | null;
	readonly strides: readonly number[];
}

/** The gradient of a base. In the part that was written it comes from the operation; elsewhere it passes unchanged. */
const WRITE: Rule<WriteAttributes<unknown>> = {
	pullBack([incoming], [x = null, source = null], { vjp, attributes, path, strides }, [base = null, other = null]) {
		const gradient = incoming!;
		const part = path === null ? gradient : replayView(path, gradient);
		const found = vjp(part, { x, source }, attributes, { x: base && part, source: other });
		if (base === null) return [null, found.source];
		if (path === null) return [found.x ?? zeroGradient(gradient.shape, gradient), found.source];
		// In the layout of the base, because there the path to the part copies nothing.
		const whole = cloneAs(gradient, strides);
		const written = replayView(path, whole);
		if (found.x === null) zero_(written);
		else copy_(written, found.x);
		return [whole, found.source];
	},
};

interface Write<A> {
	readonly x: Tensor;
	readonly source: Tensor | null;
	/** Writes. Its temporaries are disposed of. */
	readonly write: () => void;
	/** Saves the tensors that the VJP reads. Called before the write, and only if the operation is recorded. */
	readonly saves?: () => WriteSaves;
	readonly vjp: WriteVjp<A>;
	readonly attributes: A;
	/** What a recorder learns of the write. */
	readonly noted: RecordedAttributes;
}

/**
 * Checks that the target may be written, runs the write, and marks the storage as written. Records it if the target, its base or the
 * source requires a gradient.
 */
function inPlace<A>(operation: string, { x, source, write, saves, vjp, attributes, noted }: Write<A>): Tensor {
	const { base, path } = baseOf(x);
	const isRecorded = isGradEnabled() && isFloating(x.dtype) && [x, base, source].some((tensor) => tensor?.requiresGrad);
	if (isRecorded) {
		requireRecordable(operation, x);
		requireDistinct(operation, base);
		source?.renew(operation);
	}
	requireDistinct(operation, x);
	const recorder = currentRecorder();
	recorder?.beforeWrite(x);
	const scope = openScope(operation);
	let node: TapeNode | null = null;
	try {
		if (isRecorded) {
			const saved = saves?.() ?? { x: null, source: null };
			const edges = [base.edge, source?.edge ?? null];
			// Only second derivatives read this tensor. It gets no gradient, but the graph must reach it.
			const before = saved.x?.edge ?? null;
			if (before !== null && !edges.includes(before)) edges.push(before);
			const rule = { vjp, attributes, path, strides: base.strides };
			node = new TapeNode(operation, edges, [outputInfo(base)], WRITE, rule);
			node.save([saved.x, saved.source]);
			onNodeCreated(node);
		}
		if (recorder === null) write();
		else withRecorder(null, write);
		if (isWatching()) observe('forward', operation, x, callerStack());
	} catch (error) {
		node?.release();
		throw error;
	} finally {
		closeScope(scope, () => false);
	}
	markWritten(x, operation);
	recorder?.wrote({ name: operation, x, source, attributes: noted });
	if (node !== null) rebase(x, node);
	return x;
}

/** A copy of `x` at the same place on the tape, for a VJP that reads the values before the write. */
function before(x: Tensor): Tensor {
	const copy = copyOf(x);
	copy.edge = x.edge;
	return copy;
}

/**
 * The target of a kernel that writes contiguous memory: x itself, or a copy if x is strided or shares its storage with one of `others`,
 * because a kernel binds a buffer only once. `writeBack` ends the write.
 */
export function contiguousTarget(operation: string, x: Tensor, ...others: readonly Tensor[]): Tensor {
	requireDistinct(operation, x);
	return x.isContiguous && others.every(({ storage }) => storage !== x.storage) ? x : copyOf(x);
}

/** Ends the write: copies a copy of `contiguousTarget` back to `x`, and marks x as written. */
export function writeBack(operation: string, packed: Tensor, x: Tensor): void {
	if (packed !== x) {
		layoutKernels(x.backend).copyInto({ x: packed }, { y: x }, {});
		packed.dispose();
	}
	markWritten(x, operation);
}

/** Runs `write` on x. For float16 it runs on a copy in float32, so that several writes round only once. */
export function writeInFloat32(x: Tensor, write: (target: Tensor) => void): void {
	const [target] = widened(x);
	write(target);
	if (target !== x) copy_(x, target);
}

/** The source in x's shape and dtype, in memory that the write does not change. */
function sourceFor(operation: string, x: Tensor, source: Tensor): View {
	requireTensor(operation, source, 'source');
	requireSameDevice(operation, x, source);
	const extra = source.ndim - x.ndim;
	if (extra > 0 || source.shape.some((size, d) => size !== 1 && size !== x.shape[d - extra])) {
		throw new ShapeError(
			`${operation}: shape ${formatShape(source.shape)} does not broadcast to ${formatShape(x.shape)}; an in-place result keeps the shape of its tensor`,
		);
	}
	const values = converted(source, x.dtype);
	return broadcastView(values.storage === x.storage ? copyOf(values) : values, x.shape);
}

/**
 * Copies `source`, broadcast and converted to the dtype of `x`, into `x`. Returns x. Uploads a CPU source to WebGPU. If the device of `x`
 * was lost, `x` gets memory on the present device and loses its gradient. As `torch.Tensor.copy_`.
 */
export function copy_(x: Tensor, source: Tensor): Tensor {
	requireTensor('copy_', source, 'source');
	if (x instanceof Tensor && x.storage.owner.loss !== undefined && x.viewing === null) {
		x.clearGrad();
		x.adopt(empty(x.shape, x.dtype, x.device));
	}
	return copied('copy_', x, source);
}

function copied(operation: string, x: Tensor, source: Tensor): Tensor {
	requireTensor(operation, x);
	requireTensor(operation, source, 'source');
	requireOwnGradient(operation, source, x.device);
	const write = () => {
		const near =
			x.device === 'webgpu' && source.device === 'cpu'
				? to(source.dtype === 'float64' ? converted(source, 'float32') : source, 'webgpu')
				: source;
		layoutKernels(x.backend).copyInto({ x: sourceFor(operation, x, near) }, { y: x }, {});
	};
	const noted = { op: 'copy', value: null, alpha: 1 } as const;
	return inPlace(operation, { x, source, write, vjp: copyVjp, attributes: null, noted });
}

const copyVjp: WriteVjp<unknown> = (gradient, _, _attributes, needs) => ({
	x: null,
	source: needs.source && gradientFor(gradient, needs.source),
});

function arithmetic(
	operation: string,
	op: Exclude<RecordedAttributes['op'], 'copy'>,
	x: Tensor,
	other: Operand,
	partials: Partials,
	alpha = 1,
): Tensor {
	requireTensor(operation, x);
	if (typeof other !== 'number') requireTensor(operation, other, 'other');
	const write = () => {
		const term = typeof other === 'number' ? other * alpha : alpha === 1 ? other : multiple(other, alpha, typeOfResult(x, other));
		const result = typeOfResult(x, term);
		const floating = isFloating(result) || op === 'div';
		if ((floating && !isFloating(x.dtype)) || (result !== 'bool' && x.dtype === 'bool')) {
			throw new DTypeError(
				`${operation}: the result is ${floating ? 'floating' : result} and does not fit into a tensor of ${x.dtype}. Use the operation without _`,
			);
		}
		if (op === 'sub' && (x.dtype === 'bool' || (typeof term !== 'number' && term.dtype === 'bool')))
			throw new DTypeError(`${operation}: is not defined on bool. Convert with .to('int32')`);
		if (typeof term === 'number') {
			elementwiseKernels(x.backend).binaryScalarInPlace({}, { x }, { op, scalar: scalarFor(x.dtype, term) });
		} else {
			elementwiseKernels(x.backend).binaryInPlace({ b: sourceFor(operation, x, term) }, { a: x }, { op });
		}
	};
	const source = other instanceof Tensor ? other : null;
	const saves = () => {
		const reads = [...(x.requiresGrad ? partials.a.reads : []), ...(source?.requiresGrad ? partials.b.reads : [])];
		return { x: reads.includes('a') ? before(x) : null, source: reads.includes('b') ? source : null };
	};
	const attributes = { partials, number: source === null ? (other as number) : null };
	const noted = { op, value: attributes.number, alpha };
	return inPlace(operation, { x, source, write, saves, vjp: arithmeticVjp, attributes, noted });
}

const arithmeticVjp: WriteVjp<{ readonly partials: Partials; readonly number: number | null }> = (
	gradient,
	saved,
	{ partials, number },
	needs,
) => {
	// For an argument that a derivative does not read, any tensor will do.
	const operands = { a: saved.x ?? gradient, b: number ?? saved.source ?? gradient, y: gradient };
	const { a, b } = pullBack(partials, gradient, operands, { a: needs.x, b: needs.source });
	return { x: a, source: b };
};

/** x * factor in `dtype`, which holds the product of an integer and a fraction. */
function multiple(x: Tensor, factor: number, dtype: DType): Tensor {
	const y = emptyOn(x, x.shape, dtype);
	const scalar = scalarFor(dtype, factor);
	elementwiseKernels(x.backend).binaryScalar({ x: converted(x, dtype) }, { y }, { op: 'mul', scalar, scalarFirst: false });
	return y;
}

function scaledArithmetic(operation: string, op: 'add' | 'sub', x: Tensor, other: Operand, options: AddOptions): Tensor {
	const { alpha = 1 } = checkOptions(operation, options, ['alpha']);
	requireTensor(operation, x);
	requireFactor(operation, 'alpha', alpha, x.dtype);
	return arithmetic(operation, op, x, other, addedTimes(op === 'add' ? alpha : -alpha), alpha);
}

/** x += alpha * other. Returns x. As `torch.Tensor.add_`. */
export function add_(x: Tensor, other: Operand, options: AddOptions = {}): Tensor {
	return scaledArithmetic('add_', 'add', x, other, options);
}

/** x -= alpha * other. Returns x. As `torch.Tensor.sub_`. */
export function sub_(x: Tensor, other: Operand, options: AddOptions = {}): Tensor {
	return scaledArithmetic('sub_', 'sub', x, other, options);
}

/** x *= other. Returns x. As `torch.Tensor.mul_`. */
export function mul_(x: Tensor, other: Operand): Tensor {
	return arithmetic('mul_', 'mul', x, other, PRODUCT);
}

/** x /= other. x is floating, or int32 with a `roundingMode`. Returns x. As `torch.Tensor.div_`. */
export function div_(x: Tensor, other: Operand, options: DivOptions = {}): Tensor {
	const { roundingMode = null } = checkOptions('div_', options, ['roundingMode']);
	if (roundingMode === null) return arithmetic('div_', 'div', x, other, QUOTIENT);
	requireOneOf('div_', 'roundingMode', roundingMode, ROUNDING_MODES);
	requireTensor('div_', x);
	requireDivisor('div_', x.dtype, other);
	return arithmetic('div_', roundingMode === 'trunc' ? 'truncDiv' : 'floorDiv', x, other, ROUNDED);
}

/** Sets every element to `value`, a number, a boolean or a scalar tensor. Returns x. As `torch.Tensor.fill_`. */
export function fill_(x: Tensor, value: number | boolean | Tensor): Tensor {
	if (value instanceof Tensor) {
		requireRank('fill_', 'value', value, 'a number or a scalar tensor', 0);
		return copied('fill_', x, value);
	}
	requireTensor('fill_', x);
	return filled('fill_', x, fillValue('fill_', x.dtype, value));
}

/** Sets every element to 0. Returns x. As `torch.Tensor.zero_`. */
export function zero_(x: Tensor): Tensor {
	return filled('zero_', x, 0);
}

function filled(operation: string, x: Tensor, value: number): Tensor {
	requireTensor(operation, x);
	const write = () => layoutKernels(x.backend).fill({}, { y: x }, { value });
	const noted = { op: 'copy', value, alpha: 1 } as const;
	return inPlace(operation, { x, source: null, write, vjp: fillVjp, attributes: null, noted });
}

const fillVjp: WriteVjp<unknown> = () => ({ x: null, source: null });
