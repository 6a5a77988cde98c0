/** The layers that are tested as wholes: gradients with respect to input and parameters, and WebGPU against the CPU. */
import { nn, type Tensor } from 'wgrad';

type Layer = nn.Module & { forward(input: Tensor): Tensor };

export interface LayerCase {
	readonly name: string;
	make(options: nn.FactoryOptions): Layer;
	readonly input: readonly number[];
	/** For layers of indices: the number of valid indices. */
	readonly indices?: number;
	/** Whether to keep inputs away from 0, where the derivative jumps. */
	readonly kink?: boolean;
}

export const layers: readonly LayerCase[] = [
	{ name: 'Linear', make: (o) => new nn.Linear(5, 3, o), input: [4, 5] },
	{ name: 'Linear without bias', make: (o) => new nn.Linear(5, 3, { bias: false, ...o }), input: [2, 3, 5] },
	{
		name: 'QuantizedLinear',
		make: (o) => nn.QuantizedLinear.fromFloat(new nn.Linear(12, 3, o), { groupSize: 4 }),
		input: [4, 12],
	},
	{
		name: 'QuantizedLinear of 4 bits with zero points',
		make: (o) => nn.QuantizedLinear.fromFloat(new nn.Linear(7, 5, o), { bits: 4, groupSize: 3, symmetric: false }),
		input: [2, 7],
	},
	{ name: 'Conv2d', make: (o) => new nn.Conv2d(2, 3, 3, { padding: 1, stride: 2, ...o }), input: [2, 2, 5, 4] },
	{ name: 'Conv2d with groups', make: (o) => new nn.Conv2d(4, 4, [2, 1], { groups: 2, dilation: 2, ...o }), input: [1, 4, 4, 3] },
	{ name: 'MaxPool2d', make: () => new nn.MaxPool2d(2), input: [2, 2, 4, 5], kink: true },
	{ name: 'AvgPool2d', make: () => new nn.AvgPool2d(2, { stride: 1, padding: 1 }), input: [1, 2, 3, 4] },
	{ name: 'AdaptiveAvgPool2d', make: () => new nn.AdaptiveAvgPool2d([2, 3]), input: [1, 2, 5, 4] },
	{ name: 'Flatten', make: () => new nn.Flatten(), input: [2, 3, 2] },
	{ name: 'ReLU', make: () => new nn.ReLU(), input: [3, 5], kink: true },
	{ name: 'Sigmoid', make: () => new nn.Sigmoid(), input: [3, 5] },
	{ name: 'Tanh', make: () => new nn.Tanh(), input: [3, 5] },
	{ name: 'GELU', make: () => new nn.GELU(), input: [3, 5] },
	{ name: 'GELU by tanh', make: () => new nn.GELU({ approximate: 'tanh' }), input: [3, 5] },
	{ name: 'Softmax', make: () => new nn.Softmax(1), input: [3, 5] },
	{ name: 'Dropout', make: () => new nn.Dropout(0.4), input: [4, 6] },
	{ name: 'BatchNorm1d', make: (o) => new nn.BatchNorm1d(3, o), input: [5, 3] },
	{ name: 'BatchNorm1d of sequences', make: (o) => new nn.BatchNorm1d(3, o), input: [2, 3, 4] },
	{ name: 'BatchNorm2d', make: (o) => new nn.BatchNorm2d(2, o), input: [2, 2, 3, 3] },
	{ name: 'BatchNorm2d in inference', make: (o) => new nn.BatchNorm2d(2, o).eval(), input: [2, 2, 3, 3] },
	{ name: 'LayerNorm', make: (o) => new nn.LayerNorm([3, 4], o), input: [2, 3, 4] },
	{ name: 'Embedding', make: (o) => new nn.Embedding(7, 3, { paddingIdx: 2, ...o }), input: [4, 2], indices: 7 },
	{
		name: 'Sequential',
		make: (o) => new nn.Sequential(new nn.Linear(4, 6, o), new nn.Tanh(), new nn.LayerNorm(6, o), new nn.Linear(6, 2, o)),
		input: [3, 4],
	},
];
