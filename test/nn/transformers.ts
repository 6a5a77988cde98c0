/**
 * Attention and transformer layers, built as in test/golden/transformers.py, and the comparison of their results with PyTorch's.
 */
import * as assert from 'uvu/assert';
import { type Device, type DType, nn, noGrad, type Tensor, tensor } from 'wgrad';
import golden from '../golden/transformers.json';
import { stream } from '../ops/database';
import { type Allowed, requireClose } from '../proofs/compare';

type Name = keyof typeof golden;

interface Golden {
	readonly state: Readonly<Record<string, readonly number[]>>;
	readonly outputs: readonly { readonly shape: readonly number[]; readonly values: readonly number[] }[];
	readonly inputs: readonly (readonly number[])[];
	readonly parameters: Readonly<Record<string, readonly number[]>>;
}

interface Layer {
	readonly module: nn.Module;
	readonly shapes: readonly (readonly number[])[];
	/** The output, and the weights if `needWeights`. */
	call(inputs: readonly Tensor[], masks: Masks, needWeights: boolean): readonly (Tensor | null)[];
}

/** Masks that the cases share; true excludes a position. */
class Masks {
	constructor(readonly device: Device) {}

	/** True above the diagonal. */
	later(size: number): Tensor {
		const values = Array.from({ length: size ** 2 }, (_, n) => n % size > Math.floor(n / size));
		return tensor(values, { shape: [size, size], device: this.device });
	}

	/** The padding of two sequences of length 6. */
	padding(): Tensor {
		const rows = [
			[0, 0, 0, 0, 1, 1],
			[0, 1, 0, 0, 0, 0],
		];
		return tensor(
			rows.map((row) => row.map((value) => value === 1)),
			{ device: this.device },
		);
	}
}

function attention(
	module: nn.MultiheadAttention,
	shapes: readonly (readonly number[])[],
	callOf: (masks: Masks, inputs: readonly Tensor[]) => nn.MultiheadAttentionCall = () => ({}),
	operands: readonly [number, number, number] = [0, 0, 0],
): Layer {
	return {
		module,
		shapes,
		call: (inputs, masks, needWeights) => {
			const [q, k, v] = operands.map((i) => inputs[i]!) as [Tensor, Tensor, Tensor];
			return module.forward(q, k, v, { ...callOf(masks, inputs), needWeights });
		},
	};
}

const SMALL = { dimFeedforward: 12, dropout: 0 };
const MODERN = { ...SMALL, normFirst: true, activation: 'gelu', batchFirst: true } as const;

export const LAYERS: Readonly<Record<Name, () => Layer>> = {
	'self-attention': () => attention(new nn.MultiheadAttention(8, 2), [[5, 3, 8]]),
	'causal, batch first': () =>
		attention(new nn.MultiheadAttention(8, 2, { batchFirst: true, bias: false }), [[3, 5, 8]], () => ({
			isCausal: true,
			averageAttnWeights: false,
		})),
	padding: () =>
		attention(
			new nn.MultiheadAttention(8, 4),
			[
				[4, 2, 8],
				[6, 2, 8],
				[4, 6],
			],
			(masks, [, , attnMask]) => ({ keyPaddingMask: masks.padding(), attnMask: attnMask! }),
			[0, 1, 1],
		),
	'other features': () =>
		attention(
			new nn.MultiheadAttention(8, 4, { kdim: 6, vdim: 5 }),
			[
				[4, 2, 8],
				[6, 2, 6],
				[6, 2, 5],
			],
			() => ({}),
			[0, 1, 2],
		),
	'extra keys': () =>
		attention(new nn.MultiheadAttention(8, 2, { addBiasKv: true, addZeroAttn: true }), [[6, 2, 8]], (masks) => ({
			keyPaddingMask: masks.padding(),
			isCausal: true,
		})),
	'masks of heads': () =>
		attention(
			new nn.MultiheadAttention(8, 2),
			[
				[3, 2, 8],
				[4, 3, 3],
			],
			(_, [, attnMask]) => ({ attnMask: attnMask! }),
		),
	'one sequence': () => attention(new nn.MultiheadAttention(8, 2), [[5, 8]], (masks) => ({ attnMask: masks.later(5) })),
	'encoder layer': () => {
		const module = new nn.TransformerEncoderLayer(8, 2, SMALL);
		return { module, shapes: [[5, 2, 8]], call: ([x]) => [module.forward(x!)] };
	},
	'encoder layer, norm first': () => {
		const module = new nn.TransformerEncoderLayer(8, 2, { ...MODERN, layerNormEps: 1e-3 });
		return {
			module,
			shapes: [[2, 6, 8]],
			call: ([x], masks) => [module.forward(x!, { isCausal: true, srcKeyPaddingMask: masks.padding() })],
		};
	},
	'decoder layer': () => {
		const module = new nn.TransformerDecoderLayer(8, 2, SMALL);
		return {
			module,
			shapes: [
				[4, 2, 8],
				[6, 2, 8],
			],
			call: ([x, y], masks) => [module.forward(x!, y!, { tgtMask: masks.later(4), memoryKeyPaddingMask: masks.padding() })],
		};
	},
	'decoder layer, norm first': () => {
		const module = new nn.TransformerDecoderLayer(8, 2, MODERN);
		return {
			module,
			shapes: [
				[2, 4, 8],
				[2, 3, 8],
				[4, 3],
			],
			call: ([x, y, memoryMask]) => [module.forward(x!, y!, { memoryMask: memoryMask! })],
		};
	},
	encoder: () => {
		const module = new nn.TransformerEncoder(new nn.TransformerEncoderLayer(8, 2, SMALL), 2, { norm: new nn.LayerNorm(8) });
		return { module, shapes: [[5, 2, 8]], call: ([x], masks) => [module.forward(x!, { mask: masks.later(5) })] };
	},
	decoder: () => {
		const module = new nn.TransformerDecoder(new nn.TransformerDecoderLayer(8, 2, SMALL), 2, { norm: new nn.LayerNorm(8) });
		return {
			module,
			shapes: [
				[4, 2, 8],
				[3, 2, 8],
			],
			call: ([x, y]) => [module.forward(x!, y!)],
		};
	},
	transformer: () => {
		const module = new nn.Transformer({
			...SMALL,
			dModel: 8,
			nhead: 2,
			numEncoderLayers: 1,
			numDecoderLayers: 1,
			batchFirst: true,
		});
		return {
			module,
			shapes: [
				[2, 6, 8],
				[2, 4, 8],
			],
			call: ([x, y], masks) => {
				const padding = { srcKeyPaddingMask: masks.padding(), memoryKeyPaddingMask: masks.padding() };
				return [module.forward(x!, y!, { tgtIsCausal: true, ...padding })];
			},
		};
	},
};

/** Compares outputs and gradients of one case, with the weights (composed attention) and without them (fused). */
export async function compareLayer(name: Name, device: Device, dtype: DType, allowed: Allowed): Promise<void> {
	const draw = (key: string, shape: readonly number[]) => {
		const next = stream(`${name}/${key}`);
		const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround(2 * next() - 1));
		return tensor(values, { shape, dtype, device });
	};
	const expected: Golden = golden[name];
	for (const needWeights of [true, false]) {
		const { module, shapes, call } = LAYERS[name]();
		module.to(dtype);
		await module.to(device);
		const state = Object.entries(module.stateDict()).map(([key, { shape }]) => [key, shape]);
		assert.equal(Object.fromEntries(state), expected.state);
		noGrad(() => {
			for (const [key, parameter] of module.namedParameters()) parameter.copy_(draw(key, parameter.shape));
		});
		const inputs = shapes.map((shape, i) => draw(String(i), shape).requiresGrad_());
		const outputs = call(inputs, new Masks(device), needWeights);
		const what = `${name}, ${needWeights ? 'composed' : 'fused'}`;
		for (const [i, output] of outputs.entries()) {
			if (output === null) continue;
			assert.equal(output.shape, expected.outputs[i]!.shape);
			requireClose(`${what}: output ${i}`, await output.data(), expected.outputs[i]!.values, allowed);
		}
		const [output] = outputs as [Tensor];
		output.mul(draw('gradient', output.shape)).sum().backward();
		for (const [i, input] of inputs.entries()) {
			requireClose(`${what}: gradient of input ${i}`, await input.grad!.data(), expected.inputs[i]!, allowed);
		}
		for (const [key, parameter] of module.namedParameters()) {
			requireClose(`${what}: gradient of ${key}`, await parameter.grad!.data(), expected.parameters[key]!, allowed);
		}
	}
}

export const NAMES = Object.keys(LAYERS) as Name[];
