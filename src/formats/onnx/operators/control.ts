/** Branches, loops, and sequences. Conditions and numbers of turns are known on the host, or read from the device. */
import { ArgumentError, FormatError } from '../../../core/errors';
import { tensor } from '../../../ops/creation';
import { cat, split, squeeze, stack, unbind } from '../../../ops/layout';
import { Tensor } from '../../../tensor';
import {
	axisOf,
	type Call,
	Host,
	has,
	hostInts,
	input,
	NeedsHost,
	number,
	type Operator,
	type Result,
	Sequence,
	type Steps,
	sequence,
	type Table,
	type Value,
} from '../operator';

/** The number that a value holds, read from the device if need be. */
function* known(value: Value | null, node: string): Steps<number> {
	if (value instanceof Host) return value.numbers[0]!;
	if (value instanceof Tensor) return (yield value).numbers[0]!;
	throw new FormatError(`${node}: a condition must be a tensor`);
}

function* branch(call: Call): Steps<Result> {
	const condition = yield* known(call.inputs[0] ?? null, call.attributes.node);
	return yield* call.subgraph(condition === 0 ? 'else_branch' : 'then_branch').run([]);
}

function hostBool(value: boolean): Host {
	return new Host(tensor([value], { dtype: 'bool', shape: [], device: 'cpu' }));
}

/** Results of the turns of a loop, joined along a new dim. */
function joined(items: readonly (Value | null)[], node: string, axis = 0): Value {
	if (items.length === 0) throw new FormatError(`${node}: a loop without turns has no scan outputs`);
	if (items.every((item) => item instanceof Host))
		return new Host(
			stack(
				items.map((item) => (item as Host).tensor),
				axis,
			),
		);
	const device = (items.find((item) => item instanceof Tensor) as Tensor | undefined)?.device ?? 'cpu';
	return stack(
		items.map((item) => (item instanceof Host ? item.on(device) : (item as Tensor))),
		axis,
	);
}

function* loop(call: Call): Steps<Result> {
	const { attributes } = call;
	const body = call.subgraph('body');
	const most = has(call, 0) ? yield* known(call.inputs[0]!, attributes.node) : Number.POSITIVE_INFINITY;
	let runs = !has(call, 1) || (yield* known(call.inputs[1]!, attributes.node)) !== 0;
	let states = call.inputs.slice(2);
	const scans: (Value | null)[][] = Array.from({ length: call.outputs.length - states.length }, () => []);
	for (let turn = 0; turn < most && runs; turn++) {
		const [condition = null, ...rest] = yield* body.run([hostInts([turn], []), hostBool(true), ...states]);
		runs = (yield* known(condition, attributes.node)) !== 0;
		states = rest.slice(0, states.length);
		scans.forEach((items, i) => {
			items.push(rest[states.length + i] ?? null);
		});
	}
	return [...states, ...scans.map((items) => joined(items, attributes.node))];
}

function* scan(call: Call): Steps<Result> {
	const { attributes } = call;
	if (call.version < 9) throw new FormatError(`${attributes.node}: Scan before version 9 is not supported`);
	const body = call.subgraph('body');
	const count = attributes.int('num_scan_inputs');
	const stateCount = call.inputs.length - count;
	const list = (name: string) => attributes.ints(name) ?? [];
	const given = Array.from({ length: count }, (_, i) => {
		const value = call.inputs[stateCount + i];
		const x = input(call, stateCount + i);
		const axis = axisOf(call, list('scan_input_axes')[i] ?? 0, x.ndim);
		const steps: (Tensor | Host)[] = unbind(x, axis).map((step) => (value instanceof Host ? new Host(step) : step));
		return list('scan_input_directions')[i] === 1 ? steps.reverse() : steps;
	});
	let states: readonly (Value | null)[] = call.inputs.slice(0, stateCount);
	const scans: (Value | null)[][] = Array.from({ length: call.outputs.length - stateCount }, () => []);
	for (let turn = 0; turn < given[0]!.length; turn++) {
		const results = yield* body.run([...states, ...given.map((steps) => steps[turn]!)]);
		states = results.slice(0, stateCount);
		scans.forEach((items, i) => {
			items.push(results[stateCount + i] ?? null);
		});
	}
	const outputs = scans.map((items, i) => {
		const first = itemOf(items[0]);
		const rank = (first instanceof Host ? first.tensor : first).ndim + 1;
		const axis = axisOf(call, list('scan_output_axes')[i] ?? 0, rank);
		return joined(list('scan_output_directions')[i] === 1 ? items.reverse() : items, attributes.node, axis);
	});
	return [...states, ...outputs];
}

function tensorsOf(call: Call, index: number): Tensor[] {
	return sequence(call, index).items.map((item) => (item instanceof Host ? item.on(call.device) : item));
}

/** A place in a sequence. Negative ones count from the end. */
function placeIn(call: Call, index: number, length: number, otherwise: number): number {
	const at = has(call, index) ? number(call, index) : otherwise;
	const place = at < 0 ? at + length : at;
	if (place < 0 || place > length)
		throw new ArgumentError(`${call.attributes.node}: position ${at} is out of range for ${length} elements`);
	return place;
}

function itemOf(value: Value | null | undefined): Tensor | Host {
	if (value instanceof Tensor || value instanceof Host) return value;
	throw new FormatError('a sequence holds tensors only');
}

function splitToSequence(call: Call): Sequence {
	const { attributes } = call;
	const x = input(call, 0);
	const axis = axisOf(call, attributes.int('axis', 0), x.ndim);
	if (!has(call, 1)) {
		const keeps = attributes.flag('keepdims', true);
		return new Sequence(split(x, 1, axis).map((part) => (keeps ? part : squeeze(part, axis))));
	}
	const value = call.inputs[1];
	if (!(value instanceof Host)) throw new NeedsHost(1);
	return new Sequence(split(x, value.tensor.ndim === 0 ? value.numbers[0]! : value.numbers, axis));
}

function* sequenceMap(call: Call): Steps<Result> {
	const body = call.subgraph('body');
	const first = sequence(call, 0);
	const results: (Tensor | Host)[][] = call.outputs.map(() => []);
	for (let i = 0; i < first.items.length; i++) {
		const given = call.inputs.map((value) => (value instanceof Sequence ? value.items[i]! : value));
		const found = yield* body.run(given);
		results.forEach((items, k) => {
			items.push(itemOf(found[k]));
		});
	}
	return results.map((items) => new Sequence(items));
}

function simple(run: (call: Call) => Result): Operator {
	return { run };
}

export const CONTROL: Table = {
	If: { run: branch },
	Loop: { run: loop },
	Scan: { run: scan },
	SequenceEmpty: simple(() => new Sequence([])),
	SequenceConstruct: simple((call) => new Sequence(call.inputs.map(itemOf))),
	SequenceInsert: simple((call) => {
		const { items } = sequence(call, 0);
		return new Sequence(items.toSpliced(placeIn(call, 2, items.length, items.length), 0, itemOf(call.inputs[1])));
	}),
	SequenceErase: simple((call) => {
		const { items } = sequence(call, 0);
		return new Sequence(items.toSpliced(placeIn(call, 1, items.length, items.length - 1), 1));
	}),
	SequenceAt: simple((call) => {
		const { items } = sequence(call, 0);
		return itemOf(items[placeIn(call, 1, items.length, 0)]);
	}),
	SequenceLength: simple((call) => hostInts([sequence(call, 0).items.length], [])),
	SequenceMap: { run: sequenceMap },
	SplitToSequence: simple(splitToSequence),
	ConcatFromSequence: simple((call) => {
		const list = tensorsOf(call, 0);
		const { attributes } = call;
		const axis = attributes.int('axis');
		return attributes.flag('new_axis') ? stack(list, axis) : cat(list, axis);
	}),
	Optional: simple((call) => call.inputs[0] ?? new Sequence([])),
	OptionalHasElement: simple((call) => {
		const value = call.inputs[0] ?? null;
		return hostBool(value !== null && !(value instanceof Sequence && value.items.length === 0));
	}),
	OptionalGetElement: simple((call) => call.inputs[0] ?? itemOf(null)),
};
