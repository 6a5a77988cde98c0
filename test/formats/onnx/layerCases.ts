/** Cases of operators: layers, images, recurrence, quantisation, signals, losses and fused operators. */
import { f, fixed, ints, n, type OnnxCase, scalar, v } from './model';

const w = (...shape: number[]) => fixed(f(shape, -1, 1));

const CONVOLUTIONS: OnnxCase[] = [
	{ op: 'Conv', inputs: [f([2, 3, 8, 9]), w(4, 3, 3, 3), w(4)] },
	{
		op: 'Conv',
		attributes: { pads: [1, 0, 2, 1], strides: [2, 1], dilations: [1, 2] },
		inputs: [f([1, 2, 8, 9]), w(4, 2, 3, 3)],
	},
	{ op: 'Conv', attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] }, inputs: [f([1, 2, 7, 8]), w(4, 2, 3, 2)] },
	{ op: 'Conv', attributes: { auto_pad: 'SAME_LOWER', strides: [2, 2] }, inputs: [f([1, 2, 7, 8]), w(4, 2, 3, 2)] },
	{ op: 'Conv', attributes: { auto_pad: 'VALID', group: 2 }, inputs: [f([1, 4, 7, 8]), w(4, 2, 3, 2)] },
	{ op: 'Conv', attributes: { pads: [1, 2] }, inputs: [f([1, 2, 9]), w(3, 2, 3)] },
	{ op: 'Conv', inputs: [f([1, 2, 4, 5, 4]), w(3, 2, 2, 2, 2)] },
	{ op: 'ConvTranspose', attributes: { strides: [2, 2] }, inputs: [f([1, 3, 4, 5]), w(3, 2, 3, 3), w(2)] },
	{
		op: 'ConvTranspose',
		attributes: { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1], group: 2 },
		inputs: [f([1, 4, 4, 5]), w(4, 2, 3, 3)],
	},
	{
		op: 'ConvTranspose',
		attributes: { strides: [2, 3], pads: [0, 1, 1, 2], dilations: [2, 1] },
		inputs: [f([1, 2, 4, 5]), w(2, 2, 3, 3), w(2)],
	},
	{ op: 'ConvTranspose', attributes: { strides: [3, 2], output_shape: [10, 8] }, inputs: [f([1, 1, 3, 3]), w(1, 2, 3, 3)] },
	{ op: 'ConvTranspose', attributes: { strides: [2], auto_pad: 'SAME_UPPER' }, inputs: [f([1, 1, 5]), w(1, 2, 3)] },
];

const plane = f([1, 2, 7, 8]);

const POOLS: OnnxCase[] = [
	{ op: 'MaxPool', attributes: { kernel_shape: [2, 3] }, inputs: [plane], outputs: 2 },
	{
		op: 'MaxPool',
		attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
		inputs: [f([2, 2, 7, 8])],
		outputs: 2,
	},
	{ op: 'MaxPool', attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 1, 2, 1], ceil_mode: 1 }, inputs: [plane] },
	{
		op: 'MaxPool',
		attributes: { kernel_shape: [3, 3], strides: [3, 3], pads: [2, 0, 0, 1], storage_order: 1 },
		inputs: [plane],
		outputs: 2,
	},
	{ op: 'MaxPool', attributes: { kernel_shape: [2, 2], dilations: [2, 3], strides: [2, 1] }, inputs: [plane] },
	{ op: 'MaxPool', attributes: { kernel_shape: [3, 2], auto_pad: 'SAME_UPPER', strides: [2, 2] }, inputs: [plane] },
	{ op: 'MaxPool', attributes: { kernel_shape: [3], strides: [2] }, inputs: [f([1, 2, 9])] },
	{ op: 'MaxPool', attributes: { kernel_shape: [2, 2] }, inputs: [n('int8', [1, 1, 4, 4], -9, 9)] },
	{ op: 'AveragePool', attributes: { kernel_shape: [2, 3], strides: [2, 1] }, inputs: [plane] },
	{ op: 'AveragePool', attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }, inputs: [plane] },
	{ op: 'AveragePool', attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }, inputs: [plane] },
	{ op: 'AveragePool', attributes: { kernel_shape: [3, 3], pads: [0, 2, 1, 0], strides: [2, 2], ceil_mode: 1 }, inputs: [plane] },
	{ op: 'AveragePool', attributes: { kernel_shape: [3, 3], pads: [0, 1, 1, 0], count_include_pad: 1 }, inputs: [plane] },
	{ op: 'AveragePool', attributes: { kernel_shape: [2, 2], dilations: [2, 2], pads: [1, 1, 1, 1] }, inputs: [plane] },
	{ op: 'AveragePool', attributes: { kernel_shape: [3, 3], auto_pad: 'SAME_LOWER', strides: [2, 2] }, inputs: [plane] },
	{ op: 'LpPool', attributes: { kernel_shape: [2, 2], p: 3 }, inputs: [plane] },
	{ op: 'LpPool', attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] }, inputs: [plane] },
	...['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'].map((op): OnnxCase => ({ op, inputs: [plane] })),
	{
		op: 'MaxUnpool',
		attributes: { kernel_shape: [2, 2], strides: [2, 2] },
		inputs: [f([1, 1, 2, 2]), v('int64', [5, 7, 13, 15], [1, 1, 2, 2])],
	},
	{
		op: 'MaxUnpool',
		attributes: { kernel_shape: [2, 2], strides: [2, 2] },
		inputs: [f([1, 1, 2, 2]), v('int64', [5, 7, 13, 15], [1, 1, 2, 2]), ints(1, 1, 5, 5)],
	},
];

const vector = (...shape: number[]) => fixed(f(shape, 0.5, 2));

const NORMS: OnnxCase[] = [
	{ op: 'BatchNormalization', inputs: [f([2, 3, 4]), w(3), w(3), w(3), vector(3)] },
	{ op: 'BatchNormalization', version: 9, attributes: { epsilon: { f: 0.1 } }, inputs: [f([2, 3]), w(3), w(3), w(3), vector(3)] },
	{ op: 'InstanceNormalization', inputs: [f([2, 3, 4, 5]), w(3), w(3)] },
	{ op: 'LayerNormalization', inputs: [f([2, 3, 4]), w(4), w(4)] },
	{ op: 'LayerNormalization', attributes: { axis: 1, epsilon: { f: 0.01 } }, inputs: [f([2, 3, 4]), w(3, 4)] },
	{ op: 'LayerNormalization', inputs: [f([2, 3, 4]), w(4), w(4)], outputs: 3 },
	{ op: 'SimplifiedLayerNormalization', attributes: { axis: -1 }, version: 17, inputs: [f([2, 3, 4]), w(4)] },
	{ op: 'RMSNormalization', version: 23, inputs: [f([2, 3, 4]), w(4)] },
	{ op: 'GroupNormalization', attributes: { num_groups: 2 }, inputs: [f([2, 4, 3]), w(4), w(4)] },
	{ op: 'GroupNormalization', version: 18, attributes: { num_groups: 2 }, inputs: [f([2, 4, 3]), w(2), w(2)] },
	{ op: 'LpNormalization', inputs: [f([3, 4])] },
	{ op: 'LpNormalization', attributes: { axis: 0, p: 1 }, inputs: [f([3, 4])] },
	{ op: 'LRN', attributes: { size: 3, alpha: { f: 0.3 } }, inputs: [f([1, 5, 2, 2])] },
	{ op: 'MeanVarianceNormalization', inputs: [f([2, 3, 4, 4])] },
];

const RESIZES: OnnxCase[] = [
	...['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric', 'half_pixel_symmetric'].flatMap(
		(coordinate_transformation_mode) =>
			['nearest', 'linear', 'cubic'].map(
				(mode): OnnxCase => ({
					op: 'Resize',
					attributes: { mode, coordinate_transformation_mode },
					inputs: [f([1, 2, 4, 5]), null, fixed(v('float32', [1, 1, 1.5, 2.2]))],
				}),
			),
	),
	...['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'].map(
		(nearest_mode): OnnxCase => ({
			op: 'Resize',
			attributes: { mode: 'nearest', nearest_mode },
			inputs: [f([1, 1, 4, 6]), null, null, ints(1, 1, 3, 9)],
		}),
	),
	{
		op: 'Resize',
		attributes: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
		inputs: [f([1, 1, 3, 3]), null, fixed(v('float32', [1, 1, 2, 2]))],
	},
	{
		op: 'Resize',
		attributes: { mode: 'cubic', exclude_outside: 1, cubic_coeff_a: { f: -0.5 } },
		inputs: [f([1, 1, 4, 4]), null, fixed(v('float32', [1, 1, 1.7, 0.8]))],
	},
	{
		op: 'Resize',
		attributes: { mode: 'linear', antialias: 1 },
		inputs: [f([1, 1, 8, 9]), null, fixed(v('float32', [1, 1, 0.5, 0.4]))],
	},
	{
		op: 'Resize',
		attributes: { mode: 'cubic', antialias: 1 },
		inputs: [f([1, 1, 8, 9]), null, fixed(v('float32', [1, 1, 0.5, 0.4]))],
	},
	{
		op: 'Resize',
		attributes: { mode: 'linear', axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' },
		inputs: [f([1, 1, 4, 6]), null, null, ints(7, 8)],
	},
	{
		op: 'Resize',
		attributes: { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: { f: 9 } },
		inputs: [f([1, 1, 4, 5]), fixed(v('float32', [0, 0, 0.2, -0.1, 1, 1, 0.9, 1.2])), null, ints(1, 1, 3, 4)],
	},
	{ op: 'Resize', version: 10, attributes: { mode: 'linear' }, inputs: [f([1, 1, 4, 5]), fixed(v('float32', [1, 1, 2, 1.5]))] },
	{ op: 'Upsample', version: 9, attributes: { mode: 'nearest' }, inputs: [f([1, 2, 3, 3]), fixed(v('float32', [1, 1, 2, 3]))] },
	{ op: 'Upsample', version: 7, attributes: { mode: 'linear', scales: { floats: [1, 1, 2, 2] } }, inputs: [f([1, 2, 3, 3])] },
];

function recurrent(op: string, attributes: OnnxCase['attributes'], more: OnnxCase['inputs'] = [], directions = 1): OnnxCase {
	const gates = { LSTM: 4, GRU: 3, RNN: 1 }[op]!;
	const inputs = [f([5, 2, 3]), w(directions, gates * 4, 3), w(directions, gates * 4, 4), w(directions, 2 * gates * 4), ...more];
	return { op, attributes: { hidden_size: 4, ...attributes }, inputs, outputs: op === 'LSTM' ? 3 : 2 };
}

const lengths = fixed(v('int32', [5, 3]));

const RECURRENT: OnnxCase[] = [
	...['LSTM', 'RNN'].flatMap((op) => [
		recurrent(op, {}),
		recurrent(op, { direction: 'reverse' }, [lengths]),
		recurrent(
			op,
			{ direction: 'bidirectional' },
			[v('int32', [2, 5]), f([2, 2, 4]), ...(op === 'LSTM' ? [f([2, 2, 4])] : [])],
			2,
		),
	]),
	recurrent('GRU', { linear_before_reset: 1 }),
	recurrent('GRU', {}, [lengths]),
	recurrent('GRU', { linear_before_reset: 1, direction: 'bidirectional' }, [lengths, f([2, 2, 4])], 2),
	recurrent('GRU', { activations: { texts: ['HardSigmoid', 'Relu'] }, direction: 'reverse' }),
	recurrent('RNN', { activations: { texts: ['Relu'] } }),
	recurrent('LSTM', { clip: { f: 0.5 } }),
	recurrent('LSTM', { input_forget: 1 }),
	recurrent('LSTM', {}, [null, null, null, w(1, 12)]),
	recurrent('RNN', { activations: { texts: ['LeakyRelu'] }, activation_alpha: { floats: [0.2] } }),
];

const zero = (value: number, type: 'uint8' | 'int8' = 'uint8') => scalar(value, type);

const QUANTIZED: OnnxCase[] = [
	{ op: 'QuantizeLinear', inputs: [f([2, 3], -4, 4), scalar(0.03), zero(120)] },
	{ op: 'QuantizeLinear', inputs: [f([2, 3], -4, 4), fixed(v('float32', [0.03, 0.1, 0.02])), fixed(v('int8', [0, 3, -5]))] },
	{ op: 'QuantizeLinear', attributes: { axis: 0 }, inputs: [f([2, 3]), fixed(v('float32', [0.03, 0.1]))] },
	{ op: 'QuantizeLinear', inputs: [v('float32', [-4, 0.5, 7, 9000]), scalar(0.2), scalar(40000, 'uint16')] },
	{ op: 'QuantizeLinear', inputs: [v('float32', [-9000, 0.5, 7, 9000]), scalar(0.2), v('int16', [-3], [])] },
	{ op: 'QuantizeLinear', attributes: { output_dtype: 4 }, inputs: [v('float32', [-4, 0.5, 9000]), scalar(0.1)] },
	{ op: 'DequantizeLinear', inputs: [v('uint16', [0, 300, 65535]), scalar(0.03), scalar(40000, 'uint16')] },
	{ op: 'DequantizeLinear', inputs: [v('int16', [-32768, 300, 32767]), scalar(0.03), scalar(-3, 'int16')] },
	{ op: 'DequantizeLinear', inputs: [n('uint8', [2, 3], 0, 255), scalar(0.03), zero(120)] },
	{
		op: 'DequantizeLinear',
		attributes: { axis: 0 },
		inputs: [n('int8', [2, 3], -99, 99), fixed(v('float32', [0.03, 0.1])), fixed(v('int8', [1, -2]))],
	},
	{
		op: 'DequantizeLinear',
		attributes: { axis: 1, block_size: 2 },
		inputs: [n('int8', [2, 4], -99, 99), fixed(v('float32', [0.1, 0.2, 0.3, 0.4], [2, 2]))],
	},
	{ op: 'DequantizeLinear', inputs: [v('int32', [5, -7]), scalar(0.5)] },
	{ op: 'DynamicQuantizeLinear', inputs: [f([3, 4], -1, 3)], outputs: 3 },
	{ op: 'MatMulInteger', inputs: [n('uint8', [3, 200], 0, 255), n('uint8', [200, 2], 0, 255), zero(7), zero(200)] },
	{
		op: 'ConvInteger',
		attributes: { pads: [1, 1, 1, 1] },
		inputs: [n('uint8', [1, 2, 5, 5], 0, 255), n('uint8', [3, 2, 3, 3], 0, 255), zero(9)],
	},
	{
		op: 'QLinearMatMul',
		inputs: [
			n('uint8', [3, 4], 0, 255),
			scalar(0.02),
			zero(120),
			n('uint8', [4, 2], 0, 255),
			scalar(0.01),
			zero(100),
			scalar(0.1),
			zero(128),
		],
	},
	{
		op: 'QLinearConv',
		inputs: [
			n('uint8', [1, 2, 5, 5], 0, 255),
			scalar(0.02),
			zero(120),
			n('int8', [3, 2, 3, 3], -99, 99),
			fixed(v('float32', [0.01, 0.02, 0.03])),
			fixed(v('int8', [0, 0, 0])),
			scalar(0.2),
			zero(128),
			fixed(v('int32', [100, -50, 0])),
		],
	},
];

const micro = (
	op: string,
	inputs: OnnxCase['inputs'],
	attributes: OnnxCase['attributes'] = {},
	outputs: OnnxCase['outputs'] = 1,
): OnnxCase => ({ op, domain: 'com.microsoft', version: 17, inputs, attributes, outputs });

const MICROSOFT: OnnxCase[] = [
	micro('QuantizeLinear', [v('float32', [-4, 0.5, 7, 9000]), scalar(0.2), scalar(40000, 'uint16')]),
	micro('DequantizeLinear', [v('uint16', [0, 300, 65535]), scalar(0.03), scalar(40000, 'uint16')]),
	micro('Gelu', [f([3, 4])]),
	micro('FastGelu', [f([3, 4]), w(4)]),
	micro('BiasGelu', [f([3, 4]), w(4)]),
	micro('QuickGelu', [f([3, 4])]),
	micro('FusedMatMul', [f([2, 4, 3]), f([2, 5, 4])], { transA: 1, transB: 1, alpha: { f: 0.5 } }),
	micro('FusedGemm', [f([3, 4]), f([4, 5]), f([5])], { activation: 'Relu' }),
	micro('FusedConv', [f([1, 2, 5, 5]), w(3, 2, 3, 3), w(3)], { activation: 'Relu' }),
	micro('SkipLayerNormalization', [f([2, 3, 4]), f([2, 3, 4]), w(4), w(4), w(4)], { epsilon: { f: 1e-5 } }, [
		true,
		false,
		false,
		true,
	]),
	micro('SkipSimplifiedLayerNormalization', [f([2, 3, 4]), f([2, 3, 4]), w(4)], { epsilon: { f: 1e-5 } }),
	micro(
		'EmbedLayerNormalization',
		[v('int32', [1, 2, 3, 0], [2, 2]), v('int32', [0, 1, 1, 0], [2, 2]), w(5, 4), w(6, 4), w(2, 4), w(4), w(4)],
		{ epsilon: { f: 1e-5 } },
		2,
	),
	micro('Attention', [f([2, 3, 4]), w(4, 12), w(12), v('int32', [1, 1, 0, 1, 1, 1], [2, 3])], { num_heads: 2 }),
	micro('MultiHeadAttention', [f([2, 3, 4]), f([2, 5, 4]), f([2, 5, 4]), w(12)], { num_heads: 2 }),
	micro('RotaryEmbedding', [f([2, 2, 3, 4]), ints(0), fixed(f([8, 2])), fixed(f([8, 2]))]),
	micro('QLinearAdd', [
		n('uint8', [6], 0, 255),
		scalar(0.02),
		zero(120),
		n('uint8', [6], 0, 255),
		scalar(0.03),
		zero(100),
		scalar(0.05),
		zero(128),
	]),
	micro('QLinearMul', [
		n('uint8', [6], 0, 255),
		scalar(0.02),
		zero(120),
		n('uint8', [6], 0, 255),
		scalar(0.03),
		zero(100),
		scalar(0.05),
		zero(128),
	]),
	micro('QLinearSigmoid', [n('uint8', [6], 0, 255), scalar(0.02), zero(120), scalar(0.004), zero(0)]),
	micro('QLinearLeakyRelu', [n('uint8', [6], 0, 255), scalar(0.02), zero(120), scalar(0.03), zero(50)], { alpha: { f: 0.1 } }),
	micro('QLinearGlobalAveragePool', [n('uint8', [1, 2, 4, 4], 0, 255), scalar(0.02), zero(120), scalar(0.02), zero(120)]),
	micro(
		'QLinearConcat',
		[
			scalar(0.03),
			zero(100),
			n('uint8', [2, 3], 0, 255),
			scalar(0.02),
			zero(120),
			n('uint8', [2, 2], 0, 255),
			scalar(0.04),
			zero(90),
		],
		{ axis: 1 },
	),
	micro('MatMulIntegerToFloat', [
		n('uint8', [3, 4], 0, 255),
		n('uint8', [4, 2], 0, 255),
		scalar(0.1),
		scalar(0.2),
		zero(120),
		zero(100),
	]),
	micro('DynamicQuantizeMatMul', [f([3, 4]), fixed(n('uint8', [4, 2], 0, 255)), scalar(0.1), zero(100)]),
];

const OTHERS: OnnxCase[] = [
	...['bilinear', 'nearest', 'bicubic'].flatMap((mode) =>
		['zeros', 'border', 'reflection'].map(
			(padding_mode): OnnxCase => ({
				op: 'GridSample',
				version: 16,
				attributes: { mode, padding_mode, align_corners: Number(mode === 'bilinear') },
				inputs: [f([1, 2, 4, 5]), f([1, 3, 3, 2], -1.4, 1.4)],
			}),
		),
	),
	{ op: 'AffineGrid', attributes: { align_corners: 1 }, inputs: [f([2, 2, 3]), ints(2, 3, 4, 5)] },
	{
		op: 'NonMaxSuppression',
		waits: true,
		inputs: [
			v('float32', [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 5, 1, 6, 0, 5.05, 1, 6.05], [1, 4, 4]),
			v('float32', [0.9, 0.75, 0.6, 0.95], [1, 1, 4]),
			ints(3),
			fixed(v('float32', [0.5])),
			fixed(v('float32', [0.1])),
		],
	},
	{ op: 'DFT', version: 17, attributes: { axis: 1 }, inputs: [f([1, 8, 1])] },
	{ op: 'DFT', version: 17, attributes: { axis: 1, onesided: 1 }, inputs: [f([2, 7, 1])] },
	{ op: 'DFT', attributes: { inverse: 1 }, inputs: [f([1, 6, 2]), null, scalar(1, 'int64')] },
	{ op: 'DFT', inputs: [f([1, 6, 2]), scalar(8, 'int64'), scalar(1, 'int64')] },
	{ op: 'STFT', version: 17, inputs: [f([2, 16, 1]), scalar(4, 'int64'), fixed(f([8])), scalar(8, 'int64')] },
	...['HannWindow', 'HammingWindow', 'BlackmanWindow'].flatMap((op): OnnxCase[] => [
		{ op, inputs: [scalar(8, 'int64')] },
		{ op, attributes: { periodic: 0 }, inputs: [scalar(7, 'int64')] },
	]),
	...['mean', 'sum', 'none'].flatMap((reduction): OnnxCase[] => [
		{
			op: 'NegativeLogLikelihoodLoss',
			attributes: { reduction, ignore_index: 1 },
			inputs: [f([4, 3]), v('int64', [0, 2, 1, 2]), w(3)],
		},
		{
			op: 'SoftmaxCrossEntropyLoss',
			attributes: { reduction },
			inputs: [f([4, 3, 2]), v('int64', [0, 2, 1, 2, 0, 1, 1, 2], [4, 2])],
			outputs: 2,
		},
	]),
	{ op: 'Dropout', version: 11, inputs: [f([3, 4])] },
	{ op: 'Dropout', inputs: [f([3, 4])], outputs: 2 },
	{ op: 'RandomNormal', attributes: { shape: [2, 3] }, inputs: [], random: true },
	{ op: 'RandomUniform', attributes: { shape: [2, 3], high: { f: 4 } }, inputs: [], random: true },
	{ op: 'RandomNormalLike', inputs: [f([2, 3])], random: true },
	{ op: 'RandomUniformLike', inputs: [f([2, 3])], random: true },
	{ op: 'Bernoulli', inputs: [f([2, 3], 0, 1)], random: true },
	{ op: 'Multinomial', attributes: { sample_size: 4 }, inputs: [f([2, 3])], random: true },
	{ op: 'Attention', version: 23, inputs: [f([2, 2, 3, 4]), f([2, 2, 5, 4]), f([2, 2, 5, 4])] },
	{
		op: 'Attention',
		version: 23,
		attributes: { q_num_heads: 4, kv_num_heads: 2, is_causal: 1 },
		inputs: [f([2, 3, 16]), f([2, 3, 8]), f([2, 3, 8])],
	},
	{
		op: 'RotaryEmbedding',
		version: 23,
		inputs: [f([2, 2, 3, 4]), fixed(f([8, 2])), fixed(f([8, 2])), v('int64', [0, 1, 2, 1, 2, 3], [2, 3])],
	},
];

export const LAYER_CASES: readonly OnnxCase[] = [
	...CONVOLUTIONS,
	...POOLS,
	...NORMS,
	...RESIZES,
	...RECURRENT,
	...QUANTIZED,
	...OTHERS,
	...MICROSOFT,
];
