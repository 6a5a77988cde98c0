/** Quantised numbers: real = (stored - zero point) * scale. Products of integers are exact. */
import type { DType } from '../../../core/dtype';
import { numel } from '../../../core/shape';
import * as ops from '../../../ops/elementwise';
import { cat, narrow, repeat, reshape } from '../../../ops/layout';
import { matmul } from '../../../ops/matmul';
import { amax, amin, mean } from '../../../ops/reduce';
import type { Tensor } from '../../../tensor';
import { DATA_TYPE } from '../messages';
import { axisOf, type Call, input, optional, type Result, type Table, unsupported } from '../operator';
import { typeName } from '../tensors';
import { convolved } from './convolution';

/** A scale or zero point of one axis, or of blocks of it, in a shape that broadcasts to x. */
function along(call: Call, x: Tensor, factor: Tensor): Tensor {
	if (factor.size === 1) return reshape(factor, []);
	const { attributes } = call;
	const dim = axisOf(call, attributes.int('axis', 1), x.ndim);
	if (factor.ndim === 1) return reshape(factor, [factor.size, ...new Array<number>(x.ndim - 1 - dim).fill(1)]);
	const block = attributes.int('block_size', 0) || Math.ceil(x.shape[dim]! / factor.shape[dim]!);
	const spread = [...factor.shape.slice(0, dim + 1), 1, ...factor.shape.slice(dim + 1)];
	const repeats = spread.map((_, d) => (d === dim + 1 ? block : 1));
	const whole = reshape(repeat(reshape(factor, spread), repeats), factor.shape.with(dim, factor.shape[dim]! * block));
	return narrow(whole, dim, 0, x.shape[dim]!);
}

/** What may be stored, by the file's type: types of 16 bits are int32 here, and those of 4 bits take bytes. */
const RANGES: Readonly<Record<number, readonly [min: number, max: number]>> = {
	[DATA_TYPE.uint4]: [0, 15],
	[DATA_TYPE.int4]: [-8, 7],
	[DATA_TYPE.uint8]: [0, 255],
	[DATA_TYPE.int8]: [-128, 127],
	[DATA_TYPE.uint16]: [0, 65535],
	[DATA_TYPE.int16]: [-32768, 32767],
};

/** The file's type of a zero point whose type the file does not say. */
const LIKELY: Partial<Record<DType, number>> = { uint8: DATA_TYPE.uint8, int8: DATA_TYPE.int8, int32: DATA_TYPE.int16 };

/** The file's type of the zero point at `index`; uint8 without one. */
function storedType(call: Call, index: number): number {
	const zero = optional(call, index);
	if (zero === null) return DATA_TYPE.uint8;
	return call.types[index] ?? LIKELY[zero.dtype] ?? unsupported(call, `quantising to ${zero.dtype}`);
}

function quantized(x: Tensor, scale: Tensor, zero: Tensor | null, type: number, call: Call): Tensor {
	const limits = RANGES[type];
	if (limits === undefined) return unsupported(call, `quantising to ${typeName(type)}`);
	const steps = ops.round(ops.div(x, scale));
	const shifted = zero === null ? steps : ops.add(steps, ops.to(zero, x.dtype));
	return ops.to(ops.clamp(shifted, { min: limits[0], max: limits[1] }), call.dtypeOf(type));
}

function dequantized(x: Tensor, scale: Tensor, zero: Tensor | null): Tensor {
	const whole = zero === null ? x : ops.sub(ops.to(x, 'int32'), ops.to(zero, 'int32'));
	return ops.mul(ops.to(whole, scale.dtype), scale);
}

function quantizeLinear(call: Call): Tensor {
	const x = input(call, 0);
	const zero = optional(call, 2);
	const given = call.attributes.int('output_dtype', 0);
	const type = zero === null && given !== 0 ? given : storedType(call, 2);
	return quantized(x, along(call, x, input(call, 1)), zero && along(call, x, zero), type, call);
}

function dequantizeLinear(call: Call): Tensor {
	const x = input(call, 0);
	const zero = optional(call, 2);
	return dequantized(x, along(call, x, input(call, 1)), zero && along(call, x, zero));
}

/** Bytes that cover the range of x, which 0 is part of. */
function dynamically(x: Tensor, call: Call): { y: Tensor; scale: Tensor; zero: Tensor } {
	const [least, most] = [ops.minimum(amin(x), 0), ops.maximum(amax(x), 0)];
	const scale = ops.div(ops.sub(most, least), 255);
	const offset = ops.where(ops.eq(scale, 0), 0, ops.div(ops.neg(least), scale));
	const zero = ops.to(ops.clamp(ops.round(offset), { min: 0, max: 255 }), 'uint8');
	const safe = ops.where(ops.eq(scale, 0), 1, scale);
	return { y: quantized(x, safe, zero, DATA_TYPE.uint8, call), scale, zero };
}

/** The most terms of a sum of products of 8 and 4 bits that float32 holds exactly. */
const EXACT_TERMS = 4096;

/** A product of integers of 9 bits and a sign, exact in int32: one side goes in halves of 4 bits, and the inner dim in parts. */
function exact(a: Tensor, b: Tensor, terms: number, multiply: (a: Tensor, b: Tensor) => Tensor): Tensor {
	const right = ops.to(b, 'float32');
	const part = (x: Tensor) => ops.to(multiply(ops.to(x, 'float32'), right), 'int32');
	if (terms <= 128) return part(a);
	const high = ops.div(a, 16, { roundingMode: 'floor' });
	const low = ops.sub(a, ops.mul(high, 16));
	return ops.add(ops.mul(part(high), 16), part(low));
}

function integerProduct(a: Tensor, b: Tensor): Tensor {
	const inner = a.shape.at(-1)!;
	const sums: Tensor[] = [];
	for (let start = 0; start < inner || start === 0; start += EXACT_TERMS) {
		const count = Math.min(EXACT_TERMS, inner - start);
		const right = narrow(b, Math.max(0, b.ndim - 2), start, count);
		sums.push(exact(narrow(a, a.ndim - 1, start, count), right, count, matmul));
	}
	return sums.reduce((x, y) => ops.add(x, y));
}

function centred(x: Tensor, zero: Tensor | null): Tensor {
	const wide = ops.to(x, 'int32');
	return zero === null ? wide : ops.sub(wide, ops.to(zero, 'int32'));
}

/** The zero point of each row of a, which is a vector, as a column. */
function ofRows(zero: Tensor | null): Tensor | null {
	return zero !== null && zero.ndim === 1 && zero.size > 1 ? reshape(zero, [zero.size, 1]) : zero;
}

function matMulInteger(call: Call): Tensor {
	return integerProduct(centred(input(call, 0), ofRows(optional(call, 2))), centred(input(call, 1), optional(call, 3)));
}

function convInteger(call: Call): Tensor {
	const weight = input(call, 1);
	const zero = optional(call, 3);
	const perOutput =
		zero !== null && zero.size > 1 ? reshape(zero, [zero.size, ...new Array<number>(weight.ndim - 1).fill(1)]) : zero;
	const terms = numel(weight.shape.slice(1));
	if (terms > EXACT_TERMS) unsupported(call, `a window of ${terms} elements`);
	return exact(centred(input(call, 0), optional(call, 2)), centred(weight, perOutput), terms, (x, w) =>
		convolved(call, x, w, null),
	);
}

/** The number at `index`, dequantised by the scale and the zero point that follow it. */
function realAt(call: Call, index: number, channel: boolean | null = null): Tensor {
	const x = input(call, index);
	const shaped = (factor: Tensor | null) => {
		if (factor === null || factor.size === 1) return factor && reshape(factor, []);
		return channel === true ? reshape(factor, [factor.size, ...new Array<number>(x.ndim - 1).fill(1)]) : factor;
	};
	return dequantized(x, shaped(input(call, index + 1))!, shaped(optional(call, index + 2)));
}

/** `y` in the quantisation whose scale and zero point are the inputs at `index` and behind it. */
function stored(call: Call, y: Tensor, index: number): Tensor {
	const zero = optional(call, index + 1);
	return quantized(y, reshape(input(call, index), []), zero && reshape(zero, []), storedType(call, index + 1), call);
}

function qLinearConv(call: Call): Tensor {
	const bias = optional(call, 8);
	const scale = bias && ops.mul(reshape(input(call, 1), []), input(call, 4));
	const real = bias && ops.mul(ops.to(bias, 'float32'), scale!);
	return stored(call, convolved(call, realAt(call, 0), realAt(call, 3, true), real), 6);
}

export const QUANTIZED: Table = {
	QuantizeLinear: { run: quantizeLinear },
	DequantizeLinear: { run: dequantizeLinear },
	DynamicQuantizeLinear: {
		run: (call): Result => {
			const { y, scale, zero } = dynamically(input(call, 0), call);
			return [y, scale, zero];
		},
	},
	MatMulInteger: { run: matMulInteger },
	ConvInteger: { run: convInteger },
	QLinearMatMul: { run: (call) => stored(call, matmul(realAt(call, 0), realAt(call, 3)), 6) },
	QLinearConv: { run: qLinearConv },
};

/** Of com.microsoft. */
export const MICROSOFT_QUANTIZED: Table = {
	QuantizeLinear: QUANTIZED.QuantizeLinear!,
	DequantizeLinear: QUANTIZED.DequantizeLinear!,
	QLinearAdd: { run: (call) => stored(call, ops.add(realAt(call, 0), realAt(call, 3)), 6) },
	QLinearMul: { run: (call) => stored(call, ops.mul(realAt(call, 0), realAt(call, 3)), 6) },
	QLinearSigmoid: { run: (call) => stored(call, ops.sigmoid(realAt(call, 0)), 3) },
	QLinearLeakyRelu: {
		run: (call) => stored(call, ops.leakyRelu(realAt(call, 0), { negativeSlope: call.attributes.float('alpha', 0.01) }), 3),
	},
	QLinearGlobalAveragePool: {
		run: (call) => {
			if (call.attributes.flag('channels_last')) unsupported(call, 'channels_last');
			const x = realAt(call, 0);
			return stored(call, mean(x, x.shape.map((_, dim) => dim).slice(2), { keepdim: true }), 3);
		},
	},
	QLinearConcat: {
		run: (call) => {
			const parts = Array.from({ length: Math.floor((call.inputs.length - 2) / 3) }, (_, i) => realAt(call, 2 + 3 * i));
			return stored(call, cat(parts, call.attributes.int('axis')), 0);
		},
	},
	MatMulIntegerToFloat: {
		run: (call) => {
			const y = integerProduct(centred(input(call, 0), ofRows(optional(call, 4))), centred(input(call, 1), optional(call, 5)));
			const scaled = ops.mul(ops.mul(ops.to(y, 'float32'), input(call, 2)), input(call, 3));
			const bias = optional(call, 6);
			return bias === null ? scaled : ops.add(scaled, bias);
		},
	},
	DynamicQuantizeMatMul: {
		run: (call) => {
			const a = dynamically(input(call, 0), call);
			const y = integerProduct(centred(a.y, a.zero), centred(input(call, 1), optional(call, 3)));
			const scaled = ops.mul(ops.mul(ops.to(y, 'float32'), a.scale), input(call, 2));
			const bias = optional(call, 4);
			return bias === null ? scaled : ops.add(scaled, bias);
		},
	},
};
