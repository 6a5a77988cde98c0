/** Prints tensors as PyTorch does. Long dims show only their edges. */
import { type DType, isInteger, type TypedArray } from './dtype';
import { formatShape } from './errors';
import { contiguousStrides, numel, type Shape } from './shape';

/** Tensors with more elements than this print only the edges of their dims. */
const SUMMARIZE_ABOVE = 1000;
const EDGE_ITEMS = 3;

interface Printable {
	readonly shape: Shape;
	readonly strides: readonly number[];
	readonly offset: number;
	readonly dtype: DType;
	readonly device: string;
	readonly requiresGrad: boolean;
}

/**
 * `tensor([[1, 2], [3, 4]], shape=[2, 2], dtype=float32, device=cpu)`. `values` holds the packed elements or, with `strided`, the whole
 * storage; null prints without values.
 */
export function formatValues(values: TypedArray | null, tensor: Printable, strided?: unknown): string {
	const facts = `shape=${formatShape(tensor.shape)}, dtype=${tensor.dtype}, device=${tensor.device}${tensor.requiresGrad ? ', requiresGrad' : ''}`;
	if (values === null) return `tensor(${facts}; values are on the device: await t.print() or t.data())`;
	const strides = strided ? tensor.strides : contiguousStrides(tensor.shape);
	const offset = strided ? tensor.offset : 0;
	const summarize = numel(tensor.shape) > SUMMARIZE_ABOVE;
	const cells: string[] = [];
	const format = formatter(values, tensor, strides, offset, summarize);
	walk(tensor.shape, strides, offset, summarize, (position) => {
		cells.push(format(values[position]!));
	});
	const width = Math.max(0, ...cells.map((cell) => cell.length));
	let next = 0;
	const nest = (dim: number): string => {
		if (dim === tensor.shape.length) return cells[next++]!.padStart(tensor.shape.length === 0 ? 0 : width);
		const indices = shownIndices(tensor.shape[dim]!, summarize);
		const inner = indices.map((index) => (index < 0 ? '...' : nest(dim + 1)));
		const last = dim === tensor.shape.length - 1;
		return `[${inner.join(last ? ', ' : `,${'\n'.repeat(tensor.shape.length - 1 - dim)}${' '.repeat('tensor('.length + dim + 1)}`)}]`;
	};
	return `tensor(${nest(0)}, ${facts})`;
}

/** The indices of a dim to show; -1 marks the dots. */
function shownIndices(size: number, summarize: boolean): number[] {
	const all = Array.from({ length: size }, (_, i) => i);
	if (!summarize || size <= 2 * EDGE_ITEMS) return all;
	return [...all.slice(0, EDGE_ITEMS), -1, ...all.slice(-EDGE_ITEMS)];
}

function walk(
	shape: Shape,
	strides: readonly number[],
	offset: number,
	summarize: boolean,
	visit: (position: number) => void,
): void {
	const descend = (dim: number, position: number): void => {
		if (dim === shape.length) {
			visit(position);
			return;
		}
		for (const index of shownIndices(shape[dim]!, summarize)) if (index >= 0) descend(dim + 1, position + index * strides[dim]!);
	};
	descend(0, offset);
}

/** Picks one notation for all shown elements: integers bare, floats with four decimals, scientific if the range is wide. */
function formatter(
	values: TypedArray,
	{ dtype, shape }: Printable,
	strides: readonly number[],
	offset: number,
	summarize: boolean,
): (value: number) => string {
	if (dtype === 'bool') return (value) => (value !== 0 ? 'true' : 'false');
	if (isInteger(dtype)) return String;
	let largest = 0;
	let smallest = Number.POSITIVE_INFINITY;
	let whole = true;
	walk(shape, strides, offset, summarize, (position) => {
		const size = Math.abs(values[position]!);
		if (!Number.isFinite(size)) return;
		if (size > largest) largest = size;
		if (size > 0 && size < smallest) smallest = size;
		if (!Number.isInteger(size)) whole = false;
	});
	const special = (value: number) => (Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf');
	const text =
		largest >= 1e8 || (smallest < 1e-4 && !whole) || largest / smallest > 1e8
			? (value: number) => value.toExponential(4)
			: whole
				? (value: number) => `${value}.`
				: (value: number) => value.toFixed(4);
	return (value) => (Number.isFinite(value) ? text(value) : special(value));
}

/** Formats bytes in binary units: `1.5 MiB`. */
export function formatBytes(bytes: number): string {
	if (bytes < 1024) return `${bytes} B`;
	if (bytes < 2 ** 20) return `${(bytes / 1024).toFixed(1)} KiB`;
	if (bytes < 2 ** 30) return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
	return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
