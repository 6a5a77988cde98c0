/** Constants, ranges, random numbers and windows. */
import { type DType, isFloating } from '../../../core/dtype';
import { FormatError } from '../../../core/errors';
import { arange, eye, full, tensor } from '../../../ops/creation';
import { multinomial } from '../../../ops/draws';
import * as ops from '../../../ops/elementwise';
import { reshape } from '../../../ops/layout';
import { bernoulli, dropout, rand, randn } from '../../../ops/random';
import { blackmanWindow, hannWindow } from '../../../ops/windowFunctions';
import type { Tensor } from '../../../tensor';
import {
	type Call,
	Host,
	hostInts,
	input,
	number,
	numbers,
	type Operator,
	type Result,
	requireModest,
	type Table,
} from '../operator';

function constant(call: Call): Result {
	const { attributes } = call;
	const value = call.constant('value');
	if (value !== null) return value;
	const floats = attributes.has('value_float') ? [attributes.float('value_float')] : attributes.floats('value_floats');
	if (floats !== null)
		return new Host(
			tensor(Float32Array.from(floats), { shape: attributes.has('value_float') ? [] : [floats.length], device: 'cpu' }),
		);
	const ints = attributes.has('value_int') ? [attributes.int('value_int')] : attributes.ints('value_ints');
	if (ints !== null) return hostInts(ints, attributes.has('value_int') ? [] : [ints.length]);
	throw new FormatError(`${attributes.node} holds neither a tensor nor numbers`);
}

function constantOfShape(call: Call): Tensor {
	const { device } = call;
	const value = call.constant('value');
	const shape = requireModest(call, numbers(call, 0));
	if (value === null) return full(shape, 0, { device });
	return full(shape, value.numbers[0] ?? 0, { dtype: value.tensor.dtype, device });
}

function range(call: Call): Tensor {
	const [start, limit, step] = [number(call, 0), number(call, 1), number(call, 2)];
	const first = call.inputs[0] as Host;
	const count = Math.max(0, Math.ceil((limit - start) / step));
	requireModest(call, [count]);
	const { dtype } = first.tensor;
	const steps = arange(count, { dtype: isFloating(dtype) ? dtype : 'int32', device: call.device });
	return ops.to(ops.add(ops.mul(steps, step), start), dtype);
}

function eyeLike(call: Call): Tensor {
	const x = input(call, 0);
	const { attributes, device } = call;
	const dtype = attributes.has('dtype') ? call.dtypeOf(attributes.int('dtype')) : x.dtype;
	const [rows, columns] = x.shape as [number, number];
	requireModest(call, x.shape);
	const k = attributes.int('k', 0);
	if (k === 0) return eye(rows, columns, { dtype, device });
	const difference = ops.sub(
		arange(columns, { dtype: 'int32', device }),
		reshape(arange(rows, { dtype: 'int32', device }), [rows, 1]),
	);
	return ops.to(ops.eq(difference, k), dtype);
}

type Draw = (shape: readonly number[], call: Call, dtype: DType) => Tensor;

const normal: Draw = (shape, { attributes, device }, dtype) =>
	ops.to(ops.add(ops.mul(randn(shape, { device }), attributes.float('scale', 1)), attributes.float('mean', 0)), dtype);

const uniform: Draw = (shape, { attributes, device }, dtype) => {
	const [low, high] = [attributes.float('low', 0), attributes.float('high', 1)];
	return ops.to(ops.add(ops.mul(rand(shape, { device }), high - low), low), dtype);
};

/** Draws from wgrad's own generator: the attribute `seed` is of the library that wrote it. */
function drawn(draw: Draw): Operator {
	return {
		varies: true,
		run: (call) => draw(call.attributes.ints('shape') ?? [], call, call.dtypeOf(call.attributes.int('dtype', 1))),
	};
}

function drawnLike(draw: Draw): Operator {
	const run = (call: Call) => {
		const x = input(call, 0);
		const { attributes } = call;
		const own = isFloating(x.dtype) ? x.dtype : 'float32';
		return draw(x.shape, call, attributes.has('dtype') ? call.dtypeOf(attributes.int('dtype')) : own);
	};
	return { varies: true, run };
}

/** The ratio is an attribute before version 12. The mask says what stayed. */
function dropped(call: Call): Result {
	const x = input(call, 0);
	const { attributes, version, training, outputs } = call;
	const ratio = version < 12 ? attributes.float('ratio', 0.5) : number(call, 1, 0.5);
	const y = dropout(x, { p: ratio, training });
	return [y, outputs[1] === true ? mask(x, y, training) : null];
}

function mask(x: Tensor, y: Tensor, training: boolean): Tensor {
	const all = full(x.shape, true, { dtype: 'bool', device: x.device });
	return training ? ops.logicalOr(ops.ne(y, 0), ops.eq(x, 0)) : all;
}

function window(compute: typeof hannWindow): Operator {
	const run = (call: Call) => {
		const { attributes, device } = call;
		const y = compute(number(call, 0), { periodic: attributes.flag('periodic', true), device });
		return ops.to(y, call.dtypeOf(attributes.int('output_datatype', 1)));
	};
	return { run };
}

export const CREATION: Table = {
	Constant: { run: constant },
	ConstantOfShape: { run: constantOfShape },
	Range: { run: range },
	EyeLike: { run: eyeLike },
	RandomNormal: drawn(normal),
	RandomUniform: drawn(uniform),
	RandomNormalLike: drawnLike(normal),
	RandomUniformLike: drawnLike(uniform),
	Bernoulli: {
		varies: true,
		run: (call) => {
			const x = input(call, 0);
			return ops.to(bernoulli(x), call.attributes.has('dtype') ? call.dtypeOf(call.attributes.int('dtype')) : x.dtype);
		},
	},
	Multinomial: {
		varies: true,
		run: (call) => multinomial(ops.exp(input(call, 0)), call.attributes.int('sample_size', 1), { replacement: true }),
	},
	Dropout: { varies: true, run: dropped },
	HannWindow: window(hannWindow),
	// With other factors than PyTorch's.
	HammingWindow: window((length, options) => ops.add(ops.mul(hannWindow(length, options), 42 / 46), 4 / 46)),
	BlackmanWindow: window(blackmanWindow),
};
