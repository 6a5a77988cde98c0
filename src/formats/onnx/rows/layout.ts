/** Views, joins and rearrangements as ONNX nodes, and in-place writes through views. */
import { isFloating } from '../../../core/dtype';
import type { Call, Row, Rows } from '../call';
import type { Name } from '../graph';
import type { SymbolicStep } from '../merge';
import { difference, product, type Size, sameSize, sameSizes, sum } from '../symbols';
import { ELEMENTWISE, working } from './elementwise';

/** Further than any dim reaches. */
const END = 2 ** 31 - 1;

type Slice =
	| { readonly dim: number; readonly start: Size; readonly length: Size; readonly step?: number }
	| { readonly dim: number; readonly index: Size }
	| { readonly diagonal: Size; readonly dims: readonly [number, number] };

export function reshaped(c: Call, x: Name, from: readonly Size[], to: readonly Size[]): Name {
	return sameSizes(from, to) ? x : c.graph.reshape(x, from, to);
}

export function sliced(c: Call, x: Name, dim: number, start: Size, end: Size, step = 1): Name {
	const { graph } = c;
	return c.add('Slice', [x, graph.integers([start]), graph.integers([end]), graph.integers([dim]), graph.integers([step])]);
}

/** x with its dims in another order. */
export function permuted(c: Call, x: Name, order: readonly number[]): Name {
	return order.every((dim, i) => dim === i) ? x : c.add('Transpose', [x], { perm: order });
}

/** x, of `shape`, expanded to another shape. */
export function expanded(c: Call, x: Name, from: readonly Size[], to: readonly Size[]): Name {
	return sameSizes(from, to) ? x : c.add('Expand', [x, c.graph.integers(to)]);
}

function part(c: Call, x: Name, shape: readonly Size[], slice: Slice): Name {
	if ('diagonal' in slice) {
		// Gathers from the matrix as a vector.
		const [rows, columns] = c.numbers(
			slice.dims.map((dim) => shape[dim]!),
			'the size of the matrix',
		) as [number, number];
		const offset = c.number(slice.diagonal, 'the offset');
		const others = shape.map((_, dim) => dim).filter((dim) => !slice.dims.includes(dim));
		const flat = [...others.map((dim) => shape[dim]!), rows * columns];
		const matrix = reshaped(c, permuted(c, x, [...others, ...slice.dims]), shape, flat);
		const [row, column] = [Math.max(0, -offset), Math.max(0, offset)];
		const length = Math.max(0, Math.min(rows - row, columns - column));
		const at = Array.from({ length }, (_, i) => (row + i) * columns + column + i);
		return c.add('Gather', [matrix, c.graph.integers(at)], { axis: others.length });
	}
	if ('index' in slice) {
		const { dim, index } = slice;
		if (typeof index === 'number') return c.add('Gather', [x, c.scalar(index, 'int32')], { axis: dim });
		return c.add('Squeeze', [c.add('Gather', [x, c.graph.integers([index])], { axis: dim }), c.graph.integers([dim])]);
	}
	const { dim, start, length, step = 1 } = slice;
	if (start === 0 && step === 1 && sameSize(length, shape[dim]!)) return x;
	const end = sum(start, product(length, step));
	return sliced(c, x, dim, start, end, step);
}

const slice: Row = (c) => part(c, c.in('x'), c.shape('x'), c.attributes<{ readonly slice: Slice }>().slice);

const split: Row = (c) => {
	const { slices } = c.attributes<{ readonly slices: readonly Slice[] }>();
	return slices.map((one, i) => (c.isUsed(i) ? part(c, c.in('x'), c.shape('x'), one) : null));
};

/** Tensors at their slices of a new one: consecutive parts, or entries, along a dim; or a diagonal of a matrix. */
const cat: Row = (c) => {
	const { slices, shape } = c.attributes<{ readonly slices: readonly Slice[]; readonly shape: readonly Size[] }>();
	const [first] = slices;
	if (first !== undefined && 'diagonal' in first) return diagonalMatrix(c, c.in(0), first, shape);
	const dims = new Set(slices.map((one) => ('dim' in one ? one.dim : -1)));
	if (dims.size !== 1) c.refuse('the parts lie along several dims');
	const [dim] = dims as Set<number>;
	let end: Size = 0;
	const parts = slices.map((one, i) => {
		const isNext =
			'index' in one ? sameSize(one.index, end) : 'start' in one && sameSize(one.start, end) && (one.step ?? 1) === 1;
		if (!isNext) c.refuse('the parts leave gaps');
		end = sum(end, 'length' in one ? one.length : 1);
		return 'index' in one ? c.add('Unsqueeze', [c.in(i), c.graph.integers([dim!])]) : c.in(i);
	});
	if (!sameSize(end, shape[dim!]!)) c.refuse('the parts leave gaps');
	return parts.length === 1 ? parts[0]! : c.add('Concat', parts, { axis: dim! });
};

function diagonalMatrix(c: Call, x: Name, slice: { readonly diagonal: Size }, shape: readonly Size[]): Name {
	const [size] = c.numbers(shape, 'the size of the matrix') as [number, number];
	const offset = c.number(slice.diagonal, 'the offset');
	const rows = c.number(c.shape(0)[0]!, 'the length of the diagonal');
	const { dtype } = c.output();
	const own = working(dtype);
	const first = Math.max(0, -offset);
	const values = c.graph.cast(x, dtype, own);
	const padded = c.add('Pad', [values, c.graph.integers([first, size - rows - first]), c.scalar(0, own)]);
	const isOn = Array.from({ length: size * size }, (_, i) => (Math.floor(i / size) + offset === i % size ? 1 : 0));
	const column = c.graph.reshape(padded, [size], [size, 1]);
	const matrix = c.add('Where', [c.graph.constant('bool', [size, size], isOn), column, c.scalar(0, own)]);
	return c.graph.cast(matrix, own, dtype);
}

const flip: Row = (c) => {
	const { dims } = c.attributes<{ readonly dims: readonly number[] }>();
	if (dims.length === 0) return c.in('x');
	const all = (value: number) => c.graph.integers(dims.map(() => value));
	return c.add('Slice', [c.in('x'), all(-1), all(-END), c.graph.integers(dims), all(-1)]);
};

const roll: Row = (c) => {
	const { shifts } = c.attributes<{ readonly shifts: readonly number[] }>();
	return c.numbers(shifts, 'the shift').reduce((x, shift, dim) => {
		const size = c.shape('x')[dim]!;
		const by = typeof size === 'number' && size > 0 ? ((shift % size) + size) % size : shift;
		if (by === 0 || size === 0) return x;
		return c.add('Concat', [sliced(c, x, dim, -by, END), sliced(c, x, dim, 0, -by)], { axis: dim });
	}, c.in('x'));
};

const pad: Row = (c) => {
	const { before, shape, value } = c.attributes<{
		readonly before: readonly Size[];
		readonly shape: readonly Size[];
		readonly value: number;
	}>();
	const from = c.shape('x');
	const after = shape.map((size, dim) => difference(size, sum(from[dim]!, before[dim]!)));
	const { dtype } = c.output();
	const own = working(dtype);
	const pads = c.graph.integers([...before, ...after]);
	return c.graph.cast(c.add('Pad', [c.as('x', own), pads, c.scalar(value, own)]), own, dtype);
};

const tril: Row = (c) => {
	const { diagonal, isLower } = c.attributes<{ readonly diagonal: number; readonly isLower: boolean }>();
	const { dtype } = c.output();
	const own = working(dtype);
	const x = c.as('x', own);
	const y = c.add('Trilu', [x, c.graph.scalar('int64', diagonal)], { upper: isLower ? 0 : 1 });
	return c.graph.cast(y, own, dtype);
};

export interface Windows {
	readonly kernel: readonly number[];
	readonly dilation: readonly number[];
	readonly padding: readonly number[];
	readonly stride: readonly number[];
}

/** Gathers the windows along one dim after the other. */
const unfold: Row = (c) => {
	const { kernel, dilation, padding, stride } = c.attributes<Windows>();
	const [batch, channels, ...spatial] = c.shape('x') as [Size, Size, ...Size[]];
	const sizes = c.numbers(spatial, 'the size of the image');
	const zeros = c.graph.integers([0, 0, ...padding, 0, 0, ...padding]);
	let y = padding.every((p) => p === 0) ? c.in('x') : c.add('Pad', [c.in('x'), zeros]);
	const counts = sizes.map(
		(size, d) => Math.floor((size + 2 * padding[d]! - dilation[d]! * (kernel[d]! - 1) - 1) / stride[d]!) + 1,
	);
	counts.forEach((positions, d) => {
		const at = Array.from({ length: kernel[d]! * positions }, (_, i) => {
			const element = Math.floor(i / positions);
			return element * dilation[d]! + (i % positions) * stride[d]!;
		});
		y = c.add('Gather', [y, c.graph.constant('int64', [kernel[d]!, positions], at)], { axis: 2 + 2 * d });
	});
	const ordered = permuted(c, y, [0, 1, 2, 4, 3, 5]);
	const [height, width] = counts as [number, number];
	const [down, across] = kernel as [number, number];
	return c.graph.reshape(
		ordered,
		[batch, channels, down, across, height, width],
		[batch, product(channels, down * across), height * width],
	);
};

const fold: Row = (c) => {
	const { size, windows } = c.attributes<{ readonly size: readonly Size[]; readonly windows: Windows }>();
	const { kernel, dilation, padding, stride } = windows;
	return c.add('Col2Im', [c.in('x'), c.graph.integers(size), c.graph.integers(kernel)], {
		dilations: dilation,
		pads: [...padding, ...padding],
		strides: stride,
	});
};

/** The value that a write leaves in its target. */
const write: Row = (c) => {
	const { op, value, alpha } = c.attributes<{ readonly op: string; readonly value: number | null; readonly alpha: number }>();
	const target = c.output();
	if (op === 'copy') {
		const source = c.has('source') ? c.as('source', target.dtype) : c.scalar(value!, target.dtype);
		return expanded(c, source, c.has('source') ? c.shape('source') : [], target.shape);
	}
	if (alpha !== 1 && c.has('source') && !isFloating(target.dtype)) c.refuse('it scales an integer source');
	const common = { dtype: target.dtype, shape: target.shape };
	const attributes = c.has('source')
		? { ...common, ...(alpha !== 1 && { factor: op === 'sub' ? -alpha : alpha }) }
		: { ...common, number: value! * alpha, scalarFirst: false };
	const inputs: SymbolicStep['inputs'] = c.has('source') ? { a: c.value('x'), b: c.value('source') } : { x: c.value('x') };
	const kind = alpha !== 1 && c.has('source') ? 'add' : op;
	return ELEMENTWISE[kind]!(c.withStep({ ...c.step, inputs, attributes }));
};

/** The base of a view after a write into the view: the inverse of the view, with the other elements of the base. */
const writeBack: Row = (c) => {
	const { kind, index, attributes } = c.attributes<{
		readonly kind: string;
		readonly index: number;
		readonly attributes: Record<string, unknown>;
	}>();
	const [base, written] = [c.in('base'), c.in('part')];
	const [shape, from] = [c.shape('base'), c.shape('part')];
	if (kind === 'reshape' || kind === 'contiguous') return reshaped(c, written, from, shape);
	if (kind === 'permute') {
		const order = attributes.order as readonly number[];
		return permuted(
			c,
			written,
			order.map((_, dim) => order.indexOf(dim)),
		);
	}
	if (kind !== 'slice' && kind !== 'split') c.refuse(`it writes in place into a view that ${kind} made`);
	const one = (kind === 'slice' ? attributes.slice : (attributes.slices as readonly Slice[])[index]) as Slice;
	if ('diagonal' in one || ('step' in one && (one.step ?? 1) !== 1))
		c.refuse('it writes in place into a diagonal, or a slice with a step');
	const { dim } = one as { readonly dim: number };
	const start = 'index' in one ? one.index : (one as { readonly start: Size }).start;
	const length = 'index' in one ? 1 : (one as { readonly length: Size }).length;
	const whole = 'index' in one ? c.add('Unsqueeze', [written, c.graph.integers([dim])]) : written;
	const end = sum(start, length);
	const parts = [
		...(start === 0 ? [] : [sliced(c, base, dim, 0, start)]),
		whole,
		...(sameSize(end, shape[dim]!) ? [] : [sliced(c, base, dim, end, END)]),
	];
	return parts.length === 1 ? parts[0]! : c.add('Concat', parts, { axis: dim });
};

export const LAYOUT: Rows = {
	reshape: (c) => reshaped(c, c.in('x'), c.shape('x'), c.output().shape),
	permute: (c) => permuted(c, c.in('x'), c.attributes<{ readonly order: readonly number[] }>().order),
	expand: (c) => expanded(c, c.in('x'), c.shape('x'), c.output().shape),
	clone: (c) => c.in('x'),
	contiguous: (c) => c.in('x'),
	slice,
	split,
	cat,
	flip,
	roll,
	pad,
	tril,
	unfold,
	fold,
	write,
	writeBack,
};
