/** Fused operators of com.microsoft, which optimizers of onnxruntime write. */
import { zeros } from '../../../ops/creation';
import * as ops from '../../../ops/elementwise';
import { embedding } from '../../../ops/embedding';
import { narrow, transpose } from '../../../ops/layout';
import { matmul } from '../../../ops/matmul';
import { rmsNorm } from '../../../ops/norm';
import { sum } from '../../../ops/reduce';
import type { Tensor } from '../../../tensor';
import { type Call, input, optional, type Result, type Table, unsupported } from '../operator';
import { convolved } from './convolution';
import { MATRICES } from './matrix';
import { layered, statistics } from './norm';

function added(a: Tensor, b: Tensor | null): Tensor {
	return b === null ? a : ops.add(a, b);
}

function fusedMatMul(call: Call): Tensor {
	const { attributes } = call;
	if (attributes.flag('transBatchA') || attributes.flag('transBatchB')) unsupported(call, 'transBatchA');
	const turned = (x: Tensor, name: string) => (attributes.flag(name) && x.ndim > 1 ? transpose(x, -2, -1) : x);
	const y = matmul(turned(input(call, 0), 'transA'), turned(input(call, 1), 'transB'));
	const alpha = attributes.float('alpha', 1);
	return alpha === 1 ? y : ops.mul(y, alpha);
}

function activated(call: Call, x: Tensor): Tensor {
	const { attributes } = call;
	const parameters = attributes.floats('activation_params') ?? [];
	const name = attributes.text('activation', 'Identity');
	switch (name) {
		case 'Identity':
		case '':
			return x;
		case 'Relu':
			return ops.relu(x);
		case 'Tanh':
			return ops.tanh(x);
		case 'Sigmoid':
			return ops.sigmoid(x);
		case 'LeakyRelu':
			return ops.leakyRelu(x, { negativeSlope: parameters[0] ?? attributes.float('activation_alpha', 0.01) });
		case 'Clip':
			return ops.clamp(x, { min: parameters[0]!, max: parameters[1]! });
		case 'HardSigmoid':
			return ops.clamp(ops.add(ops.mul(x, parameters[0] ?? 0.2), parameters[1] ?? 0.5), { min: 0, max: 1 });
		default:
			return unsupported(call, `the activation ${name}`);
	}
}

function fusedConv(call: Call): Tensor {
	const y = convolved(call, input(call, 0), input(call, 1), optional(call, 2));
	return activated(call, added(y, optional(call, 3)));
}

/** Adds the input, what skips the layers before it, and a bias, and normalises the sum. */
function skipNorm(call: Call): Result {
	const eps = call.attributes.float('epsilon', 1e-12);
	const total = added(ops.add(input(call, 0), input(call, 1)), optional(call, 4));
	const y = layered(total, input(call, 2), optional(call, 3), total.ndim - 1, eps);
	const [mean, inverse] =
		call.outputs[1] === true || call.outputs[2] === true ? statistics(total, total.ndim - 1, eps) : [null, null];
	return [y, mean, inverse, call.outputs[3] === true ? total : null];
}

function skipRms(call: Call): Result {
	const total = added(ops.add(input(call, 0), input(call, 1)), optional(call, 3));
	const eps = call.attributes.float('epsilon', 1e-12);
	if (call.outputs[1] === true || call.outputs[2] === true) unsupported(call, 'the output of statistics');
	return [
		rmsNorm(total, total.shape.slice(-1), { weight: input(call, 2), eps }),
		null,
		null,
		call.outputs[3] === true ? total : null,
	];
}

/** The sum of embeddings of words, places and segments, normalised. */
function embedNorm(call: Call): Result {
	const { attributes, outputs } = call;
	const ids = ops.to(input(call, 0), 'int32');
	const segments = optional(call, 1);
	const words = embedding(ids, input(call, 2));
	const places = input(call, 3);
	const given = optional(call, 8);
	const placed = ops.add(words, given === null ? narrow(places, 0, 0, ids.shape[1]!) : embedding(ops.to(given, 'int32'), places));
	const table = optional(call, 4);
	const total = segments === null || table === null ? placed : ops.add(placed, embedding(ops.to(segments, 'int32'), table));
	const y = layered(total, input(call, 5), input(call, 6), 2, attributes.float('epsilon', 1e-12));
	const mask = optional(call, 7);
	const counts = mask === null ? zeros([ids.shape[0]!], { dtype: 'int32', device: ids.device }) : sum(ops.to(mask, 'int32'), 1);
	return [y, counts, outputs[2] === true ? total : null];
}

export const MICROSOFT: Table = {
	Gelu: { run: (call) => ops.gelu(input(call, 0)) },
	FastGelu: { weights: [1], run: (call) => ops.gelu(added(input(call, 0), optional(call, 1)), { approximate: 'tanh' }) },
	BiasGelu: { weights: [1], run: (call) => ops.gelu(ops.add(input(call, 0), input(call, 1))) },
	QuickGelu: {
		run: (call) => {
			const x = input(call, 0);
			return ops.mul(x, ops.sigmoid(ops.mul(x, call.attributes.float('alpha', 1.702))));
		},
	},
	FusedMatMul: { weights: [0, 1], run: fusedMatMul },
	FusedGemm: { weights: [0, 1, 2], run: (call) => activated(call, MATRICES.Gemm!.run(call) as Tensor) },
	FusedConv: { weights: [1, 2], run: fusedConv },
	SkipLayerNormalization: { weights: [2, 3, 4], run: skipNorm },
	SkipSimplifiedLayerNormalization: { weights: [2, 3], run: skipRms },
	EmbedLayerNormalization: { weights: [2, 3, 4, 5, 6], run: embedNorm },
};
