/**
 * The tests of each unary function: PyTorch's expression, the values of samples and random cases, the kinks, the layer. The
 * database, the random cases and the wrong calls use these rows.
 */
import * as w from 'wgrad';
import type { UnaryOp } from '../../../src/backends/contract/elementwise';
import type { InputSpec, OpEntry, Options, Refusal, Tolerance } from '../database';
import { AROUND_0, INF, NAN } from '../kinks/kink';
import { py } from '../python';

type Values = Pick<InputSpec, 'low' | 'high' | 'avoid'>;

export interface Row {
	/** An expression of x[0], or a function from the options to one. */
	readonly torch: string | ((options: Options) => string);
	/**
	 * 'floating' rejects integers and bool; 'numbers' rejects bool; 'promotes', the default, accepts everything. Integers give
	 * float32, or stay integers.
	 */
	readonly accepts?: 'floating' | 'numbers' | 'promotes';
	/** The range and kinks of the samples' random values. */
	readonly values?: Values;
	/** The values of the random cases, for functions without options. */
	readonly random?: Values;
	/** Where the derivative jumps, explodes or does not exist; golden values check it there. */
	readonly kinks?: readonly number[];
	/** Options to test besides the defaults. */
	readonly options?: readonly Options[];
	/** Refusals of the function's own checks. */
	readonly refusals?: readonly Refusal[];
	/** The layer that computes the function. */
	readonly layer?: keyof typeof w.nn;
	/** Replaces EXTREMES. */
	readonly extremes?: readonly number[];
	readonly tolerance?: Tolerance;
	readonly gradient?: OpEntry['gradient'];
}

const POSITIVE = { values: { low: 0.2, high: 4 }, random: { low: 0.05, high: 20 } };
const INSIDE = { values: { low: -0.9, high: 0.9 }, random: { low: -0.95, high: 0.95 } };
/** Integers and the halves between them, where rounding jumps. */
const STEPS = {
	accepts: 'numbers',
	values: { low: -3, high: 3, avoid: [-3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3] },
	random: { low: -9, high: 9, avoid: Array.from({ length: 39 }, (_, i) => i / 2 - 9.5) },
	extremes: [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0, -0, 8388609, 1e9, INF, -INF, NAN],
} as const;

const STEEP: Tolerance = {
	relative: 4e-5,
	absolute: 2e-6,
	reason:
		'near the edge of the domain a relative error of one unit of float32 in the input grows by the condition number, about 10',
};

const REFLECTED: Tolerance = {
	relative: 1e-5,
	absolute: 2e-6,
	reason: 'sums of terms of both signs that cancel near the zeros, and slopes of up to 1 / x^2 near 0',
};

export const refused = (label: string, call: (x: w.Tensor) => unknown, message: RegExp): Refusal => ({
	label,
	call: (device) => call(w.tensor([1, 2], { device })),
	message,
});

/**
 * A contract function without a row is a type error, and so is a row without a public function. `geluTanh` is an option of gelu; clamp and
 * polygamma have entries of their own.
 */
export const ROWS: Readonly<Record<Exclude<UnaryOp, 'geluTanh' | 'clamp' | 'polygamma'>, Row>> = {
	neg: { torch: 'torch.neg(x[0])', accepts: 'numbers' },
	abs: { torch: 'torch.abs(x[0])', accepts: 'numbers', values: { avoid: [0] }, kinks: [-1, -0, 0, 1, INF, -INF] },
	// PyTorch gives 0 for NaN; wgrad keeps NaN, because an unknown sign is not 0.
	sign: {
		torch: 'torch.where(x[0] != x[0], x[0], torch.sign(x[0]))',
		accepts: 'numbers',
		values: { avoid: [0] },
		kinks: [-1, -0, 0, 1, INF, -INF],
	},
	exp: { torch: 'torch.exp(x[0])', random: { low: -20, high: 20 }, kinks: AROUND_0 },
	expm1: { torch: 'torch.expm1(x[0])' },
	exp2: { torch: 'torch.exp2(x[0])', random: { low: -20, high: 20 } },
	log: { torch: 'torch.log(x[0])', ...POSITIVE, kinks: [-1, 0, 1, INF, NAN] },
	log1p: {
		torch: 'torch.log1p(x[0])',
		values: { low: -0.8, high: 4 },
		random: { low: -0.9, high: 5 },
		kinks: [-2, -1, 0, INF, NAN],
	},
	log2: { torch: 'torch.log2(x[0])', ...POSITIVE, kinks: [-1, 0, 1, INF] },
	log10: { torch: 'torch.log10(x[0])', ...POSITIVE, kinks: [-1, 0, 1, INF] },
	sqrt: { torch: 'torch.sqrt(x[0])', ...POSITIVE, kinks: [-1, -0, 0, 1, INF, NAN] },
	rsqrt: { torch: 'torch.rsqrt(x[0])', ...POSITIVE, kinks: [-1, -0, 0, 1, INF, NAN] },
	square: { torch: 'torch.square(x[0])', accepts: 'numbers', kinks: AROUND_0 },
	reciprocal: {
		torch: 'torch.reciprocal(x[0])',
		values: { low: 0.4, high: 3 },
		random: POSITIVE.random,
		kinks: AROUND_0,
	},
	sin: { torch: 'torch.sin(x[0])', values: { low: -10, high: 10 }, random: { low: -20, high: 20 } },
	cos: { torch: 'torch.cos(x[0])', values: { low: -10, high: 10 }, random: { low: -20, high: 20 } },
	tan: { torch: 'torch.tan(x[0])', values: { low: -1.2, high: 1.2 }, random: { low: -1.4, high: 1.4 } },
	asin: { torch: 'torch.asin(x[0])', ...INSIDE, tolerance: STEEP, kinks: [-2, -1, 0, 1, 2] },
	acos: { torch: 'torch.acos(x[0])', ...INSIDE, tolerance: STEEP, kinks: [-2, -1, 0, 1, 2] },
	atan: { torch: 'torch.atan(x[0])', kinks: [-INF, 0, INF] },
	sinh: { torch: 'torch.sinh(x[0])', random: { low: -9, high: 9 } },
	cosh: { torch: 'torch.cosh(x[0])', random: { low: -9, high: 9 } },
	tanh: { torch: 'torch.tanh(x[0])', random: { low: -9, high: 9 }, kinks: [-INF, 0, INF], layer: 'Tanh' },
	asinh: { torch: 'torch.asinh(x[0])', random: { low: -50, high: 50 } },
	acosh: {
		torch: 'torch.acosh(x[0])',
		values: { low: 1.2, high: 5 },
		random: { low: 1.1, high: 50 },
		tolerance: STEEP,
		kinks: [0, 1, 2, INF],
	},
	atanh: { torch: 'torch.atanh(x[0])', ...INSIDE, tolerance: STEEP, kinks: [-2, -1, 0, 1, 2] },
	erf: { torch: 'torch.erf(x[0])', random: { low: -4, high: 4 } },
	erfc: { torch: 'torch.erfc(x[0])', random: { low: -4, high: 4 } },
	// NaN as a derivative at the poles; PyTorch's float64 agrees.
	lgamma: { torch: 'torch.lgamma(x[0])', ...POSITIVE, kinks: [-2.5, -1, -0, 0, 1, 2, 170, INF], tolerance: REFLECTED },
	digamma: { torch: 'torch.digamma(x[0])', ...POSITIVE, kinks: [-2.5, 1, 1.4616321449683622, 170, INF], tolerance: REFLECTED },
	floor: { torch: 'torch.floor(x[0])', ...STEPS, kinks: [-1, -0.5, 0, 0.5, 1, INF] },
	ceil: { torch: 'torch.ceil(x[0])', ...STEPS, kinks: [-1, -0.5, 0, 0.5, 1, INF] },
	round: { torch: 'torch.round(x[0])', ...STEPS, kinks: [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5] },
	trunc: { torch: 'torch.trunc(x[0])', ...STEPS, kinks: [-1, -0.5, 0, 0.5, 1, INF] },
	frac: { torch: 'torch.frac(x[0])', ...STEPS, accepts: 'floating', kinks: [-1, -0.5, 0, 0.5, 1] },
	sigmoid: {
		torch: 'torch.sigmoid(x[0])',
		random: { low: -20, high: 20 },
		kinks: [-INF, 0, INF, NAN],
		layer: 'Sigmoid',
	},
	logSigmoid: {
		torch: 'F.logsigmoid(x[0])',
		accepts: 'floating',
		random: { low: -20, high: 20 },
		kinks: [-200, 0, 200],
		layer: 'LogSigmoid',
	},
	relu: { torch: 'torch.relu(x[0])', accepts: 'numbers', values: { avoid: [0] }, kinks: AROUND_0, layer: 'ReLU' },
	relu6: {
		torch: 'F.relu6(x[0])',
		accepts: 'numbers',
		values: { low: -4, high: 10, avoid: [0, 6] },
		random: { low: -3, high: 9 },
		kinks: [-1, -0, 0, 1, 6, 7, INF, -INF],
		layer: 'ReLU6',
	},
	leakyRelu: {
		torch: ({ negativeSlope = 0.01 }) => `F.leaky_relu(x[0], ${py(negativeSlope)})`,
		accepts: 'floating',
		values: { avoid: [0] },
		kinks: AROUND_0,
		options: [{ negativeSlope: 0.3 }],
		refusals: [
			refused(
				'slope',
				(x) => w.leakyRelu(x, { negativeSlope: 'a' as unknown as number }),
				/leakyRelu: negativeSlope must be a number, not 'a'/,
			),
		],
		layer: 'LeakyReLU',
	},
	elu: {
		torch: ({ alpha = 1 }) => `F.elu(x[0], ${py(alpha)})`,
		accepts: 'floating',
		values: { avoid: [0] },
		options: [{ alpha: 1.5 }],
		layer: 'ELU',
	},
	selu: {
		torch: 'F.selu(x[0])',
		accepts: 'floating',
		values: { avoid: [0] },
		random: { low: -9, high: 9 },
		kinks: AROUND_0,
		layer: 'SELU',
	},
	celu: {
		// The gradients of PyTorch's own celu and hardsigmoid contain float32 constants.
		torch: ({ alpha = 1 }) => `torch.where(x[0] > 0, x[0], ${py(alpha)} * torch.expm1(x[0] / ${py(alpha)}))`,
		accepts: 'floating',
		values: { avoid: [0] },
		options: [{ alpha: 1.7 }],
		refusals: [refused('alpha 0', (x) => w.celu(x, { alpha: 0 }), /celu: alpha must not be 0/)],
		layer: 'CELU',
	},
	gelu: {
		torch: ({ approximate = 'none' }) => `F.gelu(x[0], approximate=${py(approximate)})`,
		accepts: 'floating',
		options: [{ approximate: 'tanh' }],
		refusals: [
			refused(
				'approximate',
				(x) => w.gelu(x, { approximate: 'erf' as 'tanh' }),
				/gelu: approximate must be 'none' or 'tanh', not 'erf'/,
			),
		],
		layer: 'GELU',
	},
	silu: { torch: 'F.silu(x[0])', accepts: 'floating', random: { low: -9, high: 9 }, layer: 'SiLU' },
	mish: {
		torch: 'F.mish(x[0])',
		accepts: 'floating',
		random: { low: -9, high: 9 },
		kinks: [-100, 0, 20, 21, 40, 41],
		layer: 'Mish',
	},
	softplus: {
		torch: ({ beta = 1, threshold = 20 }) => `F.softplus(x[0], ${py(beta)}, ${py(threshold)})`,
		accepts: 'floating',
		values: { avoid: [1.5] },
		options: [{ beta: 2, threshold: 3 }],
		refusals: [refused('beta 0', (x) => w.softplus(x, { beta: 0 }), /softplus: beta must not be 0/)],
		layer: 'Softplus',
	},
	softsign: {
		torch: 'F.softsign(x[0])',
		accepts: 'numbers',
		values: { avoid: [0] },
		kinks: [-1, -0, 0, 1],
		layer: 'Softsign',
	},
	hardtanh: {
		torch: ({ minVal = -1, maxVal = 1 }) => `F.hardtanh(x[0], ${py(minVal)}, ${py(maxVal)})`,
		accepts: 'numbers',
		values: { low: -3, high: 3, avoid: [-1, 1, -2, 0.5] },
		options: [{ minVal: -2, maxVal: 0.5 }],
		refusals: [refused('limits', (x) => w.hardtanh(x, { minVal: 2, maxVal: 1 }), /hardtanh: minVal 2 is above maxVal 1/)],
		layer: 'Hardtanh',
	},
	hardsigmoid: {
		torch: 'F.relu6(x[0] + 3) / 6',
		accepts: 'floating',
		values: { low: -5, high: 5, avoid: [-3, 3] },
		random: { low: -5, high: 5 },
		kinks: [-4, -3, 0, 3, 4, INF, -INF],
		layer: 'Hardsigmoid',
	},
	hardswish: {
		torch: 'F.hardswish(x[0])',
		accepts: 'floating',
		values: { low: -5, high: 5, avoid: [-3, 3] },
		random: { low: -5, high: 5 },
		layer: 'Hardswish',
	},
};

export type RowName = keyof typeof ROWS;

export const ENTRIES = Object.entries(ROWS) as [RowName, Row][];

export const FUNCTIONS: Pick<typeof w, RowName> = w;

/** The functions without options, each with its row. */
export const PLAIN = ENTRIES.filter(([, { options }]) => options === undefined).map(([name, row]) => {
	const operation: (x: w.Tensor) => w.Tensor = FUNCTIONS[name];
	return { name, row, operation };
});
