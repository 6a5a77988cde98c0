/** Operations on uint8. With integers the results stay uint8 and wrap around at 256; with fractions they become float32. */
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Sample } from './database';
import { py } from './python';

const bytes = (...shape: number[]): InputSpec => ({ shape, dtype: 'uint8', low: 0, high: 256 });
const listed = (values: readonly number[], dtype: w.DType = 'uint8'): InputSpec => ({ shape: [values.length], dtype, values });
const EDGES = [0, 1, 2, 7, 127, 128, 254, 255];
const edges = listed(EDGES);

/** Every pair of edges, as the two operands. */
const pairs = (of: readonly number[] = EDGES): [InputSpec, InputSpec] => [
	listed(EDGES.flatMap((a) => of.map(() => a))),
	listed(EDGES.flatMap(() => of)),
];

type Entry = Pick<OpEntry, 'call' | 'samples' | 'torch'> & Partial<OpEntry>;

const NO_GRADIENT = /^(eq|ne|lt|le|gt|ge|logical.*|isnan|argmax|argmin|any|all)$/;

/** An entry without a gradient for operations that never have one. */
export function entry(name: string, family: OpEntry['family'], rest: Entry): OpEntry {
	const gradient = NO_GRADIENT.test(name) ? ({ none: 'the result is bool or an index' } as const) : 'yes';
	return { name, family, gradient, refusals: [], ...rest };
}

/** The inputs of every unary function. */
const alone = (label = 'bytes'): Sample[] => [
	{ label, inputs: [edges] },
	{ label: `${label}, strided`, inputs: [{ ...bytes(3, 5), layout: 'transposed' }] },
];

const PYTORCH: Readonly<Record<string, string>> = {
	logicalAnd: 'logical_and',
	logicalOr: 'logical_or',
	logicalXor: 'logical_xor',
	logicalNot: 'logical_not',
};

const arithmetic = (['add', 'sub', 'mul', 'maximum', 'minimum', 'pow', 'div'] as const).map((name) =>
	entry(name, 'elementwise', {
		call: ([a, b], { right }) => a![name]((right as number) ?? b!),
		samples: [
			{ label: 'bytes', inputs: pairs() },
			{ label: 'bytes, broadcast', inputs: [bytes(4, 1, 3), bytes(5, 1)] },
			{ label: 'bytes and int32', inputs: [edges, listed([-1000, -1, 0, 1, 2, 3, 255, 4000], 'int32')] },
			// Powers of 0 have no finite derivatives.
			{ label: 'bytes and float32', inputs: [edges, { shape: [8], low: 1, high: 2 }], gradient: name !== 'pow' },
			// PyTorch lacks maximum and minimum with a number.
			...(name === 'maximum' || name === 'minimum'
				? []
				: [1, 2, 3, 300, 0.5]
						.filter((right) => name !== 'pow' || right < 4)
						.map((right): Sample => ({ label: `bytes and ${right}`, inputs: [edges], options: { right } }))),
		].filter((sample) => name !== 'pow' || sample.label !== 'bytes and int32'),
		torch: ({ right }) => `torch.${name}(x[0], ${right === undefined ? 'x[1]' : py(right)})`,
	}),
);

const remainders = (['fmod', 'remainder', 'div'] as const).flatMap((name) =>
	name === 'div'
		? (['floor', 'trunc'] as const).map((roundingMode) =>
				entry('div', 'elementwise', {
					call: ([a, b]) => w.div(a!, b!, { roundingMode }),
					samples: [{ label: `bytes, ${roundingMode}`, inputs: pairs([1, 2, 3, 7, 255]) }],
					torch: () => `torch.div(x[0], x[1], rounding_mode='${roundingMode}')`,
				}),
			)
		: [
				entry(name, 'elementwise', {
					call: ([a, b]) => a![name](b!),
					samples: [{ label: 'bytes', inputs: pairs([1, 2, 3, 7, 255]) }],
					torch: () => `torch.${name}(x[0], x[1])`,
				}),
			],
);

const comparisons = (['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'logicalAnd', 'logicalOr', 'logicalXor'] as const).map((name) =>
	entry(name, 'elementwise', {
		call: ([a, b], { right }) => a![name]((right as number) ?? b!),
		samples: [
			{ label: 'bytes', inputs: pairs() },
			{ label: 'bytes and int32', inputs: [edges, listed([0, -1, 2, 8, 127, 300, 254, -255], 'int32')] },
			...(name.startsWith('logical')
				? []
				: [127, 127.5, 0].map((right): Sample => ({ label: `bytes and ${right}`, inputs: [edges], options: { right } }))),
		],
		torch: ({ right }) => `torch.${PYTORCH[name] ?? name}(x[0], ${right === undefined ? 'x[1]' : py(right)})`,
	}),
);

const unary = (['neg', 'abs', 'sign', 'square', 'relu', 'sqrt', 'exp', 'sin', 'sigmoid', 'isnan', 'logicalNot'] as const).map(
	(name) =>
		entry(name, 'elementwise', {
			call: ([x]) => x![name](),
			samples: name === 'exp' ? [{ label: 'bytes', inputs: [listed([0, 1, 2, 80])] }] : alone(),
			// PyTorch computes these in float32, but the golden files hold float64.
			torch: () =>
				['sqrt', 'exp', 'sin', 'sigmoid'].includes(name)
					? `torch.${name}(x[0].double())`
					: `torch.${PYTORCH[name] ?? name}(x[0])`,
		}),
);

const elementwise: OpEntry[] = [
	...arithmetic,
	...remainders,
	...comparisons,
	...unary,
	entry('clamp', 'elementwise', {
		call: ([x], { min, max }) => w.clamp(x!, { min: min as number, max: max as number }),
		samples: [
			{ label: 'bytes', inputs: [edges], options: { min: 2, max: 200 } },
			{ label: 'bytes between fractions', inputs: [edges], options: { min: 1.5, max: 200.5 } },
		],
		torch: ({ min, max }) => `torch.clamp(x[0], ${min}, ${max})`,
	}),
	entry('addcmul', 'elementwise', {
		call: ([a, b, c]) => w.addcmul(a!, b!, c!, { value: 3 }),
		samples: [{ label: 'bytes', inputs: [bytes(9), bytes(9), bytes(9)] }],
		torch: () => 'torch.addcmul(x[0], x[1], x[2], value=3)',
	}),
	entry('where', 'elementwise', {
		call: ([condition, a], { right }) => w.where(condition!, a!, right as number),
		samples: [
			{ label: 'a mask of bytes', inputs: [listed([0, 1, 2, 255]), { shape: [4] }], options: { right: 9 } },
			{ label: 'bytes', inputs: [{ shape: [8], dtype: 'bool' }, edges], options: { right: 9 } },
		],
		torch: ({ right }) => `torch.where(x[0] != 0, x[1], torch.tensor(${right}, dtype=x[1].dtype))`,
	}),
	...(['float32', 'int32', 'bool', 'uint8'] as const).map((dtype) =>
		entry('to', 'elementwise', {
			call: ([x]) => w.to(x!, dtype),
			samples: [
				{ label: `bytes to ${dtype}`, inputs: [edges] },
				...(dtype === 'uint8'
					? [
							{
								label: 'int32 to uint8',
								inputs: [listed([0, 1, -1, 255, 256, 257, -255, -256, 2147483647, -2147483648], 'int32')],
							},
							{ label: 'float32 to uint8', inputs: [listed([0, 0.9, 1.5, 254.99, 255, 256, 511.5, -0.5, 1000.25], 'float32')] },
							{ label: 'bool to uint8', inputs: [{ shape: [7], dtype: 'bool' as const }] },
						]
					: []),
			],
			torch: () => `x[0].to(torch.${dtype === 'float32' ? 'float64' : dtype === 'int32' ? 'int64' : dtype})`,
		}),
	),
];

const reduce: OpEntry[] = [
	...(['sum', 'prod', 'amax', 'amin', 'argmax', 'argmin', 'any', 'all', 'cumsum', 'cumprod'] as const).map((name) =>
		entry(name, 'reduce', {
			call: ([x], { dim }) => x![name](dim as number),
			samples: [
				{ label: 'bytes', inputs: [bytes(3, 5)], options: { dim: 1 } },
				{ label: 'bytes, strided', inputs: [{ ...bytes(5, 33), layout: 'transposed' }], options: { dim: 0 } },
			]
				.map((sample) =>
					name === 'prod' || name === 'cumprod' ? { ...sample, inputs: [{ ...sample.inputs[0]!, high: 5 }] } : sample,
				)
				.filter(
					// Products of 33 numbers up to 4 wrap around at 32 bits here, but at 64 in PyTorch.
					({ options }) => options.dim === 1 || (name !== 'prod' && name !== 'cumprod'),
				) as Sample[],
			torch: ({ dim }) =>
				name === 'any' || name === 'all' ? `torch.${name}(x[0], ${dim}).bool()` : `torch.${name}(x[0], ${dim})`,
		}),
	),
	entry('max', 'reduce', {
		call: ([x]) => w.max(x!, 1),
		samples: [{ label: 'bytes', inputs: [bytes(4, 7)] }],
		torch: () => 'torch.max(x[0], 1)',
	}),
	entry('median', 'reduce', {
		call: ([x]) => w.median(x!),
		samples: [{ label: 'bytes', inputs: [bytes(21)] }],
		torch: () => 'torch.median(x[0])',
	}),
];

const indexing: OpEntry[] = [
	entry('gather', 'indexing', {
		call: ([x, index]) => w.gather(x!, 1, index!),
		samples: [{ label: 'bytes', inputs: [bytes(3, 5), { shape: [3, 2], dtype: 'int32', low: 0, high: 5 }] }],
		torch: () => 'torch.gather(x[0], 1, x[1])',
	}),
	entry('indexSelect', 'indexing', {
		call: ([x, index]) => w.indexSelect(x!, 0, index!),
		samples: [{ label: 'bytes', inputs: [bytes(4, 3), { shape: [6], dtype: 'int32', low: 0, high: 4 }] }],
		torch: () => 'torch.index_select(x[0], 0, x[1])',
	}),
	entry('maskedFill', 'indexing', {
		call: ([x, mask]) => w.maskedFill(x!, mask!, 7),
		samples: [{ label: 'bytes', inputs: [bytes(3, 4), { shape: [3, 4], dtype: 'bool' }] }],
		refusals: [
			{
				label: 'a mask of bytes',
				call: (device) => w.maskedFill(w.zeros([2], { device }), w.ones([2], { dtype: 'uint8', device }), 7),
				message: /maskedFill: mask has dtype uint8; it takes bool. Convert with .to\('bool'\)/,
			},
			{
				label: 'maskedSelect with a mask of bytes',
				call: (device) => w.maskedSelect(w.zeros([2], { device }), w.ones([2], { dtype: 'uint8', device })),
				message: /maskedSelect: mask has dtype uint8; it takes bool. Convert with .to\('bool'\)/,
			},
		],
		torch: () => 'torch.masked_fill(x[0], x[1], 7)',
	}),
	entry('sort', 'indexing', {
		call: ([x], { descending }) => w.sort(x!, 1, { descending: descending as boolean }),
		samples: [false, true].map((descending) => ({
			label: `bytes${descending ? ', descending' : ''}`,
			inputs: [{ shape: [2, 8], dtype: 'uint8', values: [...EDGES].reverse().concat([200, 3, 100, 150, 50, 250, 5, 0]) }],
			options: { descending },
		})),
		torch: ({ descending }) => `torch.sort(x[0], 1, descending=${py(descending)})`,
	}),
	entry('topk', 'indexing', {
		call: ([x]) => w.topk(x!, 3),
		samples: [{ label: 'bytes', inputs: [listed([5, 200, 3, 255, 128, 0])] }],
		torch: () => 'torch.topk(x[0], 3)',
	}),
];

const layout: OpEntry[] = [
	entry('cat', 'layout', {
		call: ([a, b]) => w.cat([a!, b!], 0),
		samples: [
			{ label: 'bytes', inputs: [bytes(2, 3), bytes(1, 3)] },
			{ label: 'bytes and int32', inputs: [bytes(2, 3), { shape: [1, 3], dtype: 'int32', low: -300, high: 300 }] },
		],
		torch: () => 'torch.cat([x[0], x[1]], 0)',
	}),
	entry('pad', 'layout', {
		call: ([x]) => w.pad(x!, [1, 2], { value: 255 }),
		samples: [{ label: 'bytes', inputs: [bytes(2, 3)] }],
		torch: () => 'F.pad(x[0], [1, 2], value=255)',
	}),
	...(['flip', 'roll'] as const).map((name) =>
		entry(name, 'layout', {
			call: ([x]) => (name === 'flip' ? w.flip(x!, [1]) : w.roll(x!, 1, 1)),
			samples: [{ label: 'bytes', inputs: [bytes(2, 5)] }],
			torch: () => (name === 'flip' ? 'torch.flip(x[0], [1])' : 'torch.roll(x[0], 1, 1)'),
		}),
	),
	entry('tril', 'layout', {
		call: ([x]) => w.tril(x!),
		samples: [{ label: 'bytes', inputs: [bytes(4, 5)] }],
		torch: () => 'torch.tril(x[0])',
	}),
	entry('contiguous', 'layout', {
		call: ([x]) => w.contiguous(x!),
		samples: [{ label: 'bytes', inputs: [{ ...bytes(70, 68), layout: 'transposed' }] }],
		torch: () => 'x[0].contiguous()',
	}),
	entry('reshape', 'layout', {
		call: ([x]) => w.reshape(x!, [6]),
		samples: [{ label: 'bytes', inputs: [bytes(2, 3)] }],
		torch: () => 'x[0].reshape(6)',
	}),
];

/** The entries by family, for each family's own list to append. */
export const ofBytes = { elementwise, reduce, indexing, layout };
