/** Functions of one tensor. */
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Options, Refusal, Sample, Tolerance } from '../database';
import { ENTRIES, FUNCTIONS, type Row, type RowName } from './rows';

const INF = Number.POSITIVE_INFINITY;

/** Zeros of both signs, tiny, ordinary and huge numbers, infinities and NaN, all exact in float32. */
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

/** The public name of an operation, even if a bundler has renamed the function. */
export function nameOf(operation: unknown): string {
	return Object.entries(w).find(([, value]) => value === operation)![0];
}

interface UnaryCase {
	readonly name: string;
	readonly operation: (x: w.Tensor) => w.Tensor;
	readonly torch: string;
	/** Range and kinks of the random values. */
	readonly values?: Pick<InputSpec, 'low' | 'high' | 'avoid'>;
	/** 'floating' rejects integers; 'numbers' keeps int32; 'promotes' turns int32 and bool into float32. */
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
			message: new RegExp(`${name}: input must be a tensor, not \\[1, 2\\]`),
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

function entryOf(
	name: RowName,
	{ torch, options = [], refusals = [], accepts = 'promotes', kinks: _, layer: __, ...row }: Row,
): OpEntry {
	const call: (x: w.Tensor, options?: Options & object) => w.Tensor = FUNCTIONS[name];
	const base = unaryEntry({ ...row, name, accepts, operation: (x) => call(x), torch: '' });
	const more = options.flatMap((given): Sample[] => {
		const label = JSON.stringify(given);
		return [
			{ label, inputs: [{ shape: [3, 7], ...row.values }], options: given },
			{ label: `${label} extremes`, inputs: [{ shape: [EXTREMES.length], values: EXTREMES }], options: given, gradient: false },
		];
	});
	return {
		...base,
		call: ([x], given) => call(x!, given),
		samples: [...base.samples, ...more],
		torch: typeof torch === 'string' ? () => torch : torch,
		refusals: [...base.refusals, ...refusals],
	};
}

export const unary: readonly OpEntry[] = ENTRIES.map(([name, row]) => entryOf(name, row));
