/** Products of matrices. */
import { FormatError } from '../../../core/errors';
import { einsum } from '../../../ops/einsum';
import * as ops from '../../../ops/elementwise';
import { transpose } from '../../../ops/layout';
import { det } from '../../../ops/linalg';
import { addmm, matmul } from '../../../ops/matmul';
import type { Tensor } from '../../../tensor';
import { type Call, input, inputs, optional, type Table } from '../operator';

/** Products of integers are sums of int32, which the kernels of floating types do not hold: they go through float32 in float64's place. */
function product(a: Tensor, b: Tensor): Tensor {
	return matmul(a, b);
}

function gemm(call: Call): Tensor {
	const { attributes } = call;
	const turned = (x: Tensor, name: string) => (attributes.flag(name) ? transpose(x, 0, 1) : x);
	const a = turned(input(call, 0), 'transA');
	const b = turned(input(call, 1), 'transB');
	if (a.ndim !== 2 || b.ndim !== 2) throw new FormatError(`${attributes.node} takes matrices`);
	const c = optional(call, 2);
	const [alpha, beta] = [attributes.float('alpha', 1), attributes.float('beta', 1)];
	if (c !== null && beta !== 0) return addmm(c, a, b, { alpha, beta });
	const y = matmul(a, b);
	return alpha === 1 ? y : ops.mul(y, alpha);
}

export const MATRICES: Table = {
	MatMul: { weights: [0, 1], run: (call) => product(input(call, 0), input(call, 1)) },
	Gemm: { weights: [0, 1, 2], run: gemm },
	Einsum: { weights: 'all', run: (call) => einsum(call.attributes.text('equation').replaceAll(' ', ''), ...inputs(call)) },
	Det: { run: (call) => det(input(call, 0)) },
};
