/** Joins traces that were made at different sizes of the dynamic axes. In the joined trace, numbers are formulas of these sizes. */
import { ArgumentError, formatShape } from '../../core/errors';
import { Tensor } from '../../tensor';
import { keep } from '../../tidy';
import { type Assignment, Dim, evaluate, fitted, type Size } from './symbols';
import type { Step, Trace, Value } from './trace';

/** A value whose shape may follow the symbols. */
export interface SymbolicValue extends Omit<Value, 'shape' | 'tensor'> {
	readonly shape: readonly Size[];
	/** The elements of state and constants in the first run. A dim of `repeated` has one element there. */
	readonly tensor: Tensor | null;
	/** The dims along which a constant repeats one element, because their sizes follow the symbols. */
	readonly repeated: readonly number[];
	/** The constant counts from `start` in steps of `step` along its only dim. */
	readonly range: { readonly start: number; readonly step: number } | null;
}

/** A recorded operation, with `Dim`s among its attributes. */
export interface SymbolicStep extends Omit<Step, 'inputs' | 'outputs'> {
	readonly inputs: Readonly<Record<string, SymbolicValue | null>>;
	readonly outputs: readonly (SymbolicValue | null)[];
}

export interface MergedTrace {
	readonly steps: readonly SymbolicStep[];
	readonly inputs: readonly SymbolicValue[];
	readonly outputs: readonly string[];
	readonly results: readonly SymbolicValue[];
}

const CURE = 'Export with dynamicBatch: false and without dynamicAxes, for the sizes of the example inputs only';

export async function merged(traces: readonly Trace[], runs: readonly Assignment[]): Promise<MergedTrace> {
	const [first] = traces as [Trace];
	for (const other of traces) requireAlike(first, other);
	const makers = new Map(
		first.steps.flatMap((step, i) => step.outputs.flatMap((value) => (value === null ? [] : [[value.id, i]]))),
	);
	const isUniform = uniformity(traces, (value) => {
		const maker = makers.get(value.id);
		return maker === undefined ? [] : Object.values(first.steps[maker]!.inputs).filter((input) => input !== null);
	});
	const values = new Map<number, SymbolicValue>();
	const needed = new Set<number>();
	const use = async (value: Value): Promise<void> => {
		if (values.has(value.id)) return;
		const all = traces.map((trace) => trace.values[value.id]!);
		const what = () => `the shape of ${describe(value, first)}`;
		const shape = mergedNumbers(
			all.map((one) => one.shape),
			runs,
			what,
		) as Size[];
		const plain: SymbolicValue = { ...value, shape, repeated: [], range: null };
		const maker = makers.get(value.id);
		const follows = shape.some((size) => size instanceof Dim);
		// Elements may look alike only because the runs are small: positions that are all within a limit, for example.
		const isLeft = maker !== undefined && follows && !(await isUniform(value));
		const constant =
			value.source === 'constant' && !isLeft ? await mergedConstant(plain, all, runs, first, maker !== undefined) : null;
		values.set(value.id, constant ?? (maker === undefined ? plain : { ...plain, source: 'step', tensor: null }));
		if (constant === null && maker !== undefined) needed.add(maker);
	};
	for (const value of [...first.values.filter(({ source }) => source === 'input'), ...first.results]) await use(value);
	// Later steps use the results of earlier ones only.
	for (let i = first.steps.length - 1; i >= 0; i--) {
		if (!needed.has(i)) continue;
		const { inputs, outputs } = first.steps[i]!;
		for (const value of [...Object.values(inputs), ...outputs]) if (value !== null) await use(value);
	}
	const find = (value: Value | null) => value && values.get(value.id)!;
	const steps = [...needed]
		.sort((a, b) => a - b)
		.map((i): SymbolicStep => {
			const step = first.steps[i]!;
			return {
				...step,
				inputs: Object.fromEntries(Object.entries(step.inputs).map(([key, value]) => [key, find(value)])),
				outputs: step.outputs.map(find),
				attributes: mergedNumbers(
					traces.map((trace) => trace.steps[i]!.attributes),
					runs,
					() => `an attribute of ${nameOf(step)}`,
				),
			};
		});
	return {
		steps,
		inputs: [...values.values()].filter(({ source }) => source === 'input'),
		outputs: first.outputs,
		results: first.results.map((value) => find(value)!),
	};
}

/** Tells whether all elements of a constant are equal in all runs, or it is computed from such constants alone. */
function uniformity(traces: readonly Trace[], inputsOf: (value: Value) => readonly Value[]): (value: Value) => Promise<boolean> {
	const known = new Map<number, Promise<boolean>>();
	const judge = async (value: Value): Promise<boolean> => {
		if (value.source !== 'constant') return false;
		const inputs = inputsOf(value);
		if (inputs.length > 0) return (await Promise.all(inputs.map(isUniform))).every(Boolean);
		const all = await Promise.all(traces.map(({ values }) => values[value.id]!.tensor!.data()));
		return all.every((elements) => elements.every((element) => Object.is(element, all[0]![0])));
	};
	const isUniform = (value: Value): Promise<boolean> => {
		const found = known.get(value.id) ?? judge(value);
		known.set(value.id, found);
		return found;
	};
	return isUniform;
}

/** The operation with its place, for messages. */
export function nameOf({ name, place }: Pick<Step, 'name' | 'place'>): string {
	return place === '' ? name : `${name} in module '${place}'`;
}

function describe(value: Value, { steps }: Trace): string {
	const maker = steps.find(({ outputs }) => outputs.includes(value));
	if (maker !== undefined) return `the result of ${nameOf(maker)}`;
	const reader = steps.find(({ inputs }) => Object.values(inputs).includes(value));
	return reader === undefined ? `a ${value.source}` : `a ${value.source} that ${nameOf(reader)} takes`;
}

function requireAlike(first: Trace, other: Trace): void {
	const ids = (values: readonly (Value | null)[]) => values.map((value) => value?.id ?? '').join();
	for (let i = 0; i < Math.max(first.steps.length, other.steps.length); i++) {
		const [a, b] = [first.steps[i], other.steps[i]];
		const alike = a?.kind === b?.kind && a?.name === b?.name;
		if (alike && ids(Object.values(a!.inputs)) === ids(Object.values(b!.inputs)) && ids(a!.outputs) === ids(b!.outputs)) continue;
		const step = (a ?? b)!;
		throw new ArgumentError(
			`ONNX export: which operations run depends on the sizes of the dynamic axes, from ${nameOf(step)} on. ${CURE}`,
		);
	}
	if (ids(first.results) !== ids(other.results))
		throw new ArgumentError(`ONNX export: what forward returns depends on the sizes of the dynamic axes. ${CURE}`);
}

/** The same structure with a `Dim` in the place of each number that differs between the runs. */
function mergedNumbers(all: readonly unknown[], runs: readonly Assignment[], what: () => string): unknown {
	const [first] = all;
	if (typeof first === 'number') {
		const size = all.every((value) => typeof value === 'number') ? fitted(all as number[], runs) : null;
		if (size !== null) return size;
		throw new ArgumentError(
			`ONNX export: ${what()} is ${all.join(', ')} in runs at different sizes of the dynamic axes; it is no polynomial of them. ${CURE}`,
		);
	}
	if (Array.isArray(first)) {
		if (!all.every((list) => Array.isArray(list) && list.length === first.length))
			throw new ArgumentError(
				`ONNX export: the number of entries of ${what()} depends on the sizes of the dynamic axes. ${CURE}`,
			);
		return first.map((_, i) =>
			mergedNumbers(
				all.map((list) => (list as unknown[])[i]),
				runs,
				what,
			),
		);
	}
	if (typeof first === 'object' && first !== null) {
		return Object.fromEntries(
			Object.keys(first).map((key) => [
				key,
				mergedNumbers(
					all.map((object) => (object as Record<string, unknown>)[key]),
					runs,
					what,
				),
			]),
		);
	}
	if (all.some((value) => value !== first))
		throw new ArgumentError(`ONNX export: ${what()} depends on the sizes of the dynamic axes. ${CURE}`);
	return first;
}

/**
 * A constant must be equal in all runs, or repeat its elements along the dims that follow the symbols, or count. null: the graph has to
 * compute it from other constants.
 */
async function mergedConstant(
	value: SymbolicValue,
	all: readonly Value[],
	runs: readonly Assignment[],
	trace: Trace,
	isComputed: boolean,
): Promise<SymbolicValue | null> {
	const dims = value.shape.flatMap((size, d) => (size instanceof Dim ? [d] : []));
	if (all.length === 1) return value;
	const data = await Promise.all(all.map(async ({ tensor }) => tensor!.data()));
	const shapes = all.map(({ shape }) => shape);
	const isRepeated = data.every((elements, run) => {
		const own = firstAlong(elements, shapes[run]!, dims);
		const base = firstAlong(data[0]!, shapes[0]!, dims);
		return own !== null && base !== null && own.length === base.length && own.every((element, i) => Object.is(element, base[i]));
	});
	if (isRepeated) {
		const tensor = value.tensor!;
		const first = tensor.shape.map((size, d) => (dims.includes(d) ? Math.min(1, size) : size));
		return { ...value, tensor: narrowed(tensor, first), repeated: dims };
	}
	const [start = 0, second = 0] = data[0]!;
	const isRange =
		value.shape.length === 1 &&
		data.every((elements) => elements.every((element, i) => element === start + i * (second - start)));
	if (isRange && dims.length === 1) return { ...value, range: { start, step: second - start } };
	if (isComputed) return null;
	const original = trace.values[value.id]!;
	const sizes = runs.map((run) => formatShape(value.shape.map((size) => evaluate(size, run)))).join(', ');
	throw new ArgumentError(
		dims.length === 0
			? `ONNX export: the elements of ${describe(original, trace)} depend on the inputs, because forward computes them on the host or moves a tensor between devices. Compute them with operations on one device`
			: `ONNX export: ${describe(original, trace)} has the shapes ${sizes} at different sizes of the dynamic axes, and its elements follow no pattern. Compute it from the inputs, or export with dynamicBatch: false`,
	);
}

/** A view of the first elements. */
function narrowed(tensor: Tensor, shape: readonly number[]): Tensor {
	return keep(new Tensor(tensor.storage, shape, tensor.strides, tensor.offset));
}

/** The elements at position 0 of `dims`, or null if those at other positions differ. */
function firstAlong(elements: ArrayLike<number>, shape: readonly number[], dims: readonly number[]): number[] | null {
	if (dims.length === 0) return Array.from(elements);
	const strides = shape.map((_, d) => shape.slice(d + 1).reduce((size, next) => size * next, 1));
	const found: number[] = [];
	for (let i = 0; i < elements.length; i++) {
		let first = i;
		for (const d of dims) first -= (Math.floor(i / strides[d]!) % shape[d]!) * strides[d]!;
		if (first === i) found.push(elements[i]!);
		else if (!Object.is(elements[first]!, elements[i]!)) return null;
	}
	return found;
}
