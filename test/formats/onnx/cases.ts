/** Cases of operators: elementwise functions, reductions, products, layout and indices. */
import { f, fixed, ints, n, type OnnxCase, scalar, v } from './model';

const x = f([2, 3, 4]);

function unary(op: string, low = -2, high = 2, attributes = {}, version = 21): OnnxCase {
	return { op, version, attributes, inputs: [f([3, 5], low, high)] };
}

const UNARY: OnnxCase[] = [
	...[
		'Abs',
		'Asinh',
		'Atan',
		'Ceil',
		'Cos',
		'Cosh',
		'Erf',
		'Exp',
		'Floor',
		'Identity',
		'Neg',
		'Reciprocal',
		'Round',
		'Sign',
		'Sin',
		'Sinh',
		'Tan',
		'Tanh',
	].map((op) => unary(op)),
	...[
		'Relu',
		'Sigmoid',
		'Softplus',
		'Softsign',
		'Mish',
		'HardSwish',
		'LeakyRelu',
		'Elu',
		'Celu',
		'Selu',
		'HardSigmoid',
		'ThresholdedRelu',
	].map((op) => unary(op)),
	...['Acos', 'Asin', 'Atanh'].map((op) => unary(op, -0.95, 0.95)),
	unary('Acosh', 1.1, 4),
	unary('Log', 0.1, 4),
	unary('Sqrt', 0.1, 4),
	unary('Gelu'),
	unary('Gelu', -2, 2, { approximate: 'tanh' }),
	unary('LeakyRelu', -2, 2, { alpha: { f: 0.3 } }),
	unary('Elu', -2, 2, { alpha: { f: 0.3 } }),
	unary('Selu', -2, 2, { alpha: { f: 2 }, gamma: { f: 3 } }),
	unary('HardSigmoid', -6, 6, { alpha: { f: 0.3 }, beta: { f: 0.4 } }),
	unary('ThresholdedRelu', -2, 2, { alpha: { f: 0.5 } }),
	unary('Shrink', -2, 2, { lambd: { f: 0.7 }, bias: { f: 0.2 } }),
	unary('Clip', -2, 2, { min: { f: -0.5 }, max: { f: 0.7 } }, 6 + 4),
	{ op: 'Clip', inputs: [f([7]), scalar(-0.5), scalar(0.5)] },
	{ op: 'Clip', inputs: [f([7]), null, v('float32', [0.5], [])] },
	{ op: 'Clip', inputs: [n('int32', [9], -9, 9), scalar(-2, 'int32'), scalar(3, 'int32')] },
	{ op: 'PRelu', inputs: [x, fixed(f([3, 1]))] },
	{ op: 'IsNaN', inputs: [v('float32', [1, Number.NaN, Number.POSITIVE_INFINITY])] },
	{ op: 'IsInf', inputs: [v('float32', [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])] },
	{
		op: 'IsInf',
		attributes: { detect_negative: 0 },
		inputs: [v('float32', [1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])],
	},
	{ op: 'Not', inputs: [v('bool', [0, 1, 1])] },
	{ op: 'BitwiseNot', inputs: [v('int32', [0, 5, -7])] },
	{ op: 'BitwiseNot', inputs: [v('uint8', [0, 5, 255])] },
	{ op: 'Abs', inputs: [v('int8', [-5, 0, 7])] },
];

function binary(op: string, attributes = {}): OnnxCase {
	return { op, attributes, inputs: [f([2, 3, 4], 0.5, 3), f([3, 1], 0.5, 3)] };
}

function whole(op: string, attributes = {}): OnnxCase {
	return { op, attributes, inputs: [v('int32', [7, -7, 6, 0, 9, 1]), v('int32', [3, 3, -4, 5, 2, 7])] };
}

const BINARY: OnnxCase[] = [
	...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Sum', 'Mean'].map((op) => binary(op)),
	...['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'].map((op) => binary(op)),
	...['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Mod', 'Equal', 'Greater', 'BitwiseAnd', 'BitwiseOr', 'BitwiseXor'].map((op) =>
		whole(op),
	),
	whole('Mod', { fmod: 1 }),
	{ op: 'Mod', attributes: { fmod: 1 }, inputs: [f([6]), f([6], 0.5, 1)] },
	{ op: 'Add', inputs: [f([2, 3]), scalar(2)] },
	{ op: 'Div', inputs: [scalar(2), f([2, 3], 0.5, 2)] },
	{ op: 'Pow', inputs: [f([5], 0.5, 2), v('int64', [0, 1, 2, 3, -1])] },
	{ op: 'Pow', inputs: [v('int32', [1, 2, 3]), scalar(2, 'int32')] },
	{ op: 'Max', inputs: [f([3]), f([2, 1]), f([1])] },
	{ op: 'Mean', inputs: [f([3]), f([2, 1]), f([1])] },
	...['And', 'Or', 'Xor'].map((op): OnnxCase => ({ op, inputs: [v('bool', [0, 0, 1, 1]), v('bool', [0, 1, 0, 1])] })),
	{ op: 'BitShift', attributes: { direction: 'LEFT' }, inputs: [v('uint8', [1, 3, 200]), v('uint8', [1, 2, 3])] },
	{ op: 'BitShift', attributes: { direction: 'RIGHT' }, inputs: [v('uint8', [1, 3, 200]), v('uint8', [1, 2, 3])] },
	{ op: 'Where', inputs: [v('bool', [1, 0, 1]), f([2, 3]), f([3])] },
	{ op: 'Where', inputs: [v('bool', [1, 0, 1]), v('int64', [1, 2, 3]), v('int64', [4], [1])] },
];

function reduce(op: string, low = -2): OnnxCase[] {
	const input = f([2, 3, 4], low, 2);
	const axes = op === 'ReduceSum';
	return [
		{ op, inputs: [input] },
		{ op, attributes: { keepdims: 0 }, inputs: [input, ints(1, -1)] },
		{ op, version: axes ? 11 : 13, attributes: { axes: [-2] }, inputs: [input] },
	];
}

const REDUCTIONS: OnnxCase[] = [
	...[
		'ReduceSum',
		'ReduceMean',
		'ReduceMax',
		'ReduceMin',
		'ReduceProd',
		'ReduceL1',
		'ReduceL2',
		'ReduceLogSumExp',
		'ReduceSumSquare',
	].flatMap((op) => reduce(op)),
	...reduce('ReduceLogSum', 0.1),
	{ op: 'ReduceSum', attributes: { noop_with_empty_axes: 1 }, inputs: [f([2, 3])] },
	{ op: 'ReduceMax', inputs: [n('int32', [3, 4], -9, 9), ints(1)] },
	{ op: 'ReduceSum', inputs: [n('int32', [3, 4], -9, 9), ints(0)] },
	{ op: 'ReduceProd', inputs: [n('int32', [3, 4], -3, 3), ints(0)] },
	...['ArgMax', 'ArgMin'].flatMap((op): OnnxCase[] => [
		{ op, attributes: { axis: 1 }, inputs: [x] },
		{ op, attributes: { axis: -1, keepdims: 0 }, inputs: [x] },
		{ op, attributes: { axis: 0, select_last_index: 1 }, inputs: [v('float32', [1, 2, 2, 1, 2, 1], [6])] },
	]),
	{ op: 'TopK', inputs: [x, ints(2)], outputs: 2 },
	{ op: 'TopK', attributes: { axis: 1, largest: 0 }, inputs: [x, ints(2)], outputs: 2 },
	{ op: 'TopK', version: 9, attributes: { k: 3 }, inputs: [x], outputs: 2 },
	{ op: 'CumSum', inputs: [x, scalar(1, 'int64')] },
	{ op: 'CumSum', attributes: { reverse: 1, exclusive: 1 }, inputs: [x, scalar(-1, 'int64')] },
	...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((op): OnnxCase[] => [
		{ op, inputs: [x] },
		{ op, attributes: { axis: 1 }, inputs: [x] },
		{ op, version: 11, inputs: [x] },
		{ op, version: 11, attributes: { axis: 2 }, inputs: [x] },
	]),
];

const PRODUCTS: OnnxCase[] = [
	{ op: 'MatMul', inputs: [f([2, 3, 4]), f([4, 5])] },
	{ op: 'MatMul', inputs: [f([4]), f([2, 4, 5])] },
	{ op: 'MatMul', inputs: [f([3, 4]), fixed(f([4, 2]))] },
	{ op: 'Gemm', inputs: [f([3, 4]), f([4, 5]), f([5])] },
	{
		op: 'Gemm',
		attributes: { transA: 1, transB: 1, alpha: { f: 0.5 }, beta: { f: 2 } },
		inputs: [f([4, 3]), f([5, 4]), f([3, 1])],
	},
	{ op: 'Gemm', attributes: { alpha: { f: 0.5 } }, inputs: [f([3, 4]), f([4, 5])] },
	{ op: 'Einsum', attributes: { equation: 'bij, bjk -> bik' }, inputs: [f([2, 3, 4]), f([2, 4, 5])] },
	{ op: 'Einsum', attributes: { equation: 'ij->ji' }, inputs: [f([2, 3])] },
	{ op: 'Einsum', attributes: { equation: '...ij,...jk->...ik' }, inputs: [f([2, 3, 4]), f([2, 4, 5])] },
	{ op: 'Det', inputs: [f([2, 3, 3])] },
];

const LAYOUT: OnnxCase[] = [
	{ op: 'Shape', inputs: [x] },
	{ op: 'Shape', attributes: { start: 1, end: -1 }, inputs: [x] },
	{ op: 'Size', inputs: [x] },
	{ op: 'Reshape', inputs: [x, ints(0, -1)] },
	{ op: 'Reshape', attributes: { allowzero: 1 }, inputs: [f([0, 3]), ints(3, 0)] },
	{ op: 'Flatten', inputs: [x] },
	{ op: 'Flatten', attributes: { axis: -1 }, inputs: [x] },
	{ op: 'Flatten', attributes: { axis: 0 }, inputs: [x] },
	{ op: 'Squeeze', inputs: [f([1, 3, 1])] },
	{ op: 'Squeeze', inputs: [f([1, 3, 1]), ints(-1)] },
	{ op: 'Squeeze', version: 11, attributes: { axes: [0] }, inputs: [f([1, 3, 1])] },
	{ op: 'Unsqueeze', inputs: [f([3, 4]), ints(0, -1)] },
	{ op: 'Unsqueeze', version: 11, attributes: { axes: [1] }, inputs: [f([3, 4])] },
	{ op: 'Transpose', inputs: [x] },
	{ op: 'Transpose', attributes: { perm: [1, 2, 0] }, inputs: [x] },
	{ op: 'Concat', attributes: { axis: 1 }, inputs: [x, f([2, 1, 4]), f([2, 2, 4])] },
	{ op: 'Concat', attributes: { axis: -1 }, inputs: [v('int64', [1, 2]), v('int64', [3])] },
	{ op: 'Split', attributes: { axis: 2, num_outputs: 2 }, inputs: [x], outputs: 2 },
	{ op: 'Split', attributes: { axis: 0, num_outputs: 3 }, inputs: [f([7])], outputs: 3 },
	{ op: 'Split', attributes: { axis: 1 }, inputs: [x, ints(1, 2)], outputs: 2 },
	{ op: 'Split', version: 11, attributes: { axis: 2, split: [1, 3] }, inputs: [x], outputs: 2 },
	{ op: 'Slice', inputs: [x, ints(1), ints(2 ** 63 - 1024), ints(1)] },
	{ op: 'Slice', inputs: [f([9]), ints(-1), ints(-9), ints(0), ints(-2)] },
	{ op: 'Slice', inputs: [f([4, 9]), ints(0, 7), ints(4, -100), ints(0, 1), ints(3, -3)] },
	{ op: 'Slice', version: 9, attributes: { starts: [0, 1], ends: [2, -1], axes: [1, 2] }, inputs: [x] },
	{ op: 'Pad', inputs: [x, ints(0, 1, 2, 1, 0, 1), scalar(0.5)] },
	{ op: 'Pad', attributes: { mode: 'reflect' }, inputs: [f([3, 4]), ints(1, 2, 2, 3)] },
	{ op: 'Pad', attributes: { mode: 'edge' }, inputs: [f([3, 4]), ints(1, 2, 2, 3)] },
	{ op: 'Pad', attributes: { mode: 'wrap' }, inputs: [f([3, 4]), ints(1, 2, 2, 3)] },
	{ op: 'Pad', inputs: [f([3, 4]), ints(1, 2), null, ints(-1)] },
	{ op: 'Pad', inputs: [f([3, 4]), ints(-1, 0, 0, -1)] },
	{ op: 'Pad', version: 10, attributes: { pads: [0, 1, 1, 0], value: { f: 3 } }, inputs: [f([3, 4])] },
	{ op: 'Tile', inputs: [f([2, 3]), ints(2, 2)] },
	{ op: 'Expand', inputs: [f([3, 1]), ints(2, 1, 4)] },
	{ op: 'Expand', inputs: [f([3, 4]), ints(1)] },
	{ op: 'DepthToSpace', attributes: { blocksize: 2 }, inputs: [f([1, 8, 2, 3])] },
	{ op: 'DepthToSpace', attributes: { blocksize: 2, mode: 'CRD' }, inputs: [f([1, 8, 2, 3])] },
	{ op: 'SpaceToDepth', attributes: { blocksize: 2 }, inputs: [f([1, 2, 4, 6])] },
	{ op: 'Trilu', inputs: [f([4, 5])] },
	{ op: 'Trilu', attributes: { upper: 0 }, inputs: [f([2, 4, 5]), scalar(1, 'int64')] },
	{ op: 'ReverseSequence', inputs: [f([4, 3, 2]), ints(4, 2, 1)] },
	{ op: 'ReverseSequence', attributes: { time_axis: 1, batch_axis: 0 }, inputs: [f([3, 4]), ints(4, 2, 1)] },
	{ op: 'CenterCropPad', inputs: [f([5, 4]), ints(2, 7)] },
	{ op: 'CenterCropPad', attributes: { axes: [1] }, inputs: [f([3, 7]), ints(4)] },
	{ op: 'Col2Im', inputs: [f([1, 8, 9]), ints(4, 4), ints(2, 2)] },
	{ op: 'Col2Im', attributes: { pads: [1, 0, 1, 0], strides: [2, 1] }, inputs: [f([1, 8, 9]), ints(4, 4), ints(2, 2)] },
	{ op: 'Cast', attributes: { to: 6 }, inputs: [v('float32', [1.7, -1.7, 0])] },
	{ op: 'Cast', attributes: { to: 9 }, inputs: [v('float32', [1.7, -1.7, 0])] },
	{ op: 'Cast', attributes: { to: 1 }, inputs: [v('int64', [1, -2])] },
	{ op: 'Cast', attributes: { to: 2 }, inputs: [v('int32', [1, 255])] },
	{ op: 'Cast', attributes: { to: 7 }, inputs: [v('bool', [1, 0])] },
	{ op: 'CastLike', inputs: [v('float32', [1.7, -1.7]), scalar(0, 'int32')] },
];

const INDICES: OnnxCase[] = [
	{ op: 'Gather', inputs: [f([4, 3]), v('int64', [0, 3, -1, 1], [2, 2])] },
	{ op: 'Gather', attributes: { axis: 1 }, inputs: [x, v('int64', [2, -3])] },
	{ op: 'Gather', attributes: { axis: 1 }, inputs: [x, scalar(-1, 'int64')] },
	{ op: 'Gather', inputs: [v('int64', [5, 6, 7]), scalar(1, 'int64')] },
	{ op: 'GatherElements', attributes: { axis: 1 }, inputs: [f([2, 3]), v('int64', [0, -1, 2, 1], [2, 2])] },
	{ op: 'GatherND', inputs: [x, v('int64', [0, 1, 1, -1], [2, 2])] },
	{ op: 'GatherND', attributes: { batch_dims: 1 }, inputs: [x, v('int64', [2, 0], [2, 1])] },
	{ op: 'ScatterElements', attributes: { axis: 1 }, inputs: [f([2, 3]), v('int64', [0, -1, 2, 1], [2, 2]), f([2, 2])] },
	...['add', 'mul', 'max', 'min'].map(
		(reduction): OnnxCase => ({
			op: 'ScatterElements',
			attributes: { axis: 1, reduction },
			inputs: [f([2, 3]), v('int64', [0, 0, 2, 2], [2, 2]), f([2, 2])],
		}),
	),
	{ op: 'ScatterElements', inputs: [v('int64', [1, 2, 3]), v('int64', [1]), v('int64', [9])] },
	{ op: 'Scatter', version: 10, attributes: { axis: 1 }, inputs: [f([2, 3]), v('int64', [0, 1, 2, 1], [2, 2]), f([2, 2])] },
	{ op: 'ScatterND', inputs: [x, v('int64', [0, 1, 1, -1], [2, 2]), f([2, 4])] },
	{ op: 'ScatterND', attributes: { reduction: 'add' }, inputs: [x, v('int64', [0, 1, 0, 1], [2, 2]), f([2, 4])] },
	{ op: 'OneHot', inputs: [v('int64', [1, -1, 7]), scalar(4, 'int64'), v('float32', [0.5, 2])] },
	{ op: 'OneHot', attributes: { axis: 0 }, inputs: [v('int64', [1, 2, 0, 1], [2, 2]), scalar(3, 'int64'), v('int64', [0, 1])] },
	{ op: 'NonZero', waits: true, inputs: [v('float32', [0, 1, 2, 0, 0, 3], [2, 3])] },
	{ op: 'Compress', attributes: { axis: 1 }, inputs: [x, fixed(v('bool', [1, 0, 1]))] },
	{ op: 'Compress', waits: true, inputs: [x, v('bool', [1, 0, 1, 1])] },
	{ op: 'Unique', waits: true, inputs: [v('float32', [2, 1, 1, 3, 2])], outputs: 4 },
	{
		op: 'Unique',
		waits: true,
		attributes: { axis: 0, sorted: 0 },
		inputs: [v('float32', [2, 1, 0, 0, 2, 1], [3, 2])],
		outputs: 4,
	},
	{ op: 'Constant', attributes: { value: { t: v('float32', [1, 2], [2, 1]) } }, inputs: [] },
	{ op: 'Constant', attributes: { value_ints: [3, -4] }, inputs: [] },
	{ op: 'Constant', attributes: { value_float: { f: 0.25 } }, inputs: [] },
	{ op: 'ConstantOfShape', attributes: { value: { t: v('int64', [7]) } }, inputs: [ints(2, 3)] },
	{ op: 'ConstantOfShape', inputs: [ints(2)] },
	{ op: 'Range', inputs: [scalar(1, 'int64'), scalar(10, 'int64'), scalar(3, 'int64')] },
	{ op: 'Range', inputs: [scalar(1), scalar(-1), scalar(-0.25)] },
	{ op: 'EyeLike', attributes: { k: 1, dtype: 1 }, inputs: [v('int32', [1, 2, 3, 4, 5, 6], [2, 3])] },
	{ op: 'EyeLike', inputs: [f([3, 3])] },
];

export const CASES: readonly OnnxCase[] = [...UNARY, ...BINARY, ...REDUCTIONS, ...PRODUCTS, ...LAYOUT, ...INDICES];
