/** Quantised matrices and fake quantisation. */
import {
	type Device,
	dequantizeWeight,
	type FakeQuantizeOptions,
	fakeQuantize,
	type QuantizedWeight,
	type QuantizeWeightOptions,
	quantizedEmbedding,
	quantizedLinear,
	quantizeWeight,
	type Tensor,
	tensor,
	zeros,
} from 'wgrad';
import { type InputSpec, type OpEntry, outOfRange, type Sample } from './database';
import { py } from './python';

interface Matrix {
	readonly rows: number;
	readonly columns: number;
	readonly bits: 8 | 4;
	readonly groupSize: number;
	readonly asymmetric?: boolean;
}

/** The words of a row: each group starts a new word. */
function words({ columns, bits, groupSize }: Matrix): number {
	let count = 0;
	for (let start = 0; start < columns; start += groupSize) count += Math.ceil((Math.min(groupSize, columns - start) * bits) / 32);
	return count;
}

/** Random codes, with scales that make elements near 1. */
function matrixInputs(matrix: Matrix): InputSpec[] {
	const { rows, columns, bits, groupSize, asymmetric = false } = matrix;
	const groups = Math.ceil(columns / groupSize);
	const [low, high] = bits === 8 ? [0.002, 0.01] : [0.05, 0.2];
	return [
		{ shape: [rows, words(matrix)], dtype: 'int32', low: -(2 ** 31), high: 2 ** 31 },
		{ shape: [rows, groups], low, high, gradient: false },
		...(asymmetric ? [{ shape: [rows, groups], dtype: 'uint8', low: 0, high: 2 ** bits } as const] : []),
	];
}

/** The matrix, and the inputs after it. */
function matrixOf([packed, scale, ...rest]: readonly Tensor[], options: Matrix): [QuantizedWeight, ...Tensor[]] {
	const { bits, groupSize, columns, asymmetric = false } = options;
	const zeroPoint = asymmetric ? rest[0]! : null;
	return [{ packed: packed!, scale: scale!, zeroPoint, bits, groupSize, columns }, ...(asymmetric ? rest.slice(1) : rest)];
}

const optionsOf = (matrix: Matrix) => ({ ...matrix }) as Readonly<Record<string, unknown>>;

/** A product of x [..., columns] with a matrix. */
function product(label: string, x: InputSpec, matrix: Matrix, bias = false, further: Partial<Sample> = {}): Sample {
	const inputs = [x, ...matrixInputs(matrix), ...(bias ? [{ shape: [matrix.rows] }] : [])];
	return { label, inputs, options: optionsOf(matrix), ...further };
}

const GROUPS = [1, 3, 4, 5, 8, 12, 20, 32];

const products = ([8, 4] as const).flatMap((bits): Sample[] => [
	...GROUPS.map((groupSize) =>
		product(`${bits} bits, groups of ${groupSize}`, { shape: [2, 40] }, { rows: 5, columns: 40, bits, groupSize }),
	),
	...GROUPS.map((groupSize) =>
		product(
			`${bits} bits, groups of ${groupSize}, zero points, odd sizes`,
			{ shape: [3, 33] },
			{ rows: 19, columns: 33, bits, groupSize, asymmetric: true },
			true,
		),
	),
	product(`${bits} bits, one line`, { shape: [1, 128] }, { rows: 33, columns: 128, bits, groupSize: 64 }, true),
	product(`${bits} bits, vector`, { shape: [65] }, { rows: 3, columns: 65, bits, groupSize: 65 }),
	product(`${bits} bits, batch`, { shape: [2, 2, 12] }, { rows: 7, columns: 12, bits, groupSize: 8, asymmetric: true }),
	product(`${bits} bits, tiles`, { shape: [9, 72] }, { rows: 20, columns: 72, bits, groupSize: 24 }, true),
	product(
		`${bits} bits, tiles of odd sizes`,
		{ shape: [9, 13], layout: 'transposed' },
		{ rows: 67, columns: 13, bits, groupSize: 5, asymmetric: true },
	),
	product(`${bits} bits, many tiles`, { shape: [66, 72] }, { rows: 68, columns: 72, bits, groupSize: 24 }, true, {
		gradient: false,
	}),
	product(`${bits} bits, transposed`, { shape: [3, 20], layout: 'transposed' }, { rows: 8, columns: 20, bits, groupSize: 8 }),
	product(`${bits} bits, strided`, { shape: [2, 16], layout: 'strided' }, { rows: 8, columns: 16, bits, groupSize: 8 }, true),
	product(`${bits} bits, expanded`, { shape: [4, 16], layout: 'expanded' }, { rows: 4, columns: 16, bits, groupSize: 4 }),
	product(`${bits} bits, one element`, { shape: [1, 1] }, { rows: 1, columns: 1, bits, groupSize: 1, asymmetric: true }),
	product(`${bits} bits, no lines`, { shape: [0, 8] }, { rows: 3, columns: 8, bits, groupSize: 4 }, true),
	product(`${bits} bits, no rows`, { shape: [2, 8] }, { rows: 0, columns: 8, bits, groupSize: 4 }),
	product(`${bits} bits, no columns`, { shape: [2, 0] }, { rows: 3, columns: 0, bits, groupSize: 4 }, true),
]);

const matrices = ([8, 4] as const).flatMap((bits): readonly (readonly [label: string, matrix: Matrix])[] => [
	...[1, 3, 8, 20, 33].map(
		(groupSize) => [`${bits} bits, groups of ${groupSize}`, { rows: 5, columns: 33, bits, groupSize }] as const,
	),
	[`${bits} bits, zero points`, { rows: 3, columns: 40, bits, groupSize: 16, asymmetric: true }],
	[`${bits} bits, one column`, { rows: 65, columns: 1, bits, groupSize: 1, asymmetric: true }],
	[`${bits} bits, no columns`, { rows: 2, columns: 0, bits, groupSize: 4 }],
]);

/** A matrix of zeros with 2 rows of 8 columns. */
function smallMatrix(device: Device, change: Partial<QuantizedWeight> = {}): QuantizedWeight {
	return {
		packed: zeros([2, 2], { dtype: 'int32', device }),
		scale: zeros([2, 2], { device }),
		zeroPoint: null,
		bits: 8,
		groupSize: 4,
		columns: 8,
		...change,
	};
}

const NO_GRADIENT_OF_CODES = { none: 'codes are whole numbers' };

export const quantized: OpEntry[] = [
	{
		name: 'quantizedLinear',
		family: 'quantized',
		call: ([x, ...rest], options) => {
			const [weight, bias] = matrixOf(rest, options as unknown as Matrix);
			return quantizedLinear(x!, weight, bias ?? null);
		},
		samples: products,
		gradient: 'yes',
		torch: null,
		refusals: [
			{
				label: 'features',
				call: (device) => quantizedLinear(zeros([3, 7], { device }), smallMatrix(device)),
				message: /quantizedLinear: input \[3, 7\] must end in the 8 features that the weight \[2, 8\] takes/,
			},
			{
				label: 'bias',
				call: (device) => quantizedLinear(zeros([3, 8], { device }), smallMatrix(device), zeros([3], { device })),
				message: /quantizedLinear: bias \[3\] must be \[2\] for the weight \[2, 8\]/,
			},
			{
				label: 'whole numbers',
				call: (device) => quantizedLinear(zeros([3, 8], { device, dtype: 'int32' }), smallMatrix(device)),
				message: /quantizedLinear: input must be floating, not int32/,
			},
			{
				label: 'words',
				call: (device) => quantizedLinear(zeros([3, 8], { device }), smallMatrix(device, { bits: 4, groupSize: 8 })),
				message: /quantizedLinear: weight\.packed \[2, 2\] must be \[2, 1\] for 8 columns of 4 bits in groups of 8/,
			},
			{
				label: 'scales',
				call: (device) => quantizedLinear(zeros([3, 8], { device }), smallMatrix(device, { scale: zeros([2], { device }) })),
				message: /quantizedLinear: weight\.scale \[2\] must be \[2, 2\] for 8 columns/,
			},
			{
				label: 'floating words',
				call: (device) => quantizedLinear(zeros([3, 8], { device }), smallMatrix(device, { packed: zeros([2, 2], { device }) })),
				message: /quantizedLinear: weight\.packed has dtype float32; it takes int32/,
			},
			{
				label: 'bits',
				call: (device) => quantizedLinear(zeros([3, 8], { device }), smallMatrix(device, { bits: 5 as 4 })),
				message: /quantizedLinear: bits must be 8 or 4, not 5/,
			},
			{
				label: 'a tensor in place of the matrix',
				call: (device) => quantizedLinear(zeros([3, 8], { device }), zeros([2, 8], { device }) as unknown as QuantizedWeight),
				message:
					/quantizedLinear: weight must be a quantised matrix, as quantizeWeight\(\) gives it, not a tensor of shape \[2, 8\]/,
			},
		],
	},
	{
		name: 'quantizedEmbedding',
		family: 'quantized',
		call: ([indices, ...rest], options) => quantizedEmbedding(indices!, matrixOf(rest, options as unknown as Matrix)[0]),
		samples: matrices.flatMap(([label, matrix]): Sample[] =>
			[[3], [2, 4]].map((shape) => ({
				label: `${label}, ${shape.length} dims`,
				inputs: [{ shape, dtype: 'int32', low: 0, high: matrix.rows }, ...matrixInputs(matrix)],
				options: optionsOf(matrix),
			})),
		),
		gradient: NO_GRADIENT_OF_CODES,
		torch: null,
		refusals: [
			{
				label: 'floating index',
				call: (device) => quantizedEmbedding(zeros([2], { device }), smallMatrix(device)),
				message: /quantizedEmbedding: index has dtype float32; it takes int32/,
			},
			outOfRange(
				[0, 2],
				(i) => quantizedEmbedding(i, smallMatrix(i.device)),
				/^quantizedEmbedding: index 2 is out of range for the rows of \[2, 8\] of size 2/,
			),
			outOfRange(
				[-1],
				(i) => quantizedEmbedding(i, smallMatrix(i.device)),
				/^quantizedEmbedding: index -1 is out of range for the rows of \[2, 8\] of size 2/,
			),
		],
	},
	{
		name: 'dequantizeWeight',
		family: 'quantized',
		call: (inputs, options) => dequantizeWeight(matrixOf(inputs, options as unknown as Matrix)[0]),
		samples: matrices.map(([label, matrix]) => ({ label, inputs: matrixInputs(matrix), options: optionsOf(matrix) })),
		gradient: NO_GRADIENT_OF_CODES,
		torch: null,
		refusals: [
			{
				label: 'columns',
				call: (device) => dequantizeWeight(smallMatrix(device, { columns: 9 })),
				message: /dequantizeWeight: weight\.packed \[2, 2\] must be \[2, 3\] for 9 columns of 8 bits in groups of 4/,
			},
		],
	},
	{
		name: 'quantizeWeight',
		family: 'quantized',
		call: ([weight], options) => {
			const { packed, scale, zeroPoint } = quantizeWeight(weight!, options as QuantizeWeightOptions);
			return zeroPoint === null ? [packed, scale] : [packed, scale, zeroPoint];
		},
		// Integers with a power-of-two scale: no quotient is near a half, where float32 and float64 could differ.
		samples: ([8, 4] as const).flatMap((bits): Sample[] => {
			const most = 2 ** (bits - 1) - 1;
			const ramp = (count: number, least: number, step: number) =>
				Array.from({ length: count }, (_, i) => (i % 2 === 0 ? least : least + (i % (2 * most + 1)) * step));
			return [
				{
					label: `${bits} bits`,
					inputs: [{ shape: [3, 32], values: ramp(96, -most / 8, 1 / 8) }],
					options: { bits, groupSize: 8 },
				},
				{
					label: `${bits} bits, short groups`,
					inputs: [{ shape: [2, 11], values: ramp(22, -most * 4, 4) }],
					options: { bits, groupSize: 4 },
				},
				{
					label: `${bits} bits, zero points`,
					inputs: [{ shape: [2, 12], values: [0, most * 2 + 1, 3, 5, 0, 1, 2, 0, 2 * most + 1, 1, 0, 7, ...ramp(12, -most, 2)] }],
					options: { bits, groupSize: 12, symmetric: false },
				},
				{
					label: `${bits} bits, zeros`,
					inputs: [{ shape: [1, 9], values: new Array(9).fill(0) }],
					options: { bits, groupSize: 8 },
				},
				{ label: `${bits} bits, no columns`, inputs: [{ shape: [2, 0] }], options: { bits, groupSize: 8 } },
				{
					label: `${bits} bits, transposed`,
					inputs: [{ shape: [4, 8], values: ramp(32, -most, 1), layout: 'transposed' }],
					options: { bits, groupSize: 4 },
				},
			];
		}),
		gradient: NO_GRADIENT_OF_CODES,
		torch: null,
		refusals: [
			{
				label: 'bits',
				call: (device) => quantizeWeight(zeros([2, 8], { device }), { bits: 2 as 4 }),
				message: /quantizeWeight: bits must be 8 or 4, not 2/,
			},
			{
				label: 'group size',
				call: (device) => quantizeWeight(zeros([2, 8], { device }), { groupSize: 0 }),
				message: /quantizeWeight: groupSize must be a whole number of at least 1, not 0/,
			},
			{
				label: 'dims',
				call: (device) => quantizeWeight(zeros([8], { device })),
				message: /quantizeWeight: weight must be \[rows, columns\], not \[8\]/,
			},
			{
				label: 'whole numbers',
				call: (device) => quantizeWeight(zeros([2, 8], { device, dtype: 'int32' })),
				message: /quantizeWeight: weight must be floating, not int32/,
			},
		],
	},
	{
		name: 'fakeQuantize',
		family: 'quantized',
		call: ([x, scale, zeroPoint], { scale: step, zeroPoint: zero, ...options }) =>
			fakeQuantize(x!, scale ?? (step as number), zeroPoint ?? (zero as number), options as FakeQuantizeOptions),
		samples: [
			// The gradient passes through the steps, but differences do not: kinks/elementwise.ts tests it.
			{
				label: 'scalars',
				inputs: [{ shape: [3, 7] }],
				options: { scale: 0.25, zeroPoint: 3, quantMin: 0, quantMax: 15 },
				gradient: false,
			},
			{
				label: 'halves',
				inputs: [{ shape: [8], values: [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.5, 300] }],
				options: { scale: 1, zeroPoint: 1 },
				gradient: false,
			},
			{
				label: 'tensors',
				inputs: [{ shape: [33] }, { shape: [1], values: [0.125], gradient: false }, { shape: [1], values: [0], dtype: 'int32' }],
				options: { quantMin: -8, quantMax: 7 },
				gradient: false,
			},
			{
				label: 'channels',
				inputs: [
					{ shape: [2, 3, 5], layout: 'transposed' },
					{ shape: [3], values: [0.5, 0.25, 0.0625], gradient: false },
					{ shape: [3], values: [0, 4, 8], dtype: 'int32' },
				],
				options: { quantMin: 0, quantMax: 15, axis: 1 },
				gradient: false,
			},
			{
				label: 'NaN and infinity',
				inputs: [{ shape: [4], values: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1] }],
				options: { scale: 0.5, zeroPoint: 3, quantMin: -8, quantMax: 7 },
				gradient: false,
			},
			{ label: 'empty', inputs: [{ shape: [0, 3] }], options: { scale: 1, zeroPoint: 0 } },
		],
		gradient: 'yes',
		torch: ({ scale, zeroPoint, quantMin = 0, quantMax = 255, axis }) =>
			axis === undefined
				? `torch.fake_quantize_per_tensor_affine(x[0], ${scale === undefined ? 'float(x[1])' : py(scale)}, ${zeroPoint === undefined ? 'int(x[2])' : py(zeroPoint)}, ${py(quantMin)}, ${py(quantMax)})`
				: `torch.fake_quantize_per_channel_affine(x[0], x[1].float(), x[2].int(), ${py(axis)}, ${py(quantMin)}, ${py(quantMax)})`,
		refusals: [
			{
				label: 'order of codes',
				call: (device) => fakeQuantize(zeros([2], { device }), 1, 0, { quantMin: 3, quantMax: 2 }),
				message: /fakeQuantize: quantMin 3 is above quantMax 2/,
			},
			{
				label: 'zero point',
				call: (device) => fakeQuantize(zeros([2], { device }), 1, 300),
				message: /fakeQuantize: zeroPoint 300 must lie between quantMin 0 and quantMax 255/,
			},
			{
				label: 'values for channels',
				call: (device) => fakeQuantize(zeros([2, 3], { device }), tensor([1, 2], { device }), 0, { axis: 1 }),
				message: /fakeQuantize: scale \[2\] must be \[3\] for input \[2, 3\]/,
			},
			{
				label: 'values without axis',
				call: (device) => fakeQuantize(zeros([2, 3], { device }), tensor([1, 2, 3], { device }), 0),
				message: /fakeQuantize: scale \[3\] must be a number or a scalar; for one value for each entry of a dim set axis/,
			},
			{
				label: 'whole numbers',
				call: (device) => fakeQuantize(zeros([2], { device, dtype: 'int32' }), 1, 0),
				message: /fakeQuantize: input must be floating, not int32/,
			},
		],
	},
];
