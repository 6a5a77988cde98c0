/**
 * bfloat16 on the GPU: a storage type. Kernels know float32 only, so each launcher is wrapped: it gets float32 copies of the bfloat16
 * storages, and those of its outputs are rounded and written back. A copy spans only the elements that the views reach, in whole words, so
 * that a view may start and end at any element.
 */
import { pack, unpack } from '../../../shaders/bfloat16.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { Kernels, Storage, View } from '../contract';
import type { Gpu } from './launch';

type Views = Readonly<Record<string, View | readonly View[] | null | undefined>>;
type AnyKernel = (inputs: Views, outputs: Views, attributes: unknown) => void;

/** The part of a bfloat16 storage that a launch reaches, and its float32 copy. Starts at an even element. */
interface Span {
	start: number;
	end: number;
	isWritten: boolean;
	singles?: Storage;
}

/** The kernels, for views of bfloat16 too. */
export function takingBfloat16(gpu: Gpu, kernels: Kernels): Kernels {
	// Bound, because some kernels call others.
	const wrapped = Object.entries(kernels).map(([name, kernel]) => [name, converting(gpu, kernel.bind(kernels) as AnyKernel)]);
	return Object.fromEntries(wrapped) as unknown as Kernels;
}

function converting(gpu: Gpu, kernel: AnyKernel): AnyKernel {
	return (inputs, outputs, attributes) => {
		const spans = new Map<Storage, Span>();
		for (const view of viewsIn(inputs)) reach(spans, view, false);
		for (const view of viewsIn(outputs)) reach(spans, view, true);
		if (spans.size === 0) return kernel(inputs, outputs, attributes);
		try {
			// Outputs too: kernels that work in place read them, and others may write only some of the elements.
			for (const [storage, span] of spans) span.singles = unpacked(gpu, storage, span);
			kernel(replaced(inputs, spans), replaced(outputs, spans), attributes);
			for (const [storage, span] of spans) if (span.isWritten) convert(gpu, 'pack', storage, span);
		} finally {
			for (const { singles } of spans.values()) if (singles !== undefined) gpu.release(singles);
		}
	};
}

function viewsIn(views: Views): View[] {
	return Object.values(views).flatMap((value) => value ?? []);
}

/** Extends the span of the view's storage by the elements of the view. */
function reach(spans: Map<Storage, Span>, { storage, dtype, shape, strides, offset }: View, isWritten: boolean): void {
	if (dtype !== 'bfloat16') return;
	const known = spans.get(storage);
	const span = known ?? { start: offset - (offset % 4), end: 0, isWritten: false };
	if (known === undefined) spans.set(storage, span);
	span.isWritten ||= isWritten;
	if (numel(shape) === 0) return;
	let [first, last] = [offset, offset];
	shape.forEach((size, dim) => {
		const way = (size - 1) * strides[dim]!;
		if (way < 0) first += way;
		else last += way;
	});
	// Multiples of 4 keep the alignment that kernels with vec4 access look for.
	span.start = Math.min(span.start, first - (first % 4));
	span.end = Math.max(span.end, Math.min(last + 2 - (last % 2), storage.length));
}

function unpacked(gpu: Gpu, storage: Storage, span: Span): Storage {
	span.singles = gpu.scratch(Math.max(0, span.end - span.start), 'float32');
	convert(gpu, 'unpack', storage, span);
	return span.singles;
}

function convert(gpu: Gpu, direction: 'pack' | 'unpack', storage: Storage, { start, end, singles }: Span): void {
	const count = Math.max(0, end - start);
	gpu.launch({
		kernel: direction === 'pack' ? pack : unpack,
		variant: {},
		buffers: { packed: storage, singles: singles! },
		params: { firstWord: start / 2, count },
		grid: [Math.ceil(count / 2 / WORKGROUP_SIZE)],
		flops: 0,
		bytes: 6 * count,
	});
}

/** The views, of the float32 copies instead of the bfloat16 storages. */
function replaced(views: Views, spans: ReadonlyMap<Storage, Span>): Views {
	const one = (view: View): View => {
		if (view.dtype !== 'bfloat16') return view;
		const { singles, start } = spans.get(view.storage)!;
		const { shape, strides, offset } = view;
		return { storage: singles!, dtype: 'float32', shape, strides, offset: offset - start };
	};
	return Object.fromEntries(
		Object.entries(views).map(([name, value]) => [name, Array.isArray(value) ? value.map(one) : value && one(value as View)]),
	);
}
