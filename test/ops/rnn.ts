/** Recurrent layers, with their parameters as inputs, in PyTorch's order. */
import { type Device, nn, ones, type Tensor, tensor, zeros } from 'wgrad';
import { type InputSpec, type OpEntry, type Options, outOfRange, type Sample, type Tolerance } from './database';

interface Sizes {
	readonly time: number;
	readonly batch: number;
	readonly inputs: number;
	readonly hidden: number;
	readonly layers?: number;
	readonly bidirectional?: boolean;
	readonly batchFirst?: boolean;
	readonly bias?: boolean;
	/** The size to which an LSTM projects its states. */
	readonly projected?: number;
	/** Values of the input. Default random. */
	readonly values?: readonly number[];
	readonly lengths?: readonly number[];
	/** Whether the lengths have gaps between them in memory. */
	readonly strided?: boolean;
}

/** The errors of a step enter the next step. */
const TOLERANCE: Tolerance = {
	relative: 1e-4,
	absolute: 5e-6,
	reason: 'a chain of steps, each of which rounds the results of the previous one',
};

function specs(gates: number, cell: boolean, sizes: Sizes): InputSpec[] {
	const { time, batch, inputs, hidden, layers = 1, bidirectional = false, batchFirst = false, bias = true } = sizes;
	const { projected, values, lengths, strided } = sizes;
	const directions = bidirectional ? 2 : 1;
	const given = projected ?? hidden;
	const state = (size: number): InputSpec => ({ shape: [layers * directions, batch, size], low: -1, high: 1 });
	const result: InputSpec[] = [
		{ shape: batchFirst ? [batch, time, inputs] : [time, batch, inputs], low: -1, high: 1, ...(values && { values }) },
		state(given),
	];
	if (cell) result.push(state(hidden));
	for (let layer = 0; layer < layers; layer++) {
		for (let direction = 0; direction < directions; direction++) {
			const width = layer === 0 ? inputs : given * directions;
			const shapes = [[gates * hidden, width], [gates * hidden, given], ...(bias ? [[gates * hidden], [gates * hidden]] : [])];
			if (projected !== undefined) shapes.push([projected, hidden]);
			for (const shape of shapes) result.push({ shape, low: -0.7, high: 0.7 });
		}
	}
	if (lengths !== undefined)
		result.push({ shape: [batch], dtype: 'int32', values: lengths, layout: strided ? 'strided' : 'contiguous' });
	return result;
}

function keys({ layers = 1, bidirectional = false, bias = true, projected }: Sizes): string[] {
	const result: string[] = [];
	for (let layer = 0; layer < layers; layer++) {
		for (const suffix of bidirectional ? ['', '_reverse'] : ['']) {
			const parts = ['weight_ih', 'weight_hh', ...(bias ? ['bias_ih', 'bias_hh'] : []), ...(projected ? ['weight_hr'] : [])];
			for (const part of parts) result.push(`${part}_l${layer}${suffix}`);
		}
	}
	return result;
}

type Layer = nn.LSTM | nn.GRU | nn.RNN;

/** Runs a layer with the given tensors in place of its parameters. */
function run(make: (inputs: number, hidden: number, options: Options) => Layer, cell: boolean) {
	return (given: readonly Tensor[], options: Options): Tensor[] => {
		const sizes = options as unknown as Sizes;
		const { dtype, device } = given[0]!;
		const layer = make(sizes.inputs, sizes.hidden, {
			numLayers: sizes.layers ?? 1,
			bidirectional: sizes.bidirectional ?? false,
			batchFirst: sizes.batchFirst ?? false,
			bias: sizes.bias ?? true,
			...(sizes.projected && { projSize: sizes.projected }),
			dtype,
			device,
		});
		const first = cell ? 3 : 2;
		for (const [i, key] of keys(sizes).entries()) (layer as unknown as Record<string, Tensor>)[key] = given[first + i]!;
		const sequence = sizes.lengths === undefined ? {} : { lengths: given.at(-1)! };
		if (cell) {
			const [y, [h, c]] = (layer as nn.LSTM).forward(given[0]!, [given[1]!, given[2]!], sequence);
			return [y, h, c];
		}
		return (layer as nn.GRU).forward(given[0]!, given[1]!, sequence);
	};
}

const CASES: readonly (Sizes & { readonly label: string; readonly gradient?: boolean })[] = [
	{ label: 'one step', time: 1, batch: 1, inputs: 1, hidden: 1 },
	{ label: 'a sequence', time: 4, batch: 2, inputs: 3, hidden: 2 },
	{ label: 'two layers, both directions', time: 3, batch: 2, inputs: 2, hidden: 2, layers: 2, bidirectional: true },
	{ label: 'batch first, no bias', time: 3, batch: 2, inputs: 2, hidden: 3, batchFirst: true, bias: false },
	{ label: 'NaN in one row', time: 2, batch: 2, inputs: 1, hidden: 2, values: [1, Number.NaN, 0.5, -1], gradient: false },
	{ label: 'odd sizes', time: 5, batch: 3, inputs: 33, hidden: 65, gradient: false },
];

/** Only LSTM projects its states. */
const PROJECTED: readonly (Sizes & { readonly label: string })[] = [
	{ label: 'projected, both directions', time: 2, batch: 2, inputs: 1, hidden: 3, projected: 2, bidirectional: true },
];

const LENGTHS: readonly (Sizes & { readonly label: string })[] = [
	{ label: 'lengths', time: 4, batch: 3, inputs: 2, hidden: 2, lengths: [4, 1, 2] },
	{ label: 'lengths, both directions', time: 3, batch: 2, inputs: 2, hidden: 2, bidirectional: true, lengths: [2, 3] },
	{ label: 'strided lengths', time: 3, batch: 3, inputs: 2, hidden: 2, lengths: [1, 3, 2], strided: true },
];

function samples(
	cases: readonly (Sizes & { readonly label: string; readonly gradient?: boolean })[],
	gates: number,
	cell: boolean,
): Sample[] {
	return cases.map(({ label, gradient = true, ...sizes }) => ({
		label,
		inputs: specs(gates, cell, sizes),
		options: { ...sizes },
		gradient,
	}));
}

function torchCall(name: string, cell: boolean) {
	return (options: Options): string => {
		const { layers = 1, bidirectional = false, batchFirst = false, bias = true } = options as unknown as Sizes;
		const python = (value: boolean) => (value ? 'True' : 'False');
		const states = cell ? '(x[1], x[2])' : 'x[1]';
		return `torch.${name}(x[0], ${states}, x[${cell ? 3 : 2}:], ${python(bias)}, ${layers}, 0.0, False, ${python(bidirectional)}, ${python(batchFirst)})`;
	};
}

function entries(
	name: string,
	gates: number,
	cell: boolean,
	torch: string,
	make: (inputs: number, hidden: number, options: Options) => Layer,
): OpEntry[] {
	const call = run(make, cell);
	const wrongWidth = (device: Device) => make(3, 2, { device }).forward(ones([4, 1, 2], { device }));
	return [
		{
			name,
			family: 'rnn',
			call,
			gradient: 'yes',
			tolerance: TOLERANCE,
			samples: samples(cell ? [...CASES, ...PROJECTED] : CASES, gates, cell),
			refusals: [
				{ label: 'features', call: wrongWidth, message: /the input has 2 features, but the layer takes 3/ },
				{
					label: 'rank',
					call: (device) => make(3, 2, { device }).forward(ones([3], { device })),
					message: /input must be \[T, B, features\]/,
				},
				{
					label: 'lengths',
					call: (device) =>
						(make(2, 2, { device }) as nn.GRU).forward(zeros([3, 2, 2], { device }), null, {
							lengths: tensor([1, 2, 3], { dtype: 'int32', device }),
						}),
					message: /lengths \[3\] must have shape \[2\] for input \[3, 2, 2\]/,
				},
				...[0, 4].map((length) =>
					outOfRange(
						[length, 3],
						(lengths) => {
							const { device } = lengths;
							return (make(2, 2, { device }) as nn.GRU).forward(zeros([3, 2, 2], { device }), null, { lengths });
						},
						new RegExp(`: length ${length} is out of range: the input has 3 steps, so lengths lie between 1 and 3`),
					),
				),
			],
			torch: torchCall(torch, cell),
		},
		// Packed sequences are objects in PyTorch, not tensors; test/nn/recurrent.test.ts compares a batch with its rows instead.
		{
			name: `${name} with lengths`,
			family: 'rnn',
			call,
			gradient: 'yes',
			tolerance: TOLERANCE,
			samples: samples(LENGTHS, gates, cell),
			refusals: [],
			torch: null,
		},
	];
}

export const rnn: OpEntry[] = [
	...entries('nn.LSTM', 4, true, 'lstm', (inputs, hidden, options) => new nn.LSTM(inputs, hidden, options)),
	...entries('nn.GRU', 3, false, 'gru', (inputs, hidden, options) => new nn.GRU(inputs, hidden, options)),
	...entries('nn.RNN', 1, false, 'rnn_tanh', (inputs, hidden, options) => new nn.RNN(inputs, hidden, options)),
];
