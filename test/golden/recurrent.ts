/**
 * Recurrent layers and the classifier of examples/text, built as in recurrent.py, and their comparison with PyTorch's results.
 */
import { crossEntropy, type Device, type DType, nn, noGrad, optim, type Tensor, tensor, tidy } from 'wgrad';
import { TextClassifier } from '../../examples/text/model';
import { stream } from '../ops/database';
import { type Allowed, requireClose } from '../proofs/compare';
import golden from './recurrent.json';

interface Where {
	readonly device: Device;
	readonly dtype: DType;
}

function draw(name: string, shape: readonly number[], where: Where, scale = 1): Tensor {
	const next = stream(name);
	const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround((2 * next() - 1) * scale));
	return tensor(values, { shape, ...where });
}

async function fill(module: nn.Module, name: string, where: Where): Promise<void> {
	module.to(where.dtype);
	await module.to(where.device);
	noGrad(() => {
		for (const [key, parameter] of module.namedParameters())
			parameter.copy_(draw(`${name}/${key}`, parameter.shape, where, 1 / Math.sqrt(parameter.shape.at(-1)!)));
	});
}

export type Cell = 'lstm' | 'gru';

/** Takes 20 steps of Adam on one batch of sequences of different lengths, and compares every loss and the final parameters. */
export async function compareTraining(cell: Cell, where: Where, allowed: Allowed): Promise<void> {
	const model = new TextClassifier({ vocabulary: 20, classes: 3, cell, features: 8, hidden: 12, layers: 2 });
	await fill(model, cell, where);
	const int32 = { dtype: 'int32', device: where.device } as const;
	const ends = Array.from({ length: 8 }, (_, row) => 1 + ((3 * row) % 9));
	const rows = ends.map((end, row) =>
		Array.from({ length: 9 }, (_, time) => (time < end ? 1 + ((5 * row + 3 * time * (row + 1)) % 19) : 0)),
	);
	const [tokens, lengths, labels] = [
		tensor(rows, int32),
		tensor(ends, int32),
		tensor(
			ends.map((_, row) => row % 3),
			int32,
		),
	];
	const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 });
	const losses: number[] = [];
	for (let step = 0; step < 20; step++) {
		using loss = tidy(() => {
			optimizer.zeroGrad();
			const loss = crossEntropy(model.forward(tokens, lengths), labels);
			loss.backward();
			optimizer.step();
			return loss.detach();
		});
		losses.push(await loss.item());
	}
	const expected = golden.training[cell];
	requireClose(`${cell}: losses`, losses, expected.losses, allowed);
	const squares = await Promise.all(model.namedParameters().map(([, parameter]) => parameter.square().sum().item()));
	requireClose(`${cell}: sums of squares`, squares, Object.values(expected.squares), allowed);
}

type LayerName = keyof typeof golden.layers;
export const LAYERS = Object.keys(golden.layers) as LayerName[];

type Result = Tensor | readonly (Tensor | readonly Tensor[])[];
type Recurrent = nn.Module & { forward(x: Tensor, states?: null, options?: nn.SequenceOptions): Result };

const BOTH = { numLayers: 2, bidirectional: true } as const;
const MADE: Readonly<Record<LayerName, { readonly shape: readonly number[]; make(): Recurrent }>> = {
	'LSTM packed': { shape: [5, 3, 3], make: () => new nn.LSTM(3, 4, BOTH) },
	'GRU packed': { shape: [5, 3, 3], make: () => new nn.GRU(3, 4, BOTH) },
	'RNN packed': { shape: [5, 3, 3], make: () => new nn.RNN(3, 4, BOTH) },
	'LSTM projected': { shape: [4, 2, 3], make: () => new nn.LSTM(3, 4, { ...BOTH, projSize: 2 }) },
	'LSTM projected packed': { shape: [5, 3, 3], make: () => new nn.LSTM(3, 4, { ...BOTH, projSize: 2 }) },
	'RNN relu': { shape: [4, 2, 3], make: () => new nn.RNN(3, 4, { ...BOTH, nonlinearity: 'relu' }) },
	'LSTM one sequence': { shape: [4, 3], make: () => new nn.LSTM(3, 4, { bias: false }) },
	LSTMCell: { shape: [2, 3], make: () => new nn.LSTMCell(3, 4) },
	GRUCell: { shape: [2, 3], make: () => new nn.GRUCell(3, 4) },
	RNNCell: { shape: [2, 3], make: () => new nn.RNNCell(3, 4, { nonlinearity: 'relu' }) },
	'GRUCell one row': { shape: [3], make: () => new nn.GRUCell(3, 4, { bias: false }) },
};

/** Compares outputs, last states and all gradients of a layer that starts with zero states. */
export async function compareLayer(name: LayerName, where: Where, allowed: Allowed): Promise<void> {
	const { shape, make } = MADE[name];
	const module = make();
	await fill(module, name, where);
	const x = draw(`${name}/x`, shape, where).requiresGrad_();
	const lengths = tensor([3, 5, 1], { dtype: 'int32', device: where.device });
	const result = name.endsWith('packed') ? module.forward(x, null, { lengths }) : module.forward(x);
	const outputs = [result].flat(2) as Tensor[];
	const expected = golden.layers[name];
	for (const [i, output] of outputs.entries())
		requireClose(`${name}: output ${i}`, await output.data(), expected.outputs[i]!, allowed);
	const weighed = outputs.map((output, i) => output.mul(draw(`${name}/gradient${i}`, output.shape, where)).sum());
	weighed.reduce((a, b) => a.add(b)).backward();
	requireClose(`${name}: gradient of the input`, await x.grad!.data(), expected.input, allowed);
	const parameters: Readonly<Record<string, readonly number[]>> = expected.parameters;
	for (const [key, parameter] of module.namedParameters())
		requireClose(`${name}: gradient of ${key}`, await parameter.grad!.data(), parameters[key]!, allowed);
}
