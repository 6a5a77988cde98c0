/**
 * Indexing as Python writes it: `index(x, [i, ':', j])` is `x[i, :, j]`.
 *
 * Numbers, slices, null and '...' give a view. The dims that tensors index are then merged into one dim. Kernels of gather and scatter move
 * its elements.
 */
import { layoutKernels } from '../../backends/kernels';
import { describe } from '../../core/checks';
import { fillValue, isInt32 } from '../../core/dtype';
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../../core/errors';
import type { IndexCheck } from '../../core/indexCheck';
import { checkOptions } from '../../core/options';
import { runOperation } from '../../core/scope';
import { broadcastShapes, contiguousStrides, numel, type Shape, sameShape } from '../../core/shape';
import { emptyOn, Tensor } from '../../tensor';
import { requireSameDevice, requireTensor } from '../../tensorChecks';
import { composed } from '../composed';
import { tensor } from '../creation';
import { add, lt, mul, sub, to, where } from '../elementwise';
import { copy_ } from '../inplace';
import { broadcastTo, clone, permute, reshape, select, slice, unsqueeze } from '../layout';
import { cumsum, sum } from '../reduce';
import { boundsCheck, checkBounds, expandIndex, gathered } from './gather';
import { addedAt, writtenAt } from './scatter';

type List<T> = readonly (T | List<T>)[];

/**
 * What may stand between the brackets, for one dim or more of x: a number; a slice as text, ':', '1:-1' or '::2'; int32 indices or a mask
 * (bool), as a tensor or nested arrays. Null adds a dim of size 1; '...' stands for all dims that are left.
 */
export type IndexItem = number | null | '...' | `${string}:${string}` | Tensor | List<number> | List<boolean>;

/**
 * The part of x that `indices` name: `index(x, [0, ':', [2, 1]])` is `x[0, :, [2, 1]]` in Python. Negative indices count from the end. Tensors
 * of indices broadcast, and their dims stand in the place of the dims that they index, or first if a slice separates these. Without such
 * tensors the result is a view. For a mask on the device, pass the indices that `await nonzero(mask, { asTuple: true })` returns. An index
 * out of range throws: for a tensor on WebGPU at the next read, `sync()` or `step()`. As indexing of a `torch.Tensor`.
 */
export function index(x: Tensor, indices: readonly IndexItem[]): Tensor {
	requireTensor('index', x);
	const parsed = runOperation('index', () => parse('index', x, indices));
	if (!hasTensors(parsed)) return composed('index', () => basicView(x, parsed));
	if (parsed.some((step) => 'mask' in step)) {
		throw new ArgumentError(
			'index: only the device knows how many elements a mask names. Pass ...(await nonzero(mask, { asTuple: true })) in its place',
		);
	}
	return composed('index', () => {
		const view = basicView(x, parsed);
		const places = placesIn('index', view, parsed);
		const rows = gathered('index', places.rows(view), 1, expandIndex(places.index, 1, places.shape), places.check);
		return reshape(rows, places.result);
	});
}

export interface IndexPutOptions {
	/** Whether values are added to the elements, instead of replacing them. Default false: the last value of an element wins. */
	readonly accumulate?: boolean;
}

/**
 * A copy of x with `values` at `indices`, which are those of `index`; they may hold one mask instead of tensors. The values broadcast and take
 * x's dtype. As `torch.index_put`.
 */
export function indexPut(
	x: Tensor,
	indices: readonly IndexItem[],
	values: Tensor | number | boolean,
	options: IndexPutOptions = {},
): Tensor {
	requireTensor('indexPut', x);
	return composed('indexPut', () => put('indexPut', clone(x), indices, values, options));
}

/** Writes `values` at `indices` into x, like `indexPut`, and returns x. As `torch.Tensor.index_put_`. */
export function indexPut_(
	x: Tensor,
	indices: readonly IndexItem[],
	values: Tensor | number | boolean,
	options: IndexPutOptions = {},
): Tensor {
	requireTensor('indexPut_', x);
	return composed('indexPut_', () => put('indexPut_', x, indices, values, options));
}

function put(
	name: string,
	x: Tensor,
	indices: readonly IndexItem[],
	values: Tensor | number | boolean,
	options: IndexPutOptions,
): Tensor {
	const { accumulate = false } = checkOptions(name, options, ['accumulate']);
	const parsed = runOperation(name, () => parse(name, x, indices));
	const source = valuesFor(name, x, values);
	const view = basicView(x, parsed);
	if (!hasTensors(parsed)) copy_(view, accumulate ? add(view, source) : source);
	else if (parsed.some((step) => 'mask' in step)) copy_(view, maskedPut(name, view, parsed, source, accumulate));
	else {
		const places = placesIn(name, view, parsed);
		const rows = places.rows(view);
		const at = expandIndex(places.index, 1, places.shape);
		const given = reshape(broadcast(name, source, places.result), at.shape);
		const written = accumulate
			? addedAt(name, rows, 1, at, given, places.check)
			: writtenAt(name, rows, 1, at, given, places.check);
		copy_(view, places.back(written));
	}
	return x;
}

function valuesFor(name: string, x: Tensor, values: Tensor | number | boolean): Tensor {
	if (values instanceof Tensor) {
		requireSameDevice(name, x, values);
		return to(values, x.dtype);
	}
	const one = emptyOn(x, []);
	layoutKernels(one.backend).fill({}, { y: one }, { value: fillValue(name, x.dtype, values) });
	return one;
}

function broadcast(name: string, source: Tensor, shape: Shape): Tensor {
	const whole = broadcastShapes(name, source.shape, shape);
	if (!sameShape(whole, shape))
		throw new ShapeError(`${name}: values ${formatShape(source.shape)} do not broadcast to ${formatShape(shape)}`);
	return broadcastTo(source, shape);
}

/** The view with values where a mask is true. The mask's dims count as one dim of the values, of the size that it has true elements. */
function maskedPut(name: string, view: Tensor, steps: readonly Step[], source: Tensor, accumulate: boolean): Tensor {
	const tensors = steps.filter((step) => 'mask' in step || 'index' in step);
	const [first] = tensors;
	if (tensors.length > 1 || first === undefined || !('mask' in first)) {
		throw new ArgumentError(
			`${name}: a mask cannot stand beside other tensors. Pass ...(await nonzero(mask, { asTuple: true })) in its place`,
		);
	}
	const { mask } = first;
	const at = steps.filter((step) => 'whole' in step || 'mask' in step).findIndex((step) => 'mask' in step);
	const [before, after] = [view.shape.slice(0, at), view.shape.slice(at + mask.ndim)];
	const size = numel(mask.shape);
	const rows = [...before, size, ...after];
	// The dim of the source that has an entry for each true element, if it has one of more than 1 element.
	const along = source.ndim - after.length - 1;
	const counted = along >= 0 && source.shape[along] !== 1;
	let given = source;
	const flat = reshape(mask, [size]);
	if (counted) {
		const count = source.shape[along]!;
		const numbers = cumsum(to(flat, 'int32'), 0);
		checkBounds(reshape(sum(to(flat, 'int32')), [1]), {
			operation: name,
			least: count,
			count: 1,
			noun: 'the mask has',
			rule: `true elements, but there are ${count} values`,
		});
		if (count === 0) return view;
		const position = where(flat, sub(numbers, 1), 0);
		const shape = source.shape.with(along, size);
		given = gathered(name, source, along, expandIndex(position, along, shape));
	}
	const spread = broadcast(name, given, rows);
	const target = reshape(view, rows);
	const condition = broadcastTo(reshape(flat, [size, ...after.map(() => 1)]), rows);
	return reshape(where(condition, accumulate ? add(target, spread) : spread, target), view.shape);
}

/** What one item does with the next dim of x. */
type Step =
	| { readonly at: number }
	| { readonly start: number; readonly end: number; readonly step: number; readonly whole: true }
	| { readonly added: true; readonly whole: true }
	| { readonly index: Tensor }
	/** Dim `dim` of an array of booleans of shape `masked`. */
	| { readonly index: Tensor; readonly masked: Shape; readonly dim: number }
	| { readonly mask: Tensor };

const WHOLE: Step = { start: 0, end: Number.POSITIVE_INFINITY, step: 1, whole: true };
const SLICE = /^(-?\d+)?:(-?\d+)?(?::(-?\d+)?)?$/;

function hasTensors(steps: readonly Step[]): boolean {
	return steps.some((step) => 'index' in step || 'mask' in step);
}

function parse(name: string, x: Tensor, indices: readonly IndexItem[]): Step[] {
	if (!Array.isArray(indices))
		throw new ArgumentError(`${name}: indices come as one array, such as [i, ':', j], not ${describe(indices)}`);
	const steps: Step[] = [];
	let rest = -1;
	for (const item of indices as readonly IndexItem[]) {
		if (item === '...') {
			if (rest >= 0) throw new ArgumentError(`${name}: only one of the indices can be '...'`);
			rest = steps.length;
		} else steps.push(...stepsOf(name, x, item));
	}
	const taken = steps.reduce((count, step) => count + ('added' in step ? 0 : 'mask' in step ? step.mask.ndim : 1), 0);
	if (taken > x.ndim) throw new ArgumentError(`${name}: ${taken} indices for the ${x.ndim} dims of ${formatShape(x.shape)}`);
	const others = new Array<Step>(x.ndim - taken).fill(WHOLE);
	const all = rest < 0 ? [...steps, ...others] : steps.toSpliced(rest, 0, ...others);
	requireFits(name, x, all);
	return all;
}

function stepsOf(name: string, x: Tensor, item: IndexItem): Step[] {
	if (item === null) return [{ added: true, whole: true }];
	if (typeof item === 'number') {
		if (!Number.isInteger(item)) throw new ArgumentError(`${name}: index ${item} must be a whole number`);
		return [{ at: item }];
	}
	if (typeof item === 'string') {
		const found = SLICE.exec(item);
		if (found === null) throw new ArgumentError(`${name}: the slice '${item}' must be 'start:end' or 'start:end:step'`);
		const step = Number(found[3] ?? 1);
		if (step < 1) throw new ArgumentError(`${name}: the step of '${item}' must be at least 1. To reverse, use flip()`);
		return [{ start: Number(found[1] ?? 0), end: Number(found[2] ?? Number.POSITIVE_INFINITY), step, whole: true }];
	}
	if (Array.isArray(item)) return listed(name, x, item);
	if (!(item instanceof Tensor))
		throw new ArgumentError(
			`${name}: an index must be a number, a slice such as '1:3', '...', null, a tensor or nested arrays, not ${describe(item)}`,
		);
	requireSameDevice(name, x, item);
	if (item.dtype === 'bool') return [{ mask: item }];
	if (item.dtype !== 'int32')
		throw new DTypeError(`${name}: indices are int32 or bool, not ${item.dtype}. Convert with .to('int32')`);
	return [{ index: item }];
}

/** Nested arrays: of numbers as a tensor; of booleans as the indices of the true ones, because the host knows their number. */
function listed(name: string, x: Tensor, list: List<number> | List<boolean>): Step[] {
	const values = flatten(list);
	const given = tensor(list as never, { device: x.device, ...(values.length === 0 && { dtype: 'int32' }) });
	if (values.length === 0 || values.every((value) => typeof value === 'number' && isInt32(value)))
		return [{ index: to(given, 'int32') }];
	if (given.dtype !== 'bool')
		throw new ArgumentError(`${name}: an array of indices holds whole numbers or booleans, not ${describe(list)}`);
	const strides = contiguousStrides(given.shape);
	const found = values.flatMap((value, position) => (value ? [position] : []));
	return strides.map((stride, d): Step => {
		const along = found.map((position) => Math.floor(position / stride) % given.shape[d]!);
		return { index: tensor(Int32Array.from(along), { device: x.device }), masked: given.shape, dim: d };
	});
}

function flatten(list: readonly unknown[]): unknown[] {
	return list.flatMap((item) => (Array.isArray(item) ? flatten(item) : [item]));
}

function requireFits(name: string, x: Tensor, steps: readonly Step[]): void {
	let dim = 0;
	for (const step of steps) {
		if ('added' in step) continue;
		const size = x.shape[dim]!;
		if ('at' in step && (step.at < -size || step.at >= size))
			throw new ArgumentError(
				`${name}: index ${step.at} is out of range for dim ${dim} of ${formatShape(x.shape)} of size ${size}`,
			);
		if ('mask' in step) {
			requireMask(name, step.mask.shape, x.shape.slice(dim, dim + step.mask.ndim));
			dim += step.mask.ndim;
		} else {
			// Every dim of an array of booleans has a step; the first one checks them all.
			if ('masked' in step && step.dim === 0) requireMask(name, step.masked, x.shape.slice(dim, dim + step.masked.length));
			dim++;
		}
	}
}

function requireMask(name: string, mask: Shape, covered: Shape): void {
	if (sameShape(mask, covered)) return;
	throw new ShapeError(
		`${name}: mask ${formatShape(mask)} must have the shape ${formatShape(covered)} of the dims that it masks`,
	);
}

/** The view that numbers, slices, null and '...' give. Dims with tensors stay whole. */
function basicView(x: Tensor, steps: readonly Step[]): Tensor {
	let view = x;
	let dim = 0;
	for (const step of steps) {
		if ('at' in step) view = select(view, dim, step.at);
		else if ('mask' in step) dim += step.mask.ndim;
		else {
			if ('added' in step) view = unsqueeze(view, dim);
			else if ('start' in step && step !== WHOLE) view = slice(view, dim, step.start, step.end, step.step);
			dim++;
		}
	}
	return view === x ? reshape(x, x.shape) : view;
}

interface Places {
	/** The view as [before, indexed, after], and the way back. */
	readonly rows: (view: Tensor) => Tensor;
	readonly back: (rows: Tensor) => Tensor;
	/** The positions along the indexed dim of `rows`, as a vector, and the check for the kernel that takes them. */
	readonly index: Tensor;
	readonly check: IndexCheck | undefined;
	/** The shape of `rows`. */
	readonly shape: Shape;
	/** The shape of the elements that the indices name. */
	readonly result: Shape;
}

function placesIn(name: string, view: Tensor, steps: readonly Step[]): Places {
	const kept = steps.filter((step) => !('at' in step));
	const dims = kept.flatMap((step, d) => ('index' in step ? [d] : []));
	const indices = kept.flatMap((step) => ('index' in step ? [step.index] : []));
	const common = broadcastShapes(name, ...indices.map(({ shape }) => shape));
	const first = dims[0]!;
	const isTogether = dims.every((dim, i) => dim === first + i);
	const others = [...view.shape.keys()].filter((dim) => !dims.includes(dim));
	const before = isTogether ? others.slice(0, first) : [];
	const after = isTogether ? others.slice(first) : others;
	const sizes = (some: readonly number[]) => some.map((dim) => view.shape[dim]!);
	const order = [...before, ...dims, ...after];
	const ordered = sizes(order);
	const shape = [numel(sizes(before)), numel(sizes(dims)), numel(sizes(after))];
	const { index, check } = linear(name, view, dims, indices, common);
	return {
		rows: (x) => reshape(isTogether ? x : permute(x, order), shape),
		back: (rows) => {
			const whole = reshape(rows, ordered);
			return isTogether
				? whole
				: permute(
						whole,
						order.map((_, dim) => order.indexOf(dim)),
					);
		},
		index,
		check,
		shape,
		result: [...sizes(before), ...common, ...sizes(after)],
	};
}

/** The indices of several dims as positions in the one dim that holds them all. */
function linear(
	name: string,
	view: Tensor,
	dims: readonly number[],
	indices: readonly Tensor[],
	common: Shape,
): { index: Tensor; check: IndexCheck | undefined } {
	const strides = contiguousStrides(dims.map((dim) => view.shape[dim]!));
	let check: IndexCheck | undefined;
	let position: Tensor | null = null;
	for (const [i, index] of indices.entries()) {
		const size = view.shape[dims[i]!]!;
		if (numel(common) > 0) {
			const what = `dim ${dims[i]} of ${formatShape(view.shape)}`;
			if (size === 0) throw new ArgumentError(`${name}: ${what} has size 0, so there is nothing to index`);
			const rule = { operation: name, noun: 'index', rule: `is out of range for ${what} of size ${size}` };
			// The kernel that moves the elements checks the only index. Positions that several make up do not tell which of them is wrong.
			if (indices.length === 1) check = boundsCheck(index, { ...rule, least: 0, count: size, wraps: true });
			else checkBounds(reshape(index, [-1]), { ...rule, least: -size, count: 2 * size });
		}
		const wrapped = where(lt(index, 0), add(index, size), index);
		const term: Tensor = strides[i] === 1 ? wrapped : mul(wrapped, strides[i]!);
		position = position === null ? term : add(position, term);
	}
	return { index: reshape(broadcastTo(position!, common), [-1]), check };
}
