/** Models with branches, loops, sequences and functions. */
import { f, fixed, type Given, ints, model, node, scalar, tensorProto, v, value } from './model';

export interface ControlCase {
	readonly name: string;
	readonly operators: readonly string[];
	readonly bytes: Uint8Array;
	readonly given: Readonly<Record<string, Given>>;
	readonly waits?: boolean;
}

type Graph = Parameters<typeof model>[0];

function control(
	name: string,
	operators: readonly string[],
	graph: Graph,
	given: Readonly<Record<string, Given>>,
	initializers: Readonly<Record<string, Given>> = {},
	waits = false,
): ControlCase {
	const bytes = model({
		...graph,
		initializer: Object.entries(initializers).map(([key, one]) => tensorProto(key, one)),
		input: Object.entries(given).map(([key, { type, shape }]) => value(key, type, shape)),
	});
	return { name, operators, bytes, given, waits };
}

const x = f([3, 2]);
const output = (...names: string[]) => names.map((name) => value(name, null));

const body = (op: string, name: string) => ({ g: { name, node: [node(op, ['x'], [`${name}_y`])], output: output(`${name}_y`) } });
const branches = { then_branch: body('Relu', 'then'), else_branch: body('Neg', 'else') };

/** Adds x to the state until the turn is 3, and gives the states. */
const turns = {
	body: {
		g: {
			name: 'body',
			input: [value('turn', 'int64', []), value('goes', 'bool', []), value('state', 'float32', [3, 2])],
			node: [
				node('Add', ['state', 'x'], ['next']),
				node('Less', ['turn', 'three'], ['goesOn']),
				node('Identity', ['next'], ['scanned']),
			],
			output: [value('goesOn', 'bool', []), value('next', 'float32', [3, 2]), value('scanned', 'float32', [3, 2])],
		},
	},
};

const running = {
	body: {
		g: {
			name: 'body',
			input: [value('sum', 'float32', [2]), value('row', 'float32', [2])],
			node: [node('Add', ['sum', 'row'], ['more']), node('Mul', ['more', 'more'], ['square'])],
			output: [value('more', 'float32', [2]), value('square', 'float32', [2])],
		},
	},
};

const mapped = {
	body: {
		g: {
			name: 'body',
			input: [value('part', 'float32')],
			node: [node('Exp', ['part'], ['exp'])],
			output: [value('exp', 'float32')],
		},
	},
};

export const CONTROL_CASES: readonly ControlCase[] = [
	control(
		'If with a known condition',
		['If'],
		{ node: [node('If', ['c'], ['y'], branches)], output: output('y') },
		{ x },
		{ c: v('bool', [0], []) },
	),
	control(
		'If on the sign of a sum',
		['If'],
		{
			node: [
				node('ReduceSum', ['x'], ['s'], { keepdims: 0 }),
				node('Greater', ['s', 'zero'], ['c']),
				node('If', ['c'], ['y'], branches),
			],
			output: output('y'),
		},
		{ x },
		{ zero: scalar(0) },
		true,
	),
	control(
		'Loop with a count, a condition and outputs of each turn',
		['Loop'],
		{ node: [node('Loop', ['most', 'go', 'x'], ['last', 'all'], turns)], output: output('last', 'all') },
		{ x },
		{ most: scalar(10, 'int64'), go: v('bool', [1], []), three: scalar(3, 'int64') },
	),
	control(
		'Scan over rows',
		['Scan'],
		{ node: [node('Scan', ['start', 'x'], ['last', 'all'], { ...running, num_scan_inputs: 1 })], output: output('last', 'all') },
		{ x },
		{ start: v('float32', [1, 2]) },
	),
	control(
		'Scan backwards',
		['Scan'],
		{
			node: [
				node('Scan', ['start', 'x'], ['last', 'all'], {
					...running,
					num_scan_inputs: 1,
					scan_input_directions: [1],
					scan_output_axes: [1],
					scan_output_directions: [1],
				}),
			],
			output: output('last', 'all'),
		},
		{ x },
		{ start: v('float32', [1, 2]) },
	),
	control(
		'sequences that are split, changed and joined',
		['SplitToSequence', 'SequenceAt', 'SequenceInsert', 'SequenceErase', 'SequenceLength', 'ConcatFromSequence'],
		{
			node: [
				node('SplitToSequence', ['x', 'one'], ['parts'], { axis: 0 }),
				node('SequenceAt', ['parts', 'last'], ['end']),
				node('SequenceInsert', ['parts', 'end', 'zero'], ['more']),
				node('SequenceErase', ['more', 'one'], ['fewer']),
				node('SequenceLength', ['fewer'], ['count']),
				node('ConcatFromSequence', ['fewer'], ['y'], { axis: 1 }),
			],
			output: output('count', 'y'),
		},
		{ x },
		{ one: scalar(1, 'int64'), zero: scalar(0, 'int64'), last: scalar(-1, 'int64') },
	),
	control(
		'sequences that are made and mapped',
		['SequenceEmpty', 'SequenceConstruct', 'SequenceMap'],
		{
			node: [
				node('SequenceEmpty', [], ['none']),
				node('SequenceInsert', ['none', 'x'], ['first']),
				node('SequenceConstruct', ['x', 'x'], ['pair']),
				node('ConcatFromSequence', ['first'], ['y'], { axis: 0 }),
				node('ConcatFromSequence', ['pair'], ['z'], { axis: 0, new_axis: 1 }),
				node('SequenceMap', ['pair'], ['mapped'], mapped),
				node('ConcatFromSequence', ['mapped'], ['m'], { axis: 1 }),
			],
			output: output('y', 'z', 'm'),
		},
		{ x },
	),
	control(
		'optionals',
		['Optional', 'OptionalHasElement', 'OptionalGetElement'],
		{
			node: [
				node('Optional', ['x'], ['maybe']),
				node('OptionalHasElement', ['maybe'], ['has']),
				node('OptionalGetElement', ['maybe'], ['y']),
			],
			output: output('has', 'y'),
		},
		{ x },
	),
	control(
		'shapes that are computed from shapes',
		[],
		{
			node: [
				node('Shape', ['x'], ['s']),
				node('Gather', ['s', 'zero'], ['rows']),
				node('Unsqueeze', ['rows', 'axes'], ['r']),
				node('Concat', ['r', 'minus'], ['to'], { axis: 0 }),
				node('Reshape', ['x', 'to'], ['a']),
				node('ConstantOfShape', ['to2'], ['ones'], { value: { t: fixed(v('float32', [2])) } }),
				node('Mul', ['a', 'ones'], ['y']),
			],
			output: output('y'),
		},
		{ x },
		{ zero: scalar(0, 'int64'), axes: ints(0), minus: ints(-1, 1), to2: ints(1, 1) },
	),
];
