/** Activation functions and clamping. */
import * as w from 'wgrad';
import type { OpEntry, Refusal, Sample } from '../database';
import { py } from '../python';
import { EXTREMES, nameOf, type UnaryCase, unaryEntry } from './unary';

type Options = Readonly<Record<string, unknown>>;

interface ActivationCase extends Omit<UnaryCase, 'operation' | 'torch' | 'name'> {
	readonly operation: (x: w.Tensor, options?: never) => w.Tensor;
	readonly torch: (options: Options) => string;
	/** Options to try besides none. */
	readonly options?: readonly Options[];
	readonly refusals?: readonly Refusal[];
}

function activation({ operation, torch, options = [], refusals = [], ...rest }: ActivationCase): OpEntry {
	const call = operation as (x: w.Tensor, options?: Options) => w.Tensor;
	const base = unaryEntry({ ...rest, name: nameOf(operation), operation: (x) => call(x), torch: '' });
	const more = options.flatMap((given): Sample[] => {
		const label = JSON.stringify(given);
		return [
			{ label, inputs: [{ shape: [3, 7], ...rest.values }], options: given },
			{ label: `${label} extremes`, inputs: [{ shape: [EXTREMES.length], values: EXTREMES }], options: given, gradient: false },
		];
	});
	return {
		...base,
		call: ([x], given) => call(x!, given),
		samples: [...base.samples, ...more],
		torch,
		refusals: [...base.refusals, ...refusals],
	};
}

const plain = (expression: string) => () => expression;
const badOption = (name: string, call: (x: w.Tensor) => unknown, message: RegExp): Refusal => ({
	label: name,
	call: (device) => call(w.tensor([1, 2], { device })),
	message,
});

export const activations: OpEntry[] = [
	activation({ operation: w.sigmoid, torch: plain('torch.sigmoid(x[0])'), accepts: 'promotes' }),
	activation({ operation: w.logSigmoid, torch: plain('F.logsigmoid(x[0])'), accepts: 'floating' }),
	activation({ operation: w.relu, torch: plain('torch.relu(x[0])'), accepts: 'numbers', values: { avoid: [0] } }),
	activation({
		operation: w.relu6,
		torch: plain('F.relu6(x[0])'),
		accepts: 'numbers',
		values: { low: -4, high: 10, avoid: [0, 6] },
	}),
	activation({
		operation: w.leakyRelu,
		torch: ({ negativeSlope = 0.01 }) => `F.leaky_relu(x[0], ${py(negativeSlope)})`,
		accepts: 'floating',
		values: { avoid: [0] },
		options: [{ negativeSlope: 0.3 }],
		refusals: [
			badOption(
				'slope',
				(x) => w.leakyRelu(x, { negativeSlope: 'a' as unknown as number }),
				/leakyRelu: negativeSlope must be a number, not 'a'/,
			),
		],
	}),
	activation({
		operation: w.elu,
		torch: ({ alpha = 1 }) => `F.elu(x[0], ${py(alpha)})`,
		accepts: 'floating',
		values: { avoid: [0] },
		options: [{ alpha: 1.5 }],
	}),
	activation({ operation: w.selu, torch: plain('F.selu(x[0])'), accepts: 'floating', values: { avoid: [0] } }),
	activation({
		operation: w.celu,
		// PyTorch's own celu and hardsigmoid have gradients with constants in float32.
		torch: ({ alpha = 1 }) => `torch.where(x[0] > 0, x[0], ${py(alpha)} * torch.expm1(x[0] / ${py(alpha)}))`,
		accepts: 'floating',
		values: { avoid: [0] },
		options: [{ alpha: 1.7 }],
		refusals: [badOption('alpha 0', (x) => w.celu(x, { alpha: 0 }), /celu: alpha must not be 0/)],
	}),
	activation({
		operation: w.gelu,
		torch: ({ approximate = 'none' }) => `F.gelu(x[0], approximate=${py(approximate)})`,
		accepts: 'floating',
		options: [{ approximate: 'tanh' }],
		refusals: [
			badOption(
				'approximate',
				(x) => w.gelu(x, { approximate: 'erf' as 'tanh' }),
				/gelu: approximate 'erf' is neither 'none' nor 'tanh'/,
			),
		],
	}),
	activation({ operation: w.silu, torch: plain('F.silu(x[0])'), accepts: 'floating' }),
	activation({ operation: w.mish, torch: plain('F.mish(x[0])'), accepts: 'floating' }),
	activation({
		operation: w.softplus,
		torch: ({ beta = 1, threshold = 20 }) => `F.softplus(x[0], ${py(beta)}, ${py(threshold)})`,
		accepts: 'floating',
		values: { avoid: [1.5] },
		options: [{ beta: 2, threshold: 3 }],
		refusals: [badOption('beta 0', (x) => w.softplus(x, { beta: 0 }), /softplus: beta must not be 0/)],
	}),
	activation({
		operation: w.softsign,
		torch: plain('F.softsign(x[0])'),
		accepts: 'numbers',
		values: { avoid: [0] },
	}),
	activation({
		operation: w.hardtanh,
		torch: ({ minVal = -1, maxVal = 1 }) => `F.hardtanh(x[0], ${py(minVal)}, ${py(maxVal)})`,
		accepts: 'numbers',
		values: { low: -3, high: 3, avoid: [-1, 1, -2, 0.5] },
		options: [{ minVal: -2, maxVal: 0.5 }],
		refusals: [badOption('limits', (x) => w.hardtanh(x, { minVal: 2, maxVal: 1 }), /hardtanh: minVal 2 is above maxVal 1/)],
	}),
	activation({
		operation: w.hardsigmoid,
		torch: plain('F.relu6(x[0] + 3) / 6'),
		accepts: 'floating',
		values: { low: -5, high: 5, avoid: [-3, 3] },
	}),
	activation({
		operation: w.hardswish,
		torch: plain('F.hardswish(x[0])'),
		accepts: 'floating',
		values: { low: -5, high: 5, avoid: [-3, 3] },
	}),
];

const CLAMPS: readonly Options[] = [{ min: -0.5 }, { max: 0.25 }, { min: -1, max: 1 }, { min: 2, max: -2 }];

export const clamp: OpEntry = {
	name: 'clamp',
	family: 'elementwise',
	call: ([x, min, max], options) => w.clamp(x!, min === undefined ? options : { min: min!, max: max ?? null }),
	samples: [
		...CLAMPS.map(
			(options): Sample => ({ label: JSON.stringify(options), inputs: [{ shape: [3, 7], avoid: [-0.5, 0.25, -1, 1] }], options }),
		),
		{
			label: 'at the limits',
			inputs: [{ shape: [5], values: [-1, 1, 0, -2, 2] }],
			options: { min: -1, max: 1 },
			gradient: false,
		},
		{
			label: 'extremes',
			inputs: [{ shape: [EXTREMES.length], values: EXTREMES }],
			options: { min: -3, max: 5 },
			gradient: false,
		},
		{ label: 'int32', inputs: [{ shape: [9], dtype: 'int32', low: -9, high: 9 }], options: { min: -2, max: 3 } },
		{
			label: 'int32 between fractions',
			inputs: [{ shape: [9], dtype: 'int32', low: -9, high: 9 }],
			options: { min: -2.5, max: 3.5 },
		},
		{ label: 'bool', inputs: [{ shape: [4], dtype: 'bool' }], options: { min: 0, max: 5 } },
		{ label: 'empty', inputs: [{ shape: [0, 2] }], options: { min: 0 } },
		{ label: 'strided', inputs: [{ shape: [3, 5], layout: 'strided', avoid: [0] }], options: { min: 0 } },
		{
			label: 'tensors',
			inputs: [
				{ shape: [3, 4], distinct: true },
				{ shape: [4], low: -1.9, high: -0.9 },
				{ shape: [3, 1], low: 0.6, high: 1.2 },
			],
		},
		{
			label: 'one tensor',
			inputs: [
				{ shape: [2, 5], low: -1, high: 1, avoid: [0.1] },
				{ shape: [], values: [Math.fround(0.1)] },
			],
		},
		{
			label: 'NaN and tensors',
			inputs: [
				{ shape: [3], values: [Number.NaN, 1, 2] },
				{ shape: [3], values: [0, Number.NaN, 0] },
			],
			gradient: false,
		},
	],
	gradient: 'yes',
	torch: ({ min, max }) =>
		min === undefined && max === undefined ? 'torch.clamp(*x)' : `torch.clamp(x[0], ${py(min)}, ${py(max)})`,
	refusals: [
		badOption('no limit', (x) => w.clamp(x, {}), /clamp: give min, max or both/),
		badOption('a string', (x) => w.clamp(x, { min: 'a' as unknown as number }), /takes tensors and numbers, not string a/),
	],
};
