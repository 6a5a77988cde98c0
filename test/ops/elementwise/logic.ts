/** Comparisons, logic, predicates, choice, combinations of three, and conversions. */

import type { DType } from 'wgrad';
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Sample } from '../database';
import { py } from '../python';
import { nameOf } from './unary';

const INF = Number.POSITIVE_INFINITY;
const VALUES = [0, -0, 1, -1, 2, INF, -INF, Number.NaN, 1e-30, 2 ** 24];
const PAIRS = VALUES.flatMap((a) => VALUES.map((b) => [a, b] as const));
const NONE = { none: 'the result is bool' } as const;

function comparison(operation: (a: w.Tensor | number, b: w.Tensor | number) => w.Tensor, torch: string): OpEntry {
	const name = nameOf(operation);
	const int = (shape: readonly number[]): InputSpec => ({ shape, dtype: 'int32', low: -2, high: 3 });
	return {
		name,
		family: 'elementwise',
		call: ([a, b], { right, left }) =>
			operation((left as number | undefined) ?? a!, (right as number | undefined) ?? (left === undefined ? b! : a!)),
		samples: [
			{ label: 'odd sizes', inputs: [int([3, 11]), int([3, 11])] },
			{ label: 'floats', inputs: [{ shape: [65, 33] }, { shape: [65, 33] }] },
			{ label: 'broadcast', inputs: [int([3, 1, 4]), int([2, 1])] },
			{ label: 'row', inputs: [{ shape: [3, 8] }, { shape: [8] }] },
			{ label: 'transposed', inputs: [{ ...int([3, 4]), layout: 'transposed' }, int([3, 4])] },
			{ label: 'mixed', inputs: [int([7]), { shape: [7], values: [0, 1, -1, 0.5, 2, -2, 1] }] },
			{
				label: 'bool',
				inputs: [
					{ shape: [9], dtype: 'bool' },
					{ shape: [9], dtype: 'bool' },
				],
			},
			{ label: 'empty', inputs: [{ shape: [0] }, { shape: [1] }] },
			{ label: 'number right', inputs: [int([9])], options: { right: 1 } },
			{ label: 'fraction right', inputs: [int([9])], options: { right: 0.5 } },
			{ label: 'number left', inputs: [{ shape: [5], values: [0, 1, 2, Number.NaN, -1] }], options: { left: 1 } },
			{
				label: 'extremes',
				inputs: [
					{ shape: [PAIRS.length], values: PAIRS.map(([a]) => a) },
					{ shape: [PAIRS.length], values: PAIRS.map(([, b]) => b) },
				],
			},
		],
		gradient: NONE,
		torch: ({ right, left }) => {
			const [a, b] =
				right !== undefined
					? ['x[0]', `torch.tensor(${right})`]
					: left !== undefined
						? [`torch.tensor(${left})`, 'x[0]']
						: ['x[0]', 'x[1]'];
			return `torch.${torch}(${a}, ${b})`;
		},
		refusals: [
			{
				label: 'shapes',
				call: (device) => operation(w.zeros([3], { device }), w.zeros([2], { device })),
				message: new RegExp(`${name}: shapes \\[3\\] and \\[2\\] do not broadcast`),
			},
			{
				label: 'two numbers',
				call: () => operation(1, 2),
				message: new RegExp(`${name}: at least one operand must be a tensor`),
			},
		],
	};
}

function predicate(operation: (x: w.Tensor) => w.Tensor, torch: string): OpEntry {
	return {
		name: nameOf(operation),
		family: 'elementwise',
		call: ([x]) => operation(x!),
		samples: [
			{ label: 'extremes', inputs: [{ shape: [VALUES.length], values: VALUES }] },
			{ label: 'strided', inputs: [{ shape: [2, 5], values: VALUES, layout: 'strided' }] },
			{ label: 'int32', inputs: [{ shape: [9], dtype: 'int32', low: -1, high: 2 }] },
			{ label: 'bool', inputs: [{ shape: [5], dtype: 'bool' }] },
			{ label: 'scalar', inputs: [{ shape: [] }] },
			{ label: 'empty', inputs: [{ shape: [0, 2] }] },
		],
		gradient: NONE,
		torch: () => `torch.${torch}(x[0])`,
		refusals: [
			{
				label: 'a number',
				call: () => operation(1 as unknown as w.Tensor),
				message: new RegExp(`${nameOf(operation)}: input must be a tensor, not 1`),
			},
		],
	};
}

const CONDITION = (shape: readonly number[]): InputSpec => ({ shape, dtype: 'bool' });

const where: OpEntry = {
	name: 'where',
	family: 'elementwise',
	call: ([condition, a, b], { left, right }) =>
		w.where(condition!, (left as number | undefined) ?? a!, (right as number | undefined) ?? (left === undefined ? b! : a!)),
	samples: [
		{ label: 'odd sizes', inputs: [CONDITION([3, 5]), { shape: [3, 5] }, { shape: [3, 5] }] },
		{ label: 'broadcast', inputs: [CONDITION([3, 1]), { shape: [4] }, { shape: [2, 1, 1] }] },
		{ label: 'row condition', inputs: [CONDITION([8]), { shape: [3, 8] }, { shape: [] }] },
		{
			label: 'transposed',
			inputs: [{ ...CONDITION([3, 4]), layout: 'transposed' }, { shape: [3, 4] }, { shape: [3, 4], layout: 'strided' }],
		},
		{ label: 'number right', inputs: [CONDITION([3, 5]), { shape: [3, 5] }], options: { right: -1.5 } },
		{ label: 'number left', inputs: [CONDITION([3, 5]), { shape: [3, 5] }], options: { left: 2.5 } },
		{
			label: 'int32',
			inputs: [
				CONDITION([9]),
				{ shape: [9], dtype: 'int32', low: -9, high: 9 },
				{ shape: [9], dtype: 'int32', low: -9, high: 9 },
			],
		},
		{
			label: 'int32 and float32',
			inputs: [CONDITION([9]), { shape: [9], dtype: 'int32', low: -9, high: 9 }, { shape: [9] }],
			gradient: false,
		},
		{ label: 'bool', inputs: [CONDITION([9]), { shape: [9], dtype: 'bool' }, { shape: [9], dtype: 'bool' }] },
		{ label: 'empty', inputs: [CONDITION([0]), { shape: [1] }, { shape: [1] }] },
		{
			label: 'NaN on the other side',
			inputs: [
				{ shape: [2], dtype: 'bool', values: [1, 0] },
				{ shape: [2], values: [1, Number.NaN] },
				{ shape: [2], values: [INF, 2] },
			],
			gradient: false,
		},
		{ label: 'larger', inputs: [CONDITION([65, 33]), { shape: [65, 33] }, { shape: [65, 33] }], gradient: false },
	],
	gradient: 'yes',
	torch: ({ left, right }) =>
		`torch.where(x[0], ${left !== undefined ? `torch.tensor(${left}, dtype=x[1].dtype), x[1]` : `x[1], ${right !== undefined ? `torch.tensor(${right}, dtype=x[1].dtype)` : 'x[2]'}`})`,
	refusals: [
		{
			label: 'condition',
			call: (device) => w.where(w.ones([2], { device }), 1, 2),
			message: /where: condition must be bool, not float32/,
		},
		{
			label: 'shapes',
			call: (device) => w.where(w.tensor([true, false], { device }), w.zeros([3], { device }), 1),
			message: /where: shapes \[2\] and \[3\] do not broadcast/,
		},
	],
};

function three(
	operation: (a: w.Tensor, b: w.Tensor, c: w.Tensor, options?: { value?: number }) => w.Tensor,
	values: Partial<InputSpec>,
	more: readonly Sample[],
): OpEntry {
	const name = nameOf(operation);
	const spec = (shape: readonly number[], layout: InputSpec['layout'] = 'contiguous'): InputSpec => ({ shape, layout });
	return {
		name,
		family: 'elementwise',
		call: ([a, b, c], options) => operation(a!, b!, c!, options),
		samples: [
			{ label: 'odd sizes', inputs: [spec([3, 5]), spec([3, 5]), { ...spec([3, 5]), ...values }] },
			{ label: 'value', inputs: [spec([3, 5]), spec([3, 5]), { ...spec([3, 5]), ...values }], options: { value: -0.7 } },
			{ label: 'broadcast', inputs: [spec([3, 1, 2]), spec([4, 1]), { ...spec([2]), ...values }] },
			{
				label: 'strided',
				inputs: [spec([3, 4], 'transposed'), spec([3, 4], 'strided'), { ...spec([3, 4], 'expanded'), ...values }],
			},
			{ label: 'empty', inputs: [spec([0, 2]), spec([2]), { ...spec([1]), ...values }] },
			{ label: 'larger', inputs: [spec([65, 36]), spec([36]), { ...spec([65, 36]), ...values }], gradient: false },
			...more,
		],
		gradient: 'yes',
		torch: ({ value = 1 }) => `torch.${name}(x[0], x[1], x[2], value=${py(value)})`,
		refusals: [
			{
				label: 'shapes',
				call: (device) => operation(w.zeros([2], { device }), w.zeros([2], { device }), w.zeros([3], { device })),
				message: new RegExp(`${name}: shapes \\[2\\] and \\[2\\] and \\[3\\] do not broadcast`),
			},
			{
				label: 'a number',
				call: (device) => operation(w.zeros([2], { device }), 2 as unknown as w.Tensor, w.zeros([2], { device })),
				message: new RegExp(`${name}: tensor1 must be a tensor, not 2`),
			},
		],
	};
}

const WHOLE: InputSpec = { shape: [7], dtype: 'int32', low: -9, high: 9 };

const lerp: OpEntry = {
	name: 'lerp',
	family: 'elementwise',
	call: ([a, b, weight], options) => w.lerp(a!, b!, weight ?? (options.weight as number)),
	samples: [
		{ label: 'a number', inputs: [{ shape: [3, 5] }, { shape: [3, 5] }], options: { weight: 0.3 } },
		{ label: 'beyond the end', inputs: [{ shape: [3, 5] }, { shape: [5] }], options: { weight: 1.75 } },
		{ label: 'a tensor', inputs: [{ shape: [3, 5] }, { shape: [3, 5] }, { shape: [3, 5], low: 0, high: 1, avoid: [0.5] }] },
		{ label: 'broadcast', inputs: [{ shape: [3, 1] }, { shape: [4] }, { shape: [2, 1, 1], low: 0, high: 1, avoid: [0.5] }] },
		{
			label: 'exact at the ends',
			inputs: [
				{ shape: [2], values: [3, 3] },
				{ shape: [2], values: [1e8, 1e8] },
				{ shape: [2], values: [0, 1] },
			],
			gradient: false,
		},
		{ label: 'empty', inputs: [{ shape: [0] }, { shape: [0] }], options: { weight: 0.5 } },
	],
	gradient: 'yes',
	torch: ({ weight }) => `torch.lerp(x[0], x[1], ${weight === undefined ? 'x[2]' : py(weight)})`,
	refusals: [
		{
			label: 'int32',
			call: (device) => w.lerp(w.tensor([1], { dtype: 'int32', device }), w.tensor([2], { dtype: 'int32', device }), 0.5),
			message: /lerp: input must be floating, not int32/,
		},
	],
};

function conversion(): OpEntry {
	const cases: readonly (readonly [DType, DType, Partial<InputSpec>])[] = [
		['float32', 'int32', { low: -9, high: 9 }],
		['float32', 'bool', { values: [0, -0, 1, -2, Number.NaN, INF, 1e-30, 0, 3] }],
		['int32', 'float32', { low: -9, high: 9 }],
		['int32', 'bool', { low: -1, high: 2 }],
		['bool', 'float32', {}],
		['bool', 'int32', {}],
	];
	const layouts = ['contiguous', 'transposed', 'strided'] as const;
	return {
		name: 'to',
		family: 'elementwise',
		call: ([x], { dtype }) => w.to(x!, dtype as DType),
		samples: [
			...cases.map(
				([from, dtype, spec], i): Sample => ({
					label: `${from} to ${dtype}`,
					inputs: [{ shape: [3, 3], dtype: from, layout: layouts[i % 3]!, ...spec }],
					options: { dtype },
					gradient: false,
				}),
			),
			{ label: 'empty', inputs: [{ shape: [0] }], options: { dtype: 'int32' }, gradient: false },
		],
		gradient: 'yes',
		// Golden files use the doubled widths.
		torch: ({ dtype }) => `x[0].to(torch.${{ float32: 'float64', int32: 'int64' }[dtype as string] ?? dtype})`,
		refusals: [
			{
				label: 'no dtype',
				call: (device) => w.to(w.zeros([1], { device }), 'float' as DType),
				message:
					/to: the target must be a dtype \(float32, float64, float16, bfloat16, int32, int8, uint8, bool\) or a device \(cpu, webgpu\), not 'float'. Use 'float32'/,
			},
		],
	};
}

export const logic: OpEntry[] = [
	comparison(w.eq, 'eq'),
	comparison(w.ne, 'ne'),
	comparison(w.lt, 'lt'),
	comparison(w.le, 'le'),
	comparison(w.gt, 'gt'),
	comparison(w.ge, 'ge'),
	comparison(w.logicalAnd, 'logical_and'),
	comparison(w.logicalOr, 'logical_or'),
	comparison(w.logicalXor, 'logical_xor'),
	predicate(w.isnan, 'isnan'),
	predicate(w.isinf, 'isinf'),
	predicate(w.isfinite, 'isfinite'),
	predicate(w.logicalNot, 'logical_not'),
	where,
	lerp,
	three(w.addcmul, {}, [{ label: 'int32', inputs: [WHOLE, WHOLE, WHOLE], options: { value: 2 } }]),
	three(w.addcdiv, { low: 0.5, high: 2 }, []),
	conversion(),
];
