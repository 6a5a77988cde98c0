/** Functions of one number. */
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Refusal, Sample, Tolerance } from '../database';

const INF = Number.POSITIVE_INFINITY;

/** Zeros of both signs, tiny, ordinary and huge numbers, infinities, NaN, exact in float32. */
export const EXTREMES = [
	0,
	-0,
	1e-7,
	-1e-7,
	1,
	-1,
	7.5,
	-7.5,
	30,
	-30,
	88,
	-88,
	1e4,
	-1e4,
	1e20,
	-1e20,
	INF,
	-INF,
	Number.NaN,
].map(Math.fround);

/** The public name of an operation; a bundler may have given the function another. */
export function nameOf(operation: unknown): string {
	return Object.entries(w).find(([, value]) => value === operation)![0];
}

export interface UnaryCase {
	readonly name: string;
	readonly operation: (x: w.Tensor) => w.Tensor;
	readonly torch: string;
	/** Range and kinks of the random values. */
	readonly values?: Pick<InputSpec, 'low' | 'high' | 'avoid'>;
	/** 'floating': refuses whole numbers; 'numbers': int32 stays int32; 'promotes': int32 and bool become float32. */
	readonly accepts: 'floating' | 'numbers' | 'promotes';
	readonly extremes?: readonly number[];
	readonly tolerance?: Tolerance;
	readonly gradient?: OpEntry['gradient'];
	readonly more?: readonly Sample[];
}

function refusals(name: string, operation: UnaryCase['operation'], accepts: UnaryCase['accepts']): Refusal[] {
	const result: Refusal[] = [
		{
			label: 'no tensor',
			call: () => operation([1, 2] as unknown as w.Tensor),
			message: new RegExp(`${name}: input must be a tensor, not an array`),
		},
	];
	if (accepts !== 'promotes') {
		result.push({
			label: 'bool',
			call: (device) => operation(w.tensor([true], { device })),
			message:
				accepts === 'floating'
					? new RegExp(`${name}: input must be floating, not bool`)
					: new RegExp(`${name}: is not defined on bool`),
		});
	}
	return result;
}

export function unaryEntry({
	name,
	operation,
	torch,
	values = {},
	accepts,
	extremes = EXTREMES,
	tolerance,
	gradient,
	more = [],
}: UnaryCase): OpEntry {
	const sample = (label: string, spec: InputSpec, rest: Partial<Sample> = {}): Sample => ({
		label,
		inputs: [{ ...values, ...spec }],
		...rest,
	});
	const samples: Sample[] = [
		sample('odd sizes', { shape: [3, 11] }),
		sample('transposed', { shape: [4, 3], layout: 'transposed' }),
		sample('strided', { shape: [2, 5], layout: 'strided' }),
		sample('expanded', { shape: [3, 2], layout: 'expanded' }),
		sample('scalar', { shape: [] }),
		sample('empty', { shape: [0, 3] }),
		sample('larger', { shape: [65, 33] }, { gradient: false }),
		sample('extremes', { shape: [extremes.length], values: extremes }, { gradient: false }),
		...more,
	];
	const whole = { low: Math.ceil(values.low ?? -3), high: Math.floor(values.high ?? 4) + 1, avoid: [] };
	if (accepts !== 'floating') samples.push(sample('int32', { shape: [7], dtype: 'int32', ...whole }, { gradient: false }));
	if (accepts === 'promotes') samples.push(sample('bool', { shape: [5], dtype: 'bool' }, { gradient: false }));
	return {
		name,
		family: 'elementwise',
		call: ([x]) => operation(x!),
		samples,
		gradient: gradient ?? 'yes',
		...(tolerance && { tolerance }),
		torch: () => torch,
		refusals: refusals(name, operation, accepts),
	};
}

type Row = readonly [
	operation: (x: w.Tensor) => w.Tensor,
	torch: string,
	values?: UnaryCase['values'],
	accepts?: UnaryCase['accepts'],
	rest?: Partial<UnaryCase>,
];

const POSITIVE = { low: 0.2, high: 4 };
const INSIDE = { low: -0.9, high: 0.9 };
/** Whole numbers and the halves between them, where rounding jumps. */
const STEPS = { low: -3, high: 3, avoid: [-3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3] };
const TIES = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0, -0, 8388609, 1e9, INF, -INF, Number.NaN];

const STEEP: Tolerance = {
	relative: 4e-5,
	absolute: 2e-6,
	reason:
		'near the edge of the domain a relative error of one unit of float32 in the input grows by the condition number, about 10',
};

const ROWS: readonly Row[] = [
	[w.neg, 'torch.neg(x[0])', {}, 'numbers'],
	[w.abs, 'torch.abs(x[0])', { avoid: [0] }, 'numbers'],
	// PyTorch gives 0 for NaN; a sign that is not known is not 0.
	[w.sign, 'torch.where(x[0] != x[0], x[0], torch.sign(x[0]))', { avoid: [0] }, 'numbers'],
	[w.exp, 'torch.exp(x[0])'],
	[w.expm1, 'torch.expm1(x[0])'],
	[w.exp2, 'torch.exp2(x[0])'],
	[w.log, 'torch.log(x[0])', POSITIVE],
	[w.log1p, 'torch.log1p(x[0])', { low: -0.8, high: 4 }],
	[w.log2, 'torch.log2(x[0])', POSITIVE],
	[w.log10, 'torch.log10(x[0])', POSITIVE],
	[w.sqrt, 'torch.sqrt(x[0])', POSITIVE],
	[w.rsqrt, 'torch.rsqrt(x[0])', POSITIVE],
	[w.square, 'torch.square(x[0])', {}, 'numbers'],
	[w.reciprocal, 'torch.reciprocal(x[0])', { low: 0.4, high: 3 }],
	[w.sin, 'torch.sin(x[0])', { low: -10, high: 10 }],
	[w.cos, 'torch.cos(x[0])', { low: -10, high: 10 }],
	[w.tan, 'torch.tan(x[0])', { low: -1.2, high: 1.2 }],
	[w.asin, 'torch.asin(x[0])', INSIDE, 'promotes', { tolerance: STEEP }],
	[w.acos, 'torch.acos(x[0])', INSIDE, 'promotes', { tolerance: STEEP }],
	[w.atan, 'torch.atan(x[0])'],
	[w.sinh, 'torch.sinh(x[0])'],
	[w.cosh, 'torch.cosh(x[0])'],
	[w.tanh, 'torch.tanh(x[0])'],
	[w.asinh, 'torch.asinh(x[0])'],
	[w.acosh, 'torch.acosh(x[0])', { low: 1.2, high: 5 }, 'promotes', { tolerance: STEEP }],
	[w.atanh, 'torch.atanh(x[0])', INSIDE, 'promotes', { tolerance: STEEP }],
	[w.erf, 'torch.erf(x[0])'],
	[w.erfc, 'torch.erfc(x[0])'],
	[w.floor, 'torch.floor(x[0])', STEPS, 'numbers', { extremes: TIES }],
	[w.ceil, 'torch.ceil(x[0])', STEPS, 'numbers', { extremes: TIES }],
	[w.round, 'torch.round(x[0])', STEPS, 'numbers', { extremes: TIES }],
	[w.trunc, 'torch.trunc(x[0])', STEPS, 'numbers', { extremes: TIES }],
	[w.frac, 'torch.frac(x[0])', STEPS, 'floating', { extremes: TIES }],
];

export const unary: OpEntry[] = ROWS.map(([operation, torch, values, accepts = 'promotes', rest = {}]) =>
	unaryEntry({ name: nameOf(operation), operation, torch, accepts, ...(values && { values }), ...rest }),
);
