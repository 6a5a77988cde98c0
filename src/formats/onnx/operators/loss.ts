/** Losses. */
import * as ops from '../../../ops/elementwise';
import { crossEntropy, nllLoss } from '../../../ops/loss';
import { logSoftmax } from '../../../ops/softmax';
import { type Call, input, optional, type Result, type Table } from '../operator';

function optionsOf(call: Call, weight: number) {
	const { attributes } = call;
	return {
		weight: optional(call, weight),
		reduction: attributes.choice('reduction', ['mean', 'sum', 'none']),
		...(attributes.has('ignore_index') && { ignoreIndex: attributes.int('ignore_index') }),
	};
}

function entropy(call: Call): Result {
	const x = input(call, 0);
	const loss = crossEntropy(x, ops.to(input(call, 1), 'int32'), optionsOf(call, 2));
	return [loss, call.outputs[1] === true ? logSoftmax(x, 1) : null];
}

export const LOSSES: Table = {
	NegativeLogLikelihoodLoss: { run: (call) => nllLoss(input(call, 0), ops.to(input(call, 1), 'int32'), optionsOf(call, 2)) },
	SoftmaxCrossEntropyLoss: { run: entropy },
};
