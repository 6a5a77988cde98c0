/** Arithmetic of two operands. */
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Refusal, Sample } from '../database';
import { nameOf } from './unary';

const INF = Number.POSITIVE_INFINITY;

interface BinaryCase {
	readonly operation: (a: w.Tensor | number, b: w.Tensor | number, options?: never) => w.Tensor;
	/** The Python expression for two operands. */
	readonly torch?: (a: string, b: string) => string;
	readonly values?: readonly [Partial<InputSpec>, Partial<InputSpec>];
	/** Numbers for the right and for the left operand. */
	readonly numbers?: readonly [right: number, left: number];
	/** Which integer dtypes it accepts. */
	readonly int32?: boolean;
	readonly bool?: boolean;
	/** Pairs of extreme values. */
	readonly extremes?: readonly (readonly [number, number])[];
	readonly more?: readonly Sample[];
	readonly refusals?: readonly Refusal[];
	readonly tolerance?: OpEntry['tolerance'];
}

const ORDINARY: readonly number[] = [0, -0, 1, -1, 2.5, -2.5, 3, -3, 1e10, -1e-10, INF, -INF, Number.NaN].map(Math.fround);
const ALL_PAIRS = ORDINARY.flatMap((a) => ORDINARY.map((b) => [a, b] as const));

interface NumberOptions {
	readonly right?: number;
	readonly left?: number;
}

const wrapped = (value: number) =>
	`torch.tensor(${value}, dtype=x[0].dtype if (x[0].dtype.is_floating_point or ${Number.isInteger(value) ? 'True' : 'False'}) else torch.float64)`;

function binary({
	operation,
	torch = (a, b) => `torch.${nameOf(operation)}(${a}, ${b})`,
	values = [{}, {}],
	numbers = [2.5, -1.5],
	int32 = true,
	bool = false,
	extremes = ALL_PAIRS,
	more = [],
	refusals = [],
	tolerance,
}: BinaryCase): OpEntry {
	const name = nameOf(operation);
	const pair = (label: string, a: InputSpec, b: InputSpec, rest: Partial<Sample> = {}): Sample => ({
		label,
		inputs: [
			{ ...values[0], ...a },
			{ ...values[1], ...b },
		],
		...rest,
	});
	const whole = (dtype: 'int32' | 'bool') => ({ dtype, low: -5, high: 6, avoid: [], distinct: false });
	const positive = (dtype: 'int32') => ({ dtype, low: 1, high: 6, avoid: [], distinct: false });
	const samples: Sample[] = [
		pair('odd sizes', { shape: [3, 5] }, { shape: [3, 5] }),
		pair('row', { shape: [3, 8] }, { shape: [8] }),
		pair('column', { shape: [3, 8] }, { shape: [3, 1] }),
		pair('both ways', { shape: [3, 1, 2] }, { shape: [4, 1] }),
		pair('scalar tensor', { shape: [2, 3] }, { shape: [] }),
		pair('transposed', { shape: [4, 3], layout: 'transposed' }, { shape: [4, 3] }),
		pair('strided', { shape: [2, 3], layout: 'strided' }, { shape: [2, 3], layout: 'expanded' }),
		pair('empty', { shape: [0, 3] }, { shape: [1, 3] }),
		pair('larger', { shape: [65, 33] }, { shape: [65, 33] }, { gradient: false }),
		pair('larger row', { shape: [65, 36] }, { shape: [36] }, { gradient: false }),
		pair('channels', { shape: [2, 3, 4, 8] }, { shape: [3, 1, 1] }, { gradient: false }),
		{
			label: 'extremes',
			inputs: [
				{ shape: [extremes.length], values: extremes.map(([a]) => a) },
				{ shape: [extremes.length], values: extremes.map(([, b]) => b) },
			],
			gradient: false,
		},
		{ label: 'number right', inputs: [{ shape: [3, 5], ...values[0] }], options: { right: numbers[0] } },
		{ label: 'number left', inputs: [{ shape: [3, 5], ...values[1] }], options: { left: numbers[1] } },
		...more,
	];
	if (int32) {
		samples.push(
			pair('int32', { shape: [9], ...whole('int32') }, { shape: [9], ...positive('int32') }),
			pair('int32 and float32', { shape: [9], ...positive('int32') }, { shape: [9] }, { gradient: false }),
			{ label: 'int32 and a number', inputs: [{ shape: [9], ...whole('int32') }], options: { right: 3 } },
			{ label: 'int32 and a fraction', inputs: [{ shape: [9], ...positive('int32') }], options: { right: 2.5 } },
		);
	}
	if (bool) samples.push(pair('bool', { shape: [6], dtype: 'bool' }, { shape: [6], dtype: 'bool' }));
	return {
		name,
		family: 'elementwise',
		call: ([a, b], options) => {
			const { right, left, ...rest } = options as NumberOptions;
			const given = rest as never;
			if (right !== undefined) return operation(a!, right, given);
			if (left !== undefined) return operation(left, a!, given);
			return operation(a!, b!, given);
		},
		samples,
		gradient: 'yes',
		...(tolerance && { tolerance }),
		torch: (options) => {
			const { right, left, alpha, roundingMode } = options as NumberOptions & { alpha?: number; roundingMode?: string };
			let expression = torch('x[0]', 'x[1]');
			if (right !== undefined) expression = torch('x[0]', wrapped(right));
			if (left !== undefined) expression = torch(wrapped(left), 'x[0]');
			if (alpha !== undefined) expression = expression.replace(/\)$/, `, alpha=${alpha})`);
			if (roundingMode !== undefined) expression = expression.replace(/\)$/, `, rounding_mode='${roundingMode}')`);
			return expression;
		},
		refusals: [
			{
				label: 'shapes',
				call: (device) => operation(w.zeros([2, 3], { device }), w.zeros([2, 4], { device })),
				message: new RegExp(`${name}: shapes \\[2, 3\\] and \\[2, 4\\] do not broadcast`),
			},
			{
				label: 'two numbers',
				call: () => operation(1, 2),
				message: new RegExp(`${name}: at least one operand must be a tensor`),
			},
			{
				label: 'a string',
				call: (device) => operation(w.zeros([2], { device }), '2' as unknown as number),
				message: new RegExp(`${name}: takes tensors and numbers, not '2'`),
			},
			...refusals,
		],
	};
}

const onBool = (operation: BinaryCase['operation'], message: RegExp): Refusal => ({
	label: 'bool',
	call: (device) => operation(w.tensor([true], { device }), w.tensor([false], { device })),
	message,
});
const byZero = (operation: BinaryCase['operation'], message: RegExp): Refusal => ({
	label: 'int32 by the number 0',
	call: (device) => operation(w.tensor([1], { dtype: 'int32', device }), 0),
	message,
});

const alphas: readonly Sample[] = [
	{ label: 'alpha', inputs: [{ shape: [3, 5] }, { shape: [5] }], options: { alpha: -0.5 } },
	{
		label: 'alpha, int32',
		inputs: [
			{ shape: [5], dtype: 'int32', low: -9, high: 9 },
			{ shape: [5], dtype: 'int32', low: -9, high: 9 },
		],
		options: { alpha: 3 },
	},
	{
		label: 'wraps around',
		inputs: [
			{ shape: [2], dtype: 'int32', values: [2147483647, -2147483648] },
			{ shape: [2], dtype: 'int32', values: [1, -1] },
		],
	},
];

/** Ranges that keep every quotient away from integers. */
const QUOTIENTS = [
	{ low: 2.3, high: 2.9 },
	{ low: 1, high: 1.1 },
] as const;
/** PyTorch's versions differ in floored divisions of infinity. */
const finitePairs = ALL_PAIRS.filter(([a]) => Number.isFinite(a));

export const arithmetic: OpEntry[] = [
	binary({ operation: w.add, bool: true, more: alphas }),
	binary({
		operation: w.sub,
		more: alphas,
		refusals: [
			onBool(w.sub, /sub: is not defined on bool/),
			{
				label: 'fractional alpha',
				call: (device) =>
					w.sub(w.tensor([1], { dtype: 'int32', device }), w.tensor([1], { dtype: 'int32', device }), { alpha: 0.5 }),
				message: /sub: alpha must be a whole number for int32, not 0\.5/,
			},
		],
	}),
	binary({
		operation: w.mul,
		bool: true,
		more: [
			{
				label: 'wraps around',
				inputs: [
					{ shape: [3], dtype: 'int32', values: [65537, -99999, 2147483647] },
					{ shape: [3], dtype: 'int32', values: [65537, 99999, 2147483647] },
				],
			},
		],
	}),
	binary({
		operation: w.div,
		values: [{}, { low: 0.5, high: 2 }],
		numbers: [2.5, -1.5],
		bool: true,
		more: [
			...(['trunc', 'floor'] as const).flatMap((roundingMode): Sample[] => [
				{
					label: roundingMode,
					inputs: [
						{ shape: [3, 5], ...QUOTIENTS[0] },
						{ shape: [5], ...QUOTIENTS[1] },
					],
					options: { roundingMode },
				},
				{
					label: `${roundingMode}, exact quotients`,
					inputs: [
						{ shape: [6], values: [6, -6, 7, -7, 1, 9] },
						{ shape: [6], values: [3, 3, -2, 2, Math.fround(0.1), Math.fround(0.3)] },
					],
					options: { roundingMode },
					gradient: false,
				},
				{
					label: `${roundingMode}, extremes`,
					inputs: [
						{ shape: [finitePairs.length], values: finitePairs.map(([a]) => a) },
						{ shape: [finitePairs.length], values: finitePairs.map(([, b]) => b) },
					],
					options: { roundingMode },
					gradient: false,
				},
				{
					label: `${roundingMode}, int32`,
					inputs: [
						{ shape: [9], dtype: 'int32', low: -9, high: 9 },
						{ shape: [9], dtype: 'int32', low: 1, high: 4 },
					],
					options: { roundingMode },
				},
				{
					label: `${roundingMode}, int32 and a number`,
					inputs: [{ shape: [9], dtype: 'int32', low: -9, high: 9 }],
					options: { roundingMode, right: -2 },
				},
			]),
		],
		refusals: [
			byZero((a, b) => w.div(a, b, { roundingMode: 'floor' }), /div: division of int32 by zero/),
			{
				label: 'rounding mode',
				call: (device) => w.div(w.tensor([1], { device }), 2, { roundingMode: 'ceil' as 'floor' }),
				message: /div: roundingMode must be 'trunc', 'floor' or null, not 'ceil'/,
			},
		],
	}),
	binary({
		operation: w.pow,
		values: [{ low: 0.3, high: 2.5 }, {}],
		numbers: [2.5, 1.5],
		tolerance: {
			relative: 4e-5,
			absolute: 4e-6,
			reason: 'y log2(x) is rounded to float32 relative to its size, up to 127, so the power is off by 127 units',
		},
		more: [
			...[0, 1, 2, 3, -1, -2, 0.5].map(
				(right): Sample => ({ label: `to ${right}`, inputs: [{ shape: [3, 3], low: 0.3, high: 2.5 }], options: { right } }),
			),
			...[2, 3, 1].map(
				(right): Sample => ({
					label: `negative to ${right}`,
					inputs: [{ shape: [3, 3], low: -2, high: -0.3 }],
					options: { right },
				}),
			),
			{ label: 'base 0', inputs: [{ shape: [4], low: 0.5, high: 2 }], options: { left: 0 } },
			{
				label: 'negative base, whole exponents',
				inputs: [
					{ shape: [4], values: [-1.5, -2, -0.5, -3] },
					{ shape: [4], values: [2, 3, -1, 5], gradient: false },
				],
			},
		],
		refusals: [
			onBool(w.pow, /pow: is not defined on bool/),
			{
				label: 'int32 to a negative power',
				call: (device) => w.pow(w.tensor([2], { dtype: 'int32', device }), -1),
				message: /pow: whole numbers to the negative power -1 are fractions/,
			},
		],
	}),
	binary({
		operation: w.maximum,
		bool: true,
		values: [{ distinct: true }, { low: -1.9, high: 1.9 }],
		numbers: [0.123, -0.321],
		more: ties(),
	}),
	binary({
		operation: w.minimum,
		bool: true,
		values: [{ distinct: true }, { low: -1.9, high: 1.9 }],
		numbers: [0.123, -0.321],
		more: ties(),
	}),
	binary({
		operation: w.fmod,
		values: QUOTIENTS,
		numbers: [1.1, 2.5],
		more: signs(),
		refusals: [onBool(w.fmod, /fmod: is not defined on bool/), byZero(w.fmod, /fmod: division of int32 by zero/)],
	}),
	binary({
		operation: w.remainder,
		values: QUOTIENTS,
		numbers: [1.1, 2.5],
		more: signs(),
		refusals: [
			onBool(w.remainder, /remainder: is not defined on bool/),
			byZero(w.remainder, /remainder: division of int32 by zero/),
		],
	}),
	binary({ operation: w.atan2, bool: true, values: [{ low: 0.3, high: 2 }, {}] }),
	binary({
		operation: w.hypot,
		int32: false,
		values: [{ low: 0.3, high: 2 }, {}],
		refusals: [
			{
				label: 'int32',
				call: (device) => w.hypot(w.tensor([3], { dtype: 'int32', device }), w.tensor([4], { dtype: 'int32', device })),
				message: /hypot: input must be floating, not int32/,
			},
		],
	}),
];

/** Equal values: forward only; a handwritten test checks the gradient. */
function ties(): Sample[] {
	return [
		{
			label: 'ties',
			inputs: [
				{ shape: [4], values: [1, 2, 2, -1] },
				{ shape: [4], values: [1, 1, 2, -1] },
			],
			gradient: false,
		},
	];
}

function signs(): Sample[] {
	return [
		{
			label: 'signs',
			inputs: [
				{ shape: [8], values: [5, -5, 5, -5, 6, -6, 1e10, 0.7].map(Math.fround) },
				{ shape: [8], values: [3, 3, -3, -3, 3, -3, 0.3, -0.1].map(Math.fround) },
			],
			gradient: false,
		},
		{
			label: 'far apart',
			inputs: [
				{ shape: [4], values: [1e20, -1e30, 3e38, 1].map(Math.fround) },
				{ shape: [4], values: [3, 7, 1e-10, 1e20].map(Math.fround) },
			],
			gradient: false,
		},
		{
			label: 'int32 signs',
			inputs: [
				{ shape: [6], dtype: 'int32', values: [7, -7, 7, -7, 6, -6] },
				{ shape: [6], dtype: 'int32', values: [3, 3, -3, -3, 3, -3] },
			],
		},
	];
}
