/** Normalisations. Batch norm's statistics are buffers, which training updates. */
import { numel } from '../../../core/shape';
import * as ops from '../../../ops/elementwise';
import { flip, reshape } from '../../../ops/layout';
import { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm, rmsNorm } from '../../../ops/norm';
import { mean, norm } from '../../../ops/reduce';
import { Tensor } from '../../../tensor';
import { axisOf, type Call, input, optional, type Result, type Table, unsupported } from '../operator';
import { reshapeChannels } from './convolution';

function batch(call: Call): Result {
	const { attributes, version } = call;
	const x = input(call, 0);
	const [weight, bias, runningMean, runningVar] = [1, 2, 3, 4].map((index) => input(call, index)) as [
		Tensor,
		Tensor,
		Tensor,
		Tensor,
	];
	if (version < 9 && !attributes.flag('spatial', true)) unsupported(call, 'spatial 0');
	const eps = attributes.float('epsilon', 1e-5);
	const momentum = 1 - attributes.float('momentum', 0.9);
	// Statistics that the graph computes are no state, and keep their values.
	const isState = call.inputs[3] instanceof Tensor && call.inputs[4] instanceof Tensor;
	const training = isState && (call.training || attributes.flag('training_mode'));
	const y = batchNorm(x, { weight, bias, runningMean, runningVar, eps, momentum, training });
	return [y, ...call.outputs.slice(1).map((wanted, i) => (wanted ? (i % 2 === 0 ? runningMean : runningVar) : null))];
}

function instance(call: Call): Tensor {
	return instanceNorm(input(call, 0), {
		weight: input(call, 1),
		bias: input(call, 2),
		eps: call.attributes.float('epsilon', 1e-5),
	});
}

/** Normalises over all dims from the axis on. */
export function layered(x: Tensor, weight: Tensor | null, bias: Tensor | null, axis: number, eps: number): Tensor {
	const shape = x.shape.slice(axis);
	const fits = [weight, bias].every((p) => p === null || (p.ndim === shape.length && p.size === numel(shape)));
	if (fits) return layerNorm(x, shape, { weight, bias, eps });
	const y = layerNorm(x, shape, { eps });
	const scaled = weight === null ? y : ops.mul(y, weight);
	return bias === null ? scaled : ops.add(scaled, bias);
}

/** The mean and the reciprocal deviation that `layered` uses. */
export function statistics(x: Tensor, axis: number, eps: number): [mean: Tensor, inverse: Tensor] {
	const dims = x.shape.map((_, dim) => dim).slice(axis);
	const centre = mean(x, dims, { keepdim: true });
	const spread = mean(ops.square(ops.sub(x, centre)), dims, { keepdim: true });
	return [centre, ops.rsqrt(ops.add(spread, eps))];
}

function layer(call: Call): Result {
	const { attributes, outputs } = call;
	const x = input(call, 0);
	const axis = axisOf(call, attributes.int('axis', -1), x.ndim);
	const eps = attributes.float('epsilon', 1e-5);
	const y = layered(x, input(call, 1), optional(call, 2), axis, eps);
	if (outputs[1] !== true && outputs[2] !== true) return y;
	return [y, ...statistics(x, axis, eps)];
}

export function rms(call: Call): Tensor {
	const { attributes } = call;
	const x = input(call, 0);
	const shape = x.shape.slice(axisOf(call, attributes.int('axis', -1), x.ndim));
	return ops.mul(rmsNorm(x, shape, { eps: attributes.float('epsilon', 1e-5) }), input(call, 1));
}

/** Before version 21, scale and bias are of groups; from then on of channels. */
function group(call: Call): Tensor {
	const { attributes, version } = call;
	const x = input(call, 0);
	const groups = attributes.int('num_groups');
	const eps = attributes.float('epsilon', 1e-5);
	const [weight, bias] = [input(call, 1), input(call, 2)];
	if (version >= 21) return groupNorm(x, groups, { weight, bias, eps });
	const y = reshape(groupNorm(x, groups, { eps }), [x.shape[0]!, groups, -1]);
	return reshape(ops.add(ops.mul(y, reshapeChannels(weight, 1)), reshapeChannels(bias, 1)), x.shape);
}

function lp(call: Call): Tensor {
	const { attributes } = call;
	const x = input(call, 0);
	const dim = axisOf(call, attributes.int('axis', -1), x.ndim);
	const length = norm(x, dim, { p: attributes.int('p', 2), keepdim: true });
	return ops.div(x, ops.where(ops.eq(length, 0), 1, length));
}

function acrossChannels(call: Call): Tensor {
	const { attributes } = call;
	const size = attributes.int('size');
	const options = {
		alpha: attributes.float('alpha', 1e-4),
		beta: attributes.float('beta', 0.75),
		k: attributes.float('bias', 1),
	};
	const x = input(call, 0);
	if (size % 2 === 1) return localResponseNorm(x, size, options);
	// An even window reaches further to the channels behind; PyTorch's reaches further to those before.
	return flip(localResponseNorm(flip(x, [1]), size, options), [1]);
}

function meanVariance(call: Call): Tensor {
	const x = input(call, 0);
	const axes = call.attributes.ints('axes') ?? [0, 2, 3];
	const centred = ops.sub(x, mean(x, axes, { keepdim: true }));
	return ops.div(centred, ops.add(ops.sqrt(mean(ops.square(centred), axes, { keepdim: true })), 1e-9));
}

export const NORMS: Table = {
	BatchNormalization: { weights: [1, 2], buffers: [3, 4], run: batch },
	InstanceNormalization: { weights: [1, 2], run: instance },
	LayerNormalization: { weights: [1, 2], run: layer },
	RMSNormalization: { weights: [1], run: rms },
	SimplifiedLayerNormalization: { weights: [1], run: rms },
	GroupNormalization: { weights: [1, 2], run: group },
	LpNormalization: { run: lp },
	LRN: { run: acrossChannels },
	MeanVarianceNormalization: { run: meanVariance },
};
