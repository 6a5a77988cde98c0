/** Operations on int8, where it differs from uint8 (bytes.ts): results are signed and wrap around at 128. */
import * as w from 'wgrad';
import { entry } from './bytes';
import type { InputSpec, OpEntry, Sample } from './database';
import { py } from './python';

const EDGES = [-128, -127, -2, -1, 0, 1, 2, 127];
const listed = (values: readonly number[], dtype: w.DType = 'int8'): InputSpec => ({ shape: [values.length], dtype, values });
const edges = listed(EDGES);
const any = (...shape: number[]): InputSpec => ({ shape, dtype: 'int8', low: -128, high: 128 });

/** Every edge with each number of `of`, as the two operands. */
const pairs = (of: readonly number[] = EDGES): [InputSpec, InputSpec] => [
	listed(EDGES.flatMap((a) => of.map(() => a))),
	listed(EDGES.flatMap(() => of)),
];

const arithmetic = (['add', 'sub', 'mul', 'maximum', 'minimum', 'pow', 'div'] as const).map((name) =>
	entry(name, 'elementwise', {
		call: ([a, b], { right }) => a![name]((right as number) ?? b!),
		samples: [
			{ label: 'int8', inputs: pairs(name === 'pow' ? [0, 1, 2, 3, 7] : EDGES) },
			...(name === 'add' || name === 'mul'
				? [
						{ label: 'int8 and uint8', inputs: [edges, listed([255, 254, 128, 127, 100, 2, 1, 0], 'uint8')] },
						{ label: 'int8 and int32', inputs: [edges, listed([-1000, -1, 0, 1, 2, 3, 255, 4000], 'int32')] },
						{ label: 'int8 and 300', inputs: [edges], options: { right: 300 } },
					]
				: []),
		],
		torch: ({ right }) => `torch.${name}(x[0], ${right === undefined ? 'x[1]' : py(right)})`,
	}),
);

const DIVISORS = [-128, -3, -1, 1, 2, 127];

const divisions: OpEntry[] = [
	...(['fmod', 'remainder'] as const).map((name) =>
		entry(name, 'elementwise', {
			call: ([a, b]) => a![name](b!),
			samples: [{ label: 'int8', inputs: pairs(DIVISORS) }],
			torch: () => `torch.${name}(x[0], x[1])`,
		}),
	),
	...(['floor', 'trunc'] as const).map((roundingMode) =>
		entry('div', 'elementwise', {
			call: ([a, b]) => w.div(a!, b!, { roundingMode }),
			samples: [{ label: `int8, ${roundingMode}`, inputs: pairs(DIVISORS) }],
			// 128, which int8 does not hold, depends on the processor in PyTorch.
			torch: () => `torch.div(x[0].long(), x[1].long(), rounding_mode='${roundingMode}').to(torch.int8)`,
		}),
	),
];

const comparisons = (['eq', 'lt', 'ge'] as const).map((name) =>
	entry(name, 'elementwise', {
		call: ([a, b]) => a![name](b!),
		samples: [
			{ label: 'int8', inputs: pairs() },
			{ label: 'int8 and uint8', inputs: [edges, listed([128, 129, 254, 255, 0, 1, 2, 127], 'uint8')] },
		],
		torch: () => `torch.${name}(x[0], x[1])`,
	}),
);

const TORCH_TYPE: Partial<Record<w.DType, string>> = { float32: 'float64', int32: 'int64' };

const conversions = (['float32', 'int32', 'bool', 'uint8', 'int8'] as const).map((dtype) =>
	entry('to', 'elementwise', {
		call: ([x]) => w.to(x!, dtype),
		samples: [
			{ label: `int8 to ${dtype}`, inputs: [edges] },
			...(dtype === 'int8'
				? ([
						['int32', [0, 1, -1, 127, 128, 129, -128, -129, 255, 256, 2147483647, -2147483648]],
						['uint8', [0, 127, 128, 255]],
						['float32', [0, -0.9, 1.5, 127.99, 128, 256, 511.5, -128.9, -129, -1000.25]],
					] as const)
				: []
			).map(([from, values]): Sample => ({ label: `${from} to int8`, inputs: [listed(values, from)] })),
		],
		torch: () => `x[0].to(torch.${TORCH_TYPE[dtype] ?? dtype})`,
	}),
);

const elementwise: OpEntry[] = [
	...arithmetic,
	...divisions,
	...comparisons,
	...(['neg', 'abs', 'sign', 'square', 'relu'] as const).map((name) =>
		entry(name, 'elementwise', {
			call: ([x]) => x![name](),
			samples: [{ label: 'int8', inputs: [edges] }],
			torch: () => `torch.${name}(x[0])`,
		}),
	),
	entry('addcmul', 'elementwise', {
		call: ([a, b, c]) => w.addcmul(a!, b!, c!, { value: 3 }),
		samples: [{ label: 'int8', inputs: [any(9), any(9), any(9)] }],
		torch: () => 'torch.addcmul(x[0], x[1], x[2], value=3)',
	}),
	...conversions,
];

const reduce: OpEntry[] = [
	...(['sum', 'amax', 'argmin', 'cumsum'] as const).map((name) =>
		entry(name, 'reduce', {
			call: ([x]) => x![name](0),
			samples: [{ label: 'int8, strided', inputs: [{ ...any(5, 33), layout: 'transposed' }] }],
			torch: () => `torch.${name}(x[0], 0)`,
		}),
	),
	entry('median', 'reduce', {
		call: ([x]) => w.median(x!),
		samples: [{ label: 'int8', inputs: [any(21)] }],
		torch: () => 'torch.median(x[0])',
	}),
];

const indexing: OpEntry[] = [
	entry('indexSelect', 'indexing', {
		call: ([x, index]) => w.indexSelect(x!, 0, index!),
		samples: [{ label: 'int8', inputs: [any(4, 3), { shape: [6], dtype: 'int32', low: 0, high: 4 }] }],
		torch: () => 'torch.index_select(x[0], 0, x[1])',
	}),
	entry('sort', 'indexing', {
		call: ([x]) => w.sort(x!, 0),
		samples: [{ label: 'int8', inputs: [listed([127, -1, 0, -128, 5, -2, 100])] }],
		torch: () => 'torch.sort(x[0], 0)',
	}),
];

const layout: OpEntry[] = [
	entry('cat', 'layout', {
		call: ([a, b]) => w.cat([a!, b!], 0),
		samples: [
			{ label: 'int8', inputs: [any(2, 3), any(1, 3)] },
			{ label: 'int8 and uint8', inputs: [any(2, 3), { shape: [1, 3], dtype: 'uint8', low: 0, high: 256 }] },
		],
		torch: () => 'torch.cat([x[0], x[1]], 0)',
	}),
];

/** The entries by family, for each family's own list to append. */
export const ofInt8 = { elementwise, reduce, indexing, layout };
