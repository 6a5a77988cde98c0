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

/** By the number of inputs. */
const FLAT: readonly ElementAccess[] = ['linear.f', 'linear.ff', 'linear.fff', 'linear.ffff'];

/** Whether the three elements behind the view may be overwritten: they are padding of its storage, or there are none. */
export function ownsTail(view: View, size: number): boolean {
	return size % 4 === 0 || view.offset + size >= view.storage.length;
}

function quarter(view: View | undefined): number {
	return view === undefined ? 0 : view.offset / 4;
}

function isFlat(view: View): boolean {
	return view.offset % 4 === 0 && isContiguous(view.shape, view.strides);
}

function quadsEach(gpu: Gpu, quads: number): number {
	const kind = gpu.isSoftware ? 'software' : 'hardware';
	return Math.min(EACH[kind], Math.max(1, Math.floor(quads / WORKGROUP / ENOUGH_WORKGROUPS[kind])));
}

/** Words of the shader's Params before rank: offsets, size, quads (or units), each (or chunks), p0, p1. */
function head(offsets: readonly number[], size: number, quads: number, each: number, p0: number, p1: number): number[] {
	const inputs = offsets.length - 1;
	return [
		inputs > 0 ? offsets[0]! : 0,
		inputs > 1 ? offsets[1]! : 0,
		inputs > 2 ? offsets[2]! : 0,
		offsets[inputs]!,
		size,
		quads,
		each,
		p0,
		p1,
	];
}

/**
 * Access and parameters for `inputs` (at most three) and `output`, all of one shape; p0 and p1 are the words of the uniform
 * parameters. A size of 0 gives an empty grid.
 */
export function planQuads(gpu: Gpu, inputs: readonly View[], output: View, p0 = 0, p1 = 0): QuadPlan {
	const size = numel(output.shape);
	const quads = Math.ceil(size / 4);
	const each = quadsEach(gpu, quads);
	const grid = [Math.ceil(quads / WORKGROUP / each)] as const;
	const flatOutput = isFlat(output) && ownsTail(output, size);
	if (size === 0 || (flatOutput && inputs.every(isFlat))) {
		const [a, b, c] = inputs;
		const params = [quarter(a), quarter(b), quarter(c), output.offset / 4, size, quads, each, p0, p1];
		return { access: FLAT[inputs.length]!, params, grid, size };
	}
	const operands = [...inputs, output];
	const { shape, strides } = collapse(
		output.shape,
		operands.map((view) => view.strides),
	);
	const rows = planRows(gpu, operands, shape, strides, size, p0, p1);
	if (rows !== undefined) return rows;
	const modes = operands.map((view, k) => {
		if (k === inputs.length) return flatOutput ? 'f' : 's';
		if (isFlat(view)) return 'f';
		return strides[k]!.every((step) => step === 0) ? 'c' : 's';
	});
	const offsets = operands.map((view, k) => (modes[k] === 'f' ? view.offset / 4 : view.offset));
	const params = head(offsets, size, quads, each, p0, p1);
	if (modes.includes('s')) pushDimensions(params, shape, strides, inputs.length, 0);
	return { access: `linear.${modes.join('')}`, params, grid, size };
}

/** Rank, inner size, sizes and strides; the operands' strides go to the components x, y, z, the output's to w. */
function pushDimensions(
	params: number[],
	shape: readonly number[],
	strides: readonly (readonly number[])[],
	inputs: number,
	inner: number,
): void {
	params.push(shape.length, inner, 0);
	for (let d = 0; d < 8; d++) params.push(shape[d] ?? 0);
	for (let d = 0; d < shape.length; d++) {
		for (let k = 0; k < 3; k++) params.push(k < inputs ? strides[k]![d]! >>> 0 : 0);
		params.push(strides[inputs]![d]! >>> 0);
	}
}

function planRows(
	gpu: Gpu,
	operands: readonly View[],
	shape: readonly number[],
	strides: readonly (readonly number[])[],
	size: number,
	p0: number,
	p1: number,
): QuadPlan | undefined {
	const last = shape.length - 1;
	if (last === 0 || shape[last]! % 4 !== 0) return undefined;
	const output = operands.length - 1;
	const modes: string[] = [];
	for (let k = 0; k <= output; k++) {
		const steps = strides[k]!;
		if (k < output && steps[last] === 0) modes.push('r');
		else if (operands[k]!.offset % 4 === 0 && steps[last] === 1 && steps.every((step, d) => d === last || step % 4 === 0))
			modes.push('v');
		else return undefined;
	}
	const quadSteps = strides.map((steps, k) => (modes[k] === 'r' ? steps : steps.map((step, d) => (d === last ? 1 : step / 4))));
	const inner = shape[last]! / 4;
	const rows = size / shape[last]!;
	const chunks = Math.ceil(inner / quadsEach(gpu, size / 4));
	const offsets = operands.map((view, k) => (modes[k] === 'r' ? view.offset : view.offset / 4));
	const params = head(offsets, size, rows * chunks, chunks, p0, p1);
	pushDimensions(params, shape, quadSteps, output, inner);
	return { access: `rows.${modes.join('')}`, params, grid: [Math.ceil((rows * chunks) / WORKGROUP)], size };
}
