/**
 * Launches of the elementwise frame (shaders/elementwise.wgsl.ts): the choice of access for the operands, and the parameters. The
 * launchers of elementwise, layout and loss kernels use it.
 */
import type { ELEMENTWISE_PARAMS, ElementAccess } from '../../../shaders/elementwise.wgsl';
import type { ParameterValues } from '../../../shaders/parameters';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { isFloating } from '../../core/dtype';
import { isContiguous, numel } from '../../core/shape';
import type { View } from '../contract';
import type { Gpu } from './launch';
import { collapseDims } from './strides';

/** The most quads per thread, and the number of workgroups below which a thread takes fewer, so that all processors have work. */
const EACH = { hardware: 4, software: 64 };
const ENOUGH_WORKGROUPS = { hardware: 4096, software: 64 };

type QuadParams = ParameterValues<typeof ELEMENTWISE_PARAMS>;

/** The uniform parameters. */
export type Scalars = Pick<QuadParams, 's' | 't' | 'integerS' | 'integerT'>;

export interface ElementwisePlan {
	readonly access: ElementAccess;
	readonly params: QuadParams;
	readonly grid: readonly [number];
	readonly size: number;
}

/** The linear access for each number of inputs. */
const FLAT: readonly ElementAccess[] = ['linear.f', 'linear.ff', 'linear.fff', 'linear.ffff'];

/** Whether a vec4 write may overwrite the elements behind the view: they are padding of its storage, or there are none. */
export function ownsTail(view: View, size: number): boolean {
	return ownsTailAt(view.offset, size, view.storage.length);
}

export function ownsTailAt(offset: number, size: number, length: number): boolean {
	return size % 4 === 0 || offset + size >= length;
}

function quarter(view: View | undefined): number {
	return view === undefined ? 0 : view.offset / 4;
}

function isFlat(view: View): boolean {
	return view.offset % 4 === 0 && isContiguous(view.shape, view.strides);
}

/** The quads that a thread computes. */
export function quadsEach(gpu: Gpu, quads: number): number {
	const kind = gpu.isSoftware ? 'software' : 'hardware';
	return Math.min(EACH[kind], Math.max(1, Math.floor(quads / WORKGROUP_SIZE / ENOUGH_WORKGROUPS[kind])));
}

/** Numbers as uniform parameters of a kernel for the view's dtype; integers are wrapped to int32. */
export function scalarsOf({ dtype }: View, s: number, t = 0): Scalars {
	return isFloating(dtype) ? { s, t } : { integerS: asInt32(s), integerT: asInt32(t) };
}

function asInt32(value: number): number {
	return Math.min(Math.max(Math.trunc(value), -(2 ** 31)), 2 ** 31 - 1);
}

const NONE: Scalars = {};

/** Access and parameters for up to three `inputs` and the `output`, all of one shape. A size of 0 gives an empty grid. */
export function planElementwise(gpu: Gpu, inputs: readonly View[], output: View, scalars = NONE): ElementwisePlan {
	const size = numel(output.shape);
	const quads = Math.ceil(size / 4);
	const each = quadsEach(gpu, quads);
	const grid = [Math.ceil(quads / WORKGROUP_SIZE / each)] as const;
	const flatOutput = isFlat(output) && ownsTail(output, size);
	if (size === 0 || (flatOutput && inputs.every(isFlat))) {
		const [a, b, c] = inputs;
		const offsets = [quarter(a), quarter(b), quarter(c), output.offset / 4];
		return { access: FLAT[inputs.length]!, params: quadParams(offsets, size, quads, each, scalars), grid, size };
	}
	const operands = [...inputs, output];
	const { shape, strides } = collapseDims(
		output.shape,
		operands.map((view) => view.strides),
	);
	const rows = planRows(gpu, operands, shape, strides, size, scalars);
	if (rows !== undefined) return rows;
	const modes = operands.map((view, k) => {
		if (k === inputs.length) return flatOutput ? 'f' : 's';
		if (isFlat(view)) return 'f';
		return strides[k]!.every((step) => step === 0) ? 'c' : 's';
	});
	const offsets = fourOf(operands.map((view, k) => (modes[k] === 'f' ? view.offset / 4 : view.offset)));
	const walk = modes.includes('s') ? { sizes: shape, strides: interleaved(strides) } : undefined;
	const params = quadParams(offsets, size, quads, each, scalars, walk);
	return { access: `linear.${modes.join('')}`, params, grid, size };
}

interface Walk {
	readonly sizes: readonly number[];
	readonly strides: readonly number[];
	readonly inner?: number;
}

/** All plans have objects of one shape, which the launch path reads fastest. */
function quadParams(
	offsets: readonly number[],
	size: number,
	quads: number,
	each: number,
	{ s, t, integerS, integerT }: Scalars,
	walk?: Walk,
): QuadParams {
	const sizes = walk?.sizes;
	const rank = sizes?.length;
	return { offsets, size, quads, each, s, t, integerS, integerT, rank, inner: walk?.inner, sizes, strides: walk?.strides };
}

/** The inputs' values as components x, y, z; the output's value as w. */
function fourOf(values: readonly number[]): number[] {
	const inputs = values.length - 1;
	return [inputs > 0 ? values[0]! : 0, inputs > 1 ? values[1]! : 0, inputs > 2 ? values[2]! : 0, values[inputs]!];
}

/** The operands' strides, four for each dimension. */
function interleaved(strides: readonly (readonly number[])[]): number[] {
	const inputs = strides.length - 1;
	const words: number[] = [];
	for (let d = 0; d < strides[0]!.length; d++) {
		for (let k = 0; k < 3; k++) words.push(k < inputs ? strides[k]![d]! : 0);
		words.push(strides[inputs]![d]!);
	}
	return words;
}

function planRows(
	gpu: Gpu,
	operands: readonly View[],
	shape: readonly number[],
	strides: readonly (readonly number[])[],
	size: number,
	scalars: Scalars,
): ElementwisePlan | undefined {
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
	const offsets = fourOf(operands.map((view, k) => (modes[k] === 'r' ? view.offset : view.offset / 4)));
	const walk = { sizes: shape, strides: interleaved(quadSteps), inner };
	const params = quadParams(offsets, size, rows * chunks, chunks, scalars, walk);
	return { access: `rows.${modes.join('')}`, params, grid: [Math.ceil((rows * chunks) / WORKGROUP_SIZE)], size };
}
