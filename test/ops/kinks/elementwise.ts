/** Kinks of elementwise functions. */
import * as w from 'wgrad';
import type { OpEntry } from '../database';
import { ENTRIES, FUNCTIONS } from '../elementwise/rows';
import { AROUND_0, fixed, INF, integers, kink, NAN, rows } from './kink';

const activations: readonly OpEntry[] = [
	kink('leakyRelu, negative slope', (x) => w.leakyRelu(x, { negativeSlope: -0.5 }), 'F.leaky_relu(x[0], -0.5)', AROUND_0),
	kink('elu', (x) => w.elu(x, { alpha: 0.5 }), 'F.elu(x[0], 0.5)', AROUND_0),
	kink('celu', (x) => w.celu(x, { alpha: 2 }), 'F.celu(x[0], 2.0)', AROUND_0),
	kink('prelu', (x, a) => w.prelu(x, a), 'F.prelu(x[0], x[1])', AROUND_0, [0.25]),
	kink('hardtanh', (x) => w.hardtanh(x, { minVal: -2, maxVal: 0.5 }), 'F.hardtanh(x[0], -2, 0.5)', [
		-3,
		-2,
		0,
		0.5,
		1,
		INF,
		-INF,
	]),
	kink(
		'hardswish',
		(x) => w.hardswish(x),
		// Before PyTorch 2.8 the gradient was -1/2 at -3 and 3/2 at 3.
		'torch.where(x[0] <= -3, x[0] * 0, torch.where(x[0] < 3, F.hardswish(x[0]), x[0]))',
		[-4, -3, 0, 3, 4, NAN],
	),
	kink('softshrink', (x) => w.softshrink(x), 'F.softshrink(x[0])', [-1, -0.5, -0, 0, 0.5, 1, INF, -INF]),
	kink('softshrink of nothing', (x) => w.softshrink(x, { lambda: 0 }), 'F.softshrink(x[0], 0.0)', [-1, 0, 1]),
	kink('hardshrink', (x) => w.hardshrink(x), 'F.hardshrink(x[0])', [-1, -0.5, -0, 0, 0.5, 1, INF, -INF]),
	kink('threshold', (x) => w.threshold(x, 0.25, -7), 'F.threshold(x[0], 0.25, -7.0)', [0, 0.25, 1, INF, -INF]),
	kink('softplus', (x) => w.softplus(x, { beta: 2, threshold: 4 }), 'F.softplus(x[0], 2, 4)', [1.5, 2, 2.5]),
];

const clamps: readonly OpEntry[] = [
	kink('clamp', (x) => w.clamp(x, { min: -1, max: 2 }), 'torch.clamp(x[0], -1, 2)', [-2, -1, 0, 2, 3, INF, -INF, NAN]),
	kink('clamp to one number', (x) => w.clamp(x, { min: 1, max: 1 }), 'torch.clamp(x[0], 1, 1)', [0, 1, 2]),
	kink('clamp, min above max', (x) => w.clamp(x, { min: 2, max: 1 }), 'torch.clamp(x[0], 2, 1)', [0, 1, 1.5, 2, 3]),
	kink('clamp from below', (x) => w.clamp(x, { min: 0 }), 'torch.clamp(x[0], min=0)', AROUND_0),
	kink('clamp from above', (x) => w.clamp(x, { max: 0 }), 'torch.clamp(x[0], max=0)', AROUND_0),
	kink(
		'clamp by tensors',
		(x, min, max) => w.clamp(x, { min, max }),
		'torch.clamp(x[0], x[1], x[2])',
		[0, 1, 2, 3, 4, 1, 1.5, 2, 0, 5, 1],
		[1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 1],
		[3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1],
	),
	kink('clamp by a lower tensor', (x, min) => w.clamp(x, { min }), 'torch.clamp(x[0], min=x[1])', [0, 1, 2], [1, 1, 1]),
	kink('clamp by an upper tensor', (x, max) => w.clamp(x, { max }), 'torch.clamp(x[0], max=x[1])', [0, 1, 2], [1, 1, 1]),
];

const unary: readonly OpEntry[] = ENTRIES.flatMap(([name, { torch, kinks }]) =>
	kinks === undefined ? [] : [kink(name, (x) => FUNCTIONS[name](x), typeof torch === 'string' ? torch : torch({}), kinks)],
);

const BASES = [0, 0, 0, 0, 0, 0, 1, 1, -1, -1, -2, -2, INF, INF, INF, NAN, 2];
const EXPONENTS = [0, 1, 2, 0.5, -1, 3, 0, INF, 2, 0.5, 0, 3, 0, -1, 2, 0, NAN];

const binary: readonly OpEntry[] = [
	kink('maximum', (a, b) => w.maximum(a, b), 'torch.maximum(x[0], x[1])', [1, 2, 3, 0, INF, NAN, 1], [1, 1, 4, -0, INF, 1, NAN]),
	kink('minimum', (a, b) => w.minimum(a, b), 'torch.minimum(x[0], x[1])', [1, 2, 3, 0, INF, NAN, 1], [1, 1, 4, -0, INF, 1, NAN]),
	kink('pow', (a, b) => w.pow(a, b), 'torch.pow(x[0], x[1])', BASES, EXPONENTS),
	...[0, 1, 2, 3, 0.5, 1.5, -1, -0.5].map((power) =>
		kink(`to the power ${power}`, (x) => w.pow(x, power), `torch.pow(x[0], ${power})`, [-1, 0, 1, INF]),
	),
	...[0, 1, 2, -2].map((base) =>
		kink(`${base} to a power`, (x) => w.pow(base, x), `torch.pow(${base}, x[0])`, [-2, -1, -0, 0, 1, 2]),
	),
	kink('div', (a, b) => w.div(a, b), 'torch.div(x[0], x[1])', [0, 1, -1, INF, 0, 1], [0, 0, 0, INF, 1, INF]),
	kink('fmod', (a, b) => w.fmod(a, b), 'torch.fmod(x[0], x[1])', [3, -3, 4, -4, 0, 5], [3, 3, -2, -2, 3, 3]),
	kink('remainder', (a, b) => w.remainder(a, b), 'torch.remainder(x[0], x[1])', [3, -3, 4, -4, 0, 5], [3, 3, -2, -2, 3, 3]),
	kink('atan2', (a, b) => w.atan2(a, b), 'torch.atan2(x[0], x[1])', [0, -0, 0, -0, 1, -1, 0, 0], [0, 0, -0, -0, 0, 0, 1, -1]),
	kink('hypot', (a, b) => w.hypot(a, b), 'torch.hypot(x[0], x[1])', [0, 0, -0, 3], [0, 1, -2, 0]),
	kink(
		'lerp by a tensor',
		(a, b, c) => w.lerp(a, b, c),
		'torch.lerp(x[0], x[1], x[2])',
		[1, 2, 3, 4],
		[5, 7, 11, 13],
		[0, 0.5, 1, 2],
	),
	...[0, 0.5, 1].map((weight) =>
		kink(`lerp by ${weight}`, (a, b) => w.lerp(a, b, weight), `torch.lerp(x[0], x[1], ${weight})`, [1, 2], [5, 7]),
	),
	kink(
		'where, the other side NaN',
		(x) => w.where(w.gt(x, 0), w.sqrt(x), w.mul(x, 2)),
		// The gradient of sqrt at -1 is NaN times 0.
		'torch.where(x[0] > 0, torch.sqrt(x[0]), x[0] * 2)',
		[-1, 0, 4],
	),
	kink(
		'where, leaves',
		(a, b) => w.where(w.gt(a, 0), a, b),
		'torch.where(x[0] > 0, x[0], x[1])',
		[NAN, 0, 1, INF],
		[1, NAN, NAN, -INF],
	),
	kink(
		'fakeQuantize, on and between steps',
		(x) => w.fakeQuantize(x, 0.5, 1, { quantMin: 0, quantMax: 7 }),
		'torch.fake_quantize_per_tensor_affine(x[0], 0.5, 1, 0, 7)',
		[-9, -0.75, -0.7, -0.5, -0.25, -0.2, 0, 0.25, 0.75, 1, 1.25, 3, 3.2, 3.25, 3.3, 9, Number.NaN, INF, -INF],
	),
	kink(
		'fakeQuantize by channel',
		(x, scale, zeroPoint) => w.fakeQuantize(x, scale, zeroPoint, { quantMin: -2, quantMax: 1, axis: 0 }),
		'torch.fake_quantize_per_channel_affine(x[0], x[1].float(), x[2].int(), 0, -2, 1)',
		rows([-3, -0.5, 0.25, 4, Number.NaN, INF, -INF], [-3, -0.5, 0.25, 4, INF, -INF, Number.NaN]),
		fixed([0.5, 2]),
		integers([2], [-1, 1]),
	),
	kink('addcdiv', (a, b, c) => w.addcdiv(a, b, c), 'torch.addcdiv(x[0], x[1], x[2])', [1, 1], [0, 1], [0, 0]),
];

export const elementwise: readonly OpEntry[] = [...activations, ...clamps, ...unary, ...binary];
