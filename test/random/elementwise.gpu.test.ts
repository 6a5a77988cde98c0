import * as w from 'wgrad';
import { PLAIN } from '../ops/elementwise/rows';
import type { Case, Draw } from './draw';
import { testRandom } from './drive';

const BINARY = {
	add: w.add,
	sub: w.sub,
	mul: w.mul,
	div: w.div,
	maximum: w.maximum,
	minimum: w.minimum,
	atan2: w.atan2,
	hypot: w.hypot,
};

const COMPARE = {
	eq: w.eq,
	ne: w.ne,
	lt: w.lt,
	le: w.le,
	gt: w.gt,
	ge: w.ge,
	logicalAnd: w.logicalAnd,
	logicalOr: w.logicalOr,
	logicalXor: w.logicalXor,
};

/** Two shapes that broadcast with each other. */
function pair(d: Draw): [number[], number[]] {
	const shape = d.shape(d.int(0, 4), { elements: d.oneIn(8) ? 5000 : 300 });
	return d.bool() ? [shape, d.broadcast(shape)] : [d.broadcast(shape), shape];
}

function unary(d: Draw): Case {
	const { name, row, operation } = d.pick(PLAIN);
	const x = d.input(d.shape(d.int(0, 5)), 'float32', row.random);
	return d.case(name, [x], ([t]) => operation(t!));
}

function activation(d: Draw): Case {
	const x = d.input(d.shape(d.int(0, 4)), 'float32', { low: -6, high: 6 });
	const number = d.pick([0.5, 1, 1.75]);
	const approximate = d.pick(['none', 'tanh'] as const);
	const [min, max] = [d.pick([-1.25, null, -3]), d.pick([1.5, 4])];
	return d.pick<() => Case>([
		() => d.case('leakyRelu', [x], ([t]) => w.leakyRelu(t!, { negativeSlope: number }), { negativeSlope: number }),
		() => d.case('elu', [x], ([t]) => w.elu(t!, { alpha: number }), { alpha: number }),
		() => d.case('celu', [x], ([t]) => w.celu(t!, { alpha: number }), { alpha: number }),
		() => d.case('gelu', [x], ([t]) => w.gelu(t!, { approximate }), { approximate }),
		() => d.case('softplus', [x], ([t]) => w.softplus(t!, { beta: number, threshold: 4 }), { beta: number, threshold: 4 }),
		() =>
			d.case('hardtanh', [x], ([t]) => w.hardtanh(t!, { minVal: min ?? -2, maxVal: max }), { minVal: min ?? -2, maxVal: max }),
		() => d.case('clamp', [x], ([t]) => w.clamp(t!, { min, max }), { min, max }),
		() => d.case('softshrink', [x], ([t]) => w.softshrink(t!, { lambda: number }), { lambda: number }),
		() => d.case('threshold', [x], ([t]) => w.threshold(t!, number, max), { number, max }),
		() => d.case('prelu', [x, d.input([1], 'float32')], ([t, slope]) => w.prelu(t!, slope!)),
	])();
}

function binary(d: Draw): Case {
	const [name, operation] = d.pick(Object.entries(BINARY));
	const [a, b] = pair(d);
	const dtype = () => (d.oneIn(5) ? 'int32' : 'float32') as w.DType;
	const [kindA, kindB] = name === 'atan2' || name === 'hypot' ? (['float32', 'float32'] as const) : [dtype(), dtype()];
	const first = d.input(a, kindA, kindA === 'int32' ? { low: -5, high: 6 } : {});
	// Divisors keep away from zero, and so do both sides of atan2 and hypot.
	const second = d.input(b, kindB, kindB === 'int32' ? { low: 1, high: 6 } : { low: 0.3, high: 3 });
	if (d.oneIn(5)) {
		const number = d.pick([0.5, 2, -1.25]);
		return d.case(name, [first], ([t]) => operation(t!, number), { number });
	}
	return d.case(name, [first, second], ([s, t]) => operation(s!, t!));
}

/** Rounded quotients, and powers. */
function division(d: Draw): Case {
	const [a, b] = pair(d);
	const whole = d.oneIn(4);
	const dtype = whole ? 'int32' : 'float32';
	const x = d.input(a, dtype, { low: -9, high: 9 });
	const y = d.input(b, dtype, whole ? { low: 1, high: 5 } : { low: 0.5, high: 4 });
	const base = d.input(a, 'float32', { low: 0.2, high: 4 });
	const roundingMode = d.pick(['floor', 'trunc'] as const);
	const exponent = d.pick([2, 3, 0.5, -1, 0, 1, 1.7]);
	return d.pick<() => Case>([
		() => d.case('fmod', [x, y], ([s, t]) => w.fmod(s!, t!)),
		() => d.case('remainder', [x, y], ([s, t]) => w.remainder(s!, t!)),
		() => d.case('div', [x, y], ([s, t]) => w.div(s!, t!, { roundingMode }), { roundingMode }),
		() => d.case('pow', [base, d.input(b)], ([s, t]) => w.pow(s!, t!)),
		() => d.case('pow', [base], ([s]) => w.pow(s!, exponent), { exponent }),
		() => d.case('pow', [d.input(a)], ([s]) => w.pow(2.5, s!), { base: 2.5 }),
	])();
}

function comparison(d: Draw): Case {
	const [a, b] = pair(d);
	const dtype = () => d.pick(['float32', 'int32', 'bool'] as const);
	const [x, y] = [a, b].map((shape) => d.input(shape, dtype(), { low: -2, high: 3, multipleOf: 0.5 }));
	if (d.oneIn(4)) {
		const tests = { isnan: w.isnan, isinf: w.isinf, isfinite: w.isfinite, logicalNot: w.logicalNot };
		const [name, operation] = d.pick(Object.entries(tests));
		return d.case(name, [x!], ([t]) => operation(t!));
	}
	const [name, operation] = d.pick(Object.entries(COMPARE));
	return d.case(name, [x!, y!], ([s, t]) => operation(s!, t!));
}

function ternary(d: Draw): Case {
	const shape = d.shape(d.int(0, 4));
	const [a, b, c] = [d.input(d.broadcast(shape)), d.input(d.broadcast(shape)), d.input(shape)];
	const condition = d.input(d.broadcast(shape), 'bool');
	const away = d.input(shape, 'float32', { low: 0.4, high: 2 });
	const value = d.pick([1, 0.5, -2]);
	return d.pick<() => Case>([
		() => d.case('where', [condition, a, c], ([p, s, t]) => w.where(p!, s!, t!)),
		() => d.case('where', [condition, c], ([p, s]) => w.where(p!, s!, value), { value }),
		() => d.case('lerp', [a, c, b], ([s, t, u]) => w.lerp(s!, t!, u!)),
		() => d.case('lerp', [a, c], ([s, t]) => w.lerp(s!, t!, 0.25), { weight: 0.25 }),
		() => d.case('addcmul', [a, b, c], ([s, t, u]) => w.addcmul(s!, t!, u!, { value }), { value }),
		() => d.case('addcdiv', [a, b, away], ([s, t, u]) => w.addcdiv(s!, t!, u!, { value }), { value }),
	])();
}

function cast(d: Draw): Case {
	const x = d.input(d.shape(d.int(0, 4)), d.pick(['float32', 'int32', 'bool'] as const), { low: -3, high: 4 });
	const target = d.pick(['float32', 'int32', 'bool'] as const);
	return d.case('to', [x], ([t]) => t!.to(target).to('float32').mul(2), { target });
}

// WGSL allows sin and cos an absolute error of 2^-11. Adapters are far better, but not to a few units for results near zero.
testRandom('elementwise', (d) => d.pick([unary, unary, activation, binary, binary, division, comparison, ternary, cast])(d), {
	absolute: 2e-7,
	half: true,
});
