/**
 * How kernels of the elementwise frame (shaders/elementwise.wgsl.ts) are launched: which access fits the operands, and their
 * parameter words. Used by the launchers of elementwise, layout and loss kernels.
 */
import type { ElementAccess } from '../../../shaders/elementwise.wgsl';
import { isContiguous, numel } from '../../core/shape';
import type { View } from '../contract';
import { collapse } from './collapse';
import type { Gpu } from './launch';

const WORKGROUP = 64;

/** Quads that one thread computes at most, and workgroups below which it takes fewer, so that all processors have work. */
const EACH = { hardware: 4, software: 64 };
const ENOUGH_WORKGROUPS = { hardware: 4096, software: 64 };

export interface QuadPlan {
	readonly access: ElementAccess;
	readonly params: readonly number[];
	readonly grid: readonly [number];
	readonly size: number;
}

/** Whether the three elements behind the view may be overwritten: they are padding of its storage, or there are none. */
function ownsTail(view: View, size: number): boolean {
	return size % 4 === 0 || view.offset + size >= view.storage.length;
}

/**
 * Access and parameters for `inputs` (at most three) and `output`, all of one shape; p0 and p1 are the words of the uniform
 * parameters. A size of 0 gives an empty grid.
 */
export function planQuads(gpu: Gpu, inputs: readonly View[], output: View, p0 = 0, p1 = 0): QuadPlan {
	const size = numel(output.shape);
	const quads = Math.ceil(size / 4);
	const kind = gpu.isSoftware ? 'software' : 'hardware';
	const workgroups = Math.ceil(quads / WORKGROUP);
	const each = Math.min(EACH[kind], Math.max(1, Math.floor(workgroups / ENOUGH_WORKGROUPS[kind])));
	const grid = [Math.ceil(workgroups / each)] as const;
	const operands = [...inputs, output];
	const flat = operands.every((view) => view.offset % 4 === 0 && isContiguous(view.shape, view.strides)) && ownsTail(output, size);
	if (flat || size === 0) {
		return { access: 'flat', params: [size, quads, each, 1, ...offsets(inputs, output, quarter), p0, p1], grid, size };
	}
	const { shape, strides } = collapse(
		output.shape,
		operands.map((view) => view.strides),
	);
	const rank = shape.length;
	const inner = rank - 1;
	const repeated = strides.map((list) => list[inner] === 0);
	const rows =
		shape[inner]! % 4 === 0 &&
		operands.every((view, k) => repeated[k] || (view.offset % 4 === 0 && strides[k]!.every((step, d) => (d === inner ? step === 1 : step % 4 === 0))));
	const words = new Array<number>(56).fill(0);
	words.splice(0, 4, size, quads, each, rank);
	words[8] = p0;
	words[9] = p1;
	shape.forEach((length, d) => {
		words[16 + d] = rows && d === inner ? length / 4 : length;
	});
	operands.forEach((view, k) => {
		const component = k === inputs.length ? 3 : k;
		const single = !rows || repeated[k];
		words[4 + component] = single ? view.offset : view.offset / 4;
		words[12 + component] = rows && repeated[k] ? 1 : 0;
		strides[k]!.forEach((step, d) => {
			words[24 + 4 * d + component] = (single || d === inner ? step : step / 4) >>> 0;
		});
	});
	return { access: rows ? 'rows' : 'strided', params: words, grid, size };
}

function quarter(view: View): number {
	return view.offset / 4;
}

function offsets(inputs: readonly View[], output: View, of: (view: View) => number): number[] {
	const result = [0, 0, 0, of(output)];
	inputs.forEach((view, k) => {
		result[k] = of(view);
	});
	return result;
}
