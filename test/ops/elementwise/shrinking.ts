/** Activation functions that shrink towards zero, cut off, are learned, or gate. */
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Options, Refusal, Sample } from '../database';
import { py } from '../python';
import { EXTREMES, unaryEntry } from './unary';

interface Cut {
	readonly name: string;
	readonly call: (x: w.Tensor, options?: Options) => w.Tensor;
	readonly torch: (options: Options) => string;
	readonly options: readonly Options[];
	readonly avoid: readonly number[];
	readonly refusals: readonly Refusal[];
}

/** An entry for a function of one operand and the given options. */
function cut({ name, call, torch, options, avoid, refusals }: Cut): OpEntry {
	const [first] = options;
	const base = unaryEntry({ name, operation: (x) => call(x, first), torch: '', accepts: 'floating', values: { avoid } });
	const samples = options.flatMap((given): Sample[] => {
		const label = JSON.stringify(given);
		return [
			{ label, inputs: [{ shape: [3, 7], avoid }], options: given },
			{ label: `${label} extremes`, inputs: [{ shape: [EXTREMES.length], values: EXTREMES }], options: given, gradient: false },
		];
	});
	return {
		...base,
		call: ([x], given) => call(x!, { ...first, ...given }),
		samples: [...base.samples, ...samples],
		torch: (given) => torch({ ...first, ...given }),
		refusals: [...base.refusals, ...refusals],
	};
}

const refused = (label: string, call: (x: w.Tensor) => unknown, message: RegExp): Refusal => ({
	label,
	call: (device) => call(w.tensor([1, 2], { device })),
	message,
});

const floats = (...shape: number[]): InputSpec => ({ shape, avoid: [0] });

export const shrinking: OpEntry[] = [
	unaryEntry({ name: 'tanhshrink', operation: w.tanhshrink, torch: 'F.tanhshrink(x[0])', accepts: 'floating' }),
	cut({
		name: 'softshrink',
		call: (x, options) => w.softshrink(x, options),
		// PyTorch 1.13 turns NaN into 0, later versions keep it.
		torch: ({ lambda = 0.5 }) => `torch.where(torch.isnan(x[0]), x[0], F.softshrink(x[0], ${py(lambda)}))`,
		options: [{}, { lambda: 1.25 }, { lambda: 0 }],
		avoid: [-1.25, -0.5, 0, 0.5, 1.25],
		refusals: [
			refused('negative lambda', (x) => w.softshrink(x, { lambda: -1 }), /softshrink: lambda must be at least 0, not -1/),
			refused('lambda NaN', (x) => w.softshrink(x, { lambda: Number.NaN }), /softshrink: lambda must be at least 0, not NaN/),
		],
	}),
	cut({
		name: 'hardshrink',
		call: (x, options) => w.hardshrink(x, options),
		torch: ({ lambda = 0.5 }) => `F.hardshrink(x[0], ${py(lambda)})`,
		options: [{}, { lambda: 1.25 }, { lambda: 0 }],
		avoid: [-1.25, -0.5, 0, 0.5, 1.25],
		refusals: [
			refused('no number', (x) => w.hardshrink(x, { lambda: '1' as never }), /hardshrink: lambda must be a number, not '1'/),
		],
	}),
	cut({
		name: 'threshold',
		call: (x, given) => w.threshold(x, given?.limit as number, given?.value as number),
		torch: ({ limit, value }) => `F.threshold(x[0], ${py(limit)}, ${py(value)})`,
		options: [
			{ limit: 0.25, value: -3 },
			{ limit: -1, value: 20 },
		],
		avoid: [0.25, -1],
		refusals: [
			refused(
				'no threshold',
				(x) => w.threshold(x, undefined as never, 1),
				/threshold: threshold must be a number, not undefined/,
			),
			refused('no value', (x) => w.threshold(x, 1, undefined as never), /threshold: value must be a number, not undefined/),
		],
	}),
	{
		name: 'prelu',
		family: 'elementwise',
		call: ([x, weight]) => w.prelu(x!, weight!),
		samples: [
			{ label: 'one slope', inputs: [floats(3, 5), { shape: [1] }] },
			{ label: 'channels', inputs: [floats(2, 3), { shape: [3] }] },
			{ label: 'channels of images', inputs: [floats(2, 3, 2, 2), { shape: [3] }] },
			{ label: 'transposed', inputs: [{ ...floats(3, 5), layout: 'transposed' }, { shape: [5] }] },
			{ label: 'vector', inputs: [floats(5), { shape: [1] }] },
			{ label: 'empty', inputs: [floats(0, 3), { shape: [3] }] },
			{
				label: 'extremes',
				inputs: [
					{ shape: [EXTREMES.length], values: EXTREMES },
					{ shape: [1], values: [0.25] },
				],
				gradient: false,
			},
		],
		gradient: 'yes',
		torch: () => 'F.prelu(x[0], x[1])',
		refusals: [
			refused(
				'too many slopes',
				(x) => w.prelu(x, w.ones([2], { device: x.device })),
				/prelu: weight \[2\] must have one slope.*x \[2\]/,
			),
			refused('no weight', (x) => w.prelu(x, 0.25 as never), /prelu: weight must be a tensor, not/),
		],
	},
	{
		name: 'glu',
		family: 'elementwise',
		call: ([x], { dim }) => w.glu(x!, dim as number | undefined),
		samples: [
			{ label: 'last dim', inputs: [{ shape: [3, 6] }] },
			{ label: 'first dim', inputs: [{ shape: [4, 3] }], options: { dim: 0 } },
			{ label: 'channels', inputs: [{ shape: [2, 6, 3] }], options: { dim: -2 } },
			{ label: 'strided', inputs: [{ shape: [3, 6], layout: 'strided' }], options: { dim: 1 } },
			{ label: 'empty', inputs: [{ shape: [0, 6] }] },
			{ label: 'odd lines', inputs: [{ shape: [33, 130] }], gradient: false },
		],
		gradient: 'yes',
		torch: ({ dim = -1 }) => `F.glu(x[0], ${dim})`,
		refusals: [
			refused('odd size', (x) => w.glu(x.narrow(0, 0, 1)), /glu: dim -1 of x \[1\] must have an even size/),
			refused('no such dim', (x) => w.glu(x, 1), /glu: dim 1 is out of range/),
		],
	},
];
