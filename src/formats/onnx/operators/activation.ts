import * as ops from '../../../ops/elementwise';
import { oneHot } from '../../../ops/indexing';
import { movedim, reshape } from '../../../ops/layout';
import { argmax } from '../../../ops/reduce';
import { logSoftmax, softmax } from '../../../ops/softmax';
import type { Tensor } from '../../../tensor';
import { axisOf, type Call, has, input, number, type Operator, type Table } from '../operator';

function activation(compute: (x: Tensor, call: Call) => Tensor): Operator {
	return { run: (call) => compute(input(call, 0), call) };
}

/** Before version 13 it ran over all dims from the axis on, and the axis was 1 by default. */
function alongAxis(compute: (x: Tensor, dim: number) => Tensor): Operator {
	return activation((x, call) => {
		if (call.version >= 13) return compute(x, axisOf(call, call.attributes.int('axis', -1), x.ndim));
		const axis = axisOf(call, call.attributes.int('axis', 1), x.ndim);
		const rows = x.shape.slice(0, axis).reduce((product, size) => product * size, 1);
		const columns = x.shape.slice(axis).reduce((product, size) => product * size, 1);
		return reshape(compute(reshape(x, [rows, columns]), 1), x.shape);
	});
}

function hardmax(x: Tensor, dim: number): Tensor {
	const ones = oneHot(argmax(x, dim), x.shape[dim]!);
	return movedim(ops.to(ones, x.dtype), -1, dim);
}

/** min and max are attributes before version 11. A missing one does not limit. */
function clip(call: Call): Tensor {
	const x = input(call, 0);
	if (call.version < 11) {
		const { attributes } = call;
		return ops.clamp(x, {
			min: attributes.float('min', -3.4028234663852886e38),
			max: attributes.float('max', 3.4028234663852886e38),
		});
	}
	const limit = (index: number) => (has(call, index) ? input(call, index) : null);
	const known = (index: number) => (has(call, index) && call.inputs[index] !== limit(index) ? number(call, index) : limit(index));
	const [min, max] = [known(1), known(2)];
	if (min === null && max === null) return x;
	// numpy's clip, and the standard, take the smaller of max and what min gives.
	return ops.clamp(x, { ...(min !== null && { min }), ...(max !== null && { max }) });
}

function prelu(call: Call): Tensor {
	const [x, slope] = [input(call, 0), input(call, 1)];
	return ops.where(ops.lt(x, 0), ops.mul(x, slope), x);
}

function shrink(x: Tensor, { attributes }: Call): Tensor {
	const [bias, lambda] = [attributes.float('bias', 0), attributes.float('lambd', 0.5)];
	const zero = ops.mul(x, 0);
	return ops.where(ops.lt(x, -lambda), ops.add(x, bias), ops.where(ops.gt(x, lambda), ops.sub(x, bias), zero));
}

function gelu(x: Tensor, { attributes }: Call): Tensor {
	return ops.gelu(x, { approximate: attributes.choice('approximate', ['none', 'tanh']) });
}

export const ACTIVATIONS: Table = {
	Relu: activation(ops.relu),
	Sigmoid: activation(ops.sigmoid),
	Softplus: activation((x) => ops.softplus(x)),
	Softsign: activation(ops.softsign),
	Mish: activation(ops.mish),
	HardSwish: activation(ops.hardswish),
	Gelu: activation(gelu),
	LeakyRelu: activation((x, { attributes }) => ops.leakyRelu(x, { negativeSlope: attributes.float('alpha', 0.01) })),
	Elu: activation((x, { attributes }) => ops.elu(x, { alpha: attributes.float('alpha', 1) })),
	Celu: activation((x, { attributes }) => ops.celu(x, { alpha: attributes.float('alpha', 1) })),
	Selu: activation((x, { attributes }) => {
		const alpha = attributes.float('alpha', 1.6732632423543772);
		return ops.mul(ops.elu(x, { alpha }), attributes.float('gamma', 1.0507009873554805));
	}),
	HardSigmoid: activation((x, { attributes }) =>
		ops.clamp(ops.add(ops.mul(x, attributes.float('alpha', 0.2)), attributes.float('beta', 0.5)), { min: 0, max: 1 }),
	),
	ThresholdedRelu: activation((x, { attributes }) => ops.where(ops.gt(x, attributes.float('alpha', 1)), x, 0)),
	Swish: activation((x, { attributes }) => ops.mul(x, ops.sigmoid(ops.mul(x, attributes.float('alpha', 1))))),
	Shrink: activation(shrink),
	PRelu: { weights: [1], run: prelu },
	Clip: { run: clip },
	Softmax: alongAxis(softmax),
	LogSoftmax: alongAxis(logSoftmax),
	Hardmax: alongAxis(hardmax),
};
