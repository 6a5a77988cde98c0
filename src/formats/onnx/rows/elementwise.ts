/** Elementwise operations as ONNX nodes. */
import { type DType, isFloating } from '../../../core/dtype';
import type { Call, Row, Rows } from '../call';
import { float, type Name } from '../graph';
import type { Size } from '../symbols';

/** The dtype in which integers are computed, because few runtimes compute with bytes. */
export function working(dtype: DType): DType {
	return isFloating(dtype) ? dtype : 'int32';
}

/** A function of one number that is one node, in the dtype of the output. */
function node(opType: string): Row {
	return (c) => {
		const { dtype } = c.output();
		const own = working(dtype);
		// The dtype of the result may differ from that of x.
		const x = c.graph.cast(c.as('x', dtype), dtype, own);
		return c.graph.cast(c.add(opType, [x]), own, dtype);
	};
}

/** As `node`, but integers stay as they are. */
function rounding(opType: string): Row {
	return (c) => (isFloating(c.dtype('x')) ? c.add(opType, [c.in('x')]) : c.in('x'));
}

interface Parameters {
	readonly p0?: number;
	readonly p1?: number;
}

/** A function of one number that several nodes compute. */
function formula(body: (f: Formula, x: Name, parameters: Required<Parameters>) => Name): Row {
	return (c) => {
		const { p0 = 0, p1 = 0 } = c.attributes<Parameters>();
		return c.inFloat32('x', (x, dtype) => body(new Formula(c, dtype), x, { p0, p1 }));
	};
}

/** Arithmetic of one dtype. Numbers become constants. */
export class Formula {
	constructor(
		readonly call: Call,
		readonly dtype: DType,
	) {}

	#name(operand: Name | number): Name {
		return typeof operand === 'number' ? this.call.scalar(operand, this.dtype) : operand;
	}

	op(opType: string, ...operands: readonly (Name | number)[]): Name {
		return this.call.add(
			opType,
			operands.map((operand) => this.#name(operand)),
		);
	}

	add(a: Name | number, b: Name | number): Name {
		return this.op('Add', a, b);
	}

	sub(a: Name | number, b: Name | number): Name {
		return this.op('Sub', a, b);
	}

	mul(a: Name | number, b: Name | number): Name {
		return this.op('Mul', a, b);
	}

	div(a: Name | number, b: Name | number): Name {
		return this.op('Div', a, b);
	}

	where(condition: Name, a: Name | number, b: Name | number): Name {
		return this.call.add('Where', [condition, this.#name(a), this.#name(b)]);
	}

	/** log(1 + x), accurate near 0: Kahan's formula. */
	log1p(x: Name): Name {
		const u = this.add(x, 1);
		const isTiny = this.op('Equal', u, 1);
		const divisor = this.where(isTiny, 1, this.sub(u, 1));
		const value = this.mul(this.op('Log', u), this.div(x, divisor));
		return this.where(this.op('Less', this.op('Abs', x), 0.5), this.where(isTiny, x, value), this.op('Log', u));
	}

	softplus(x: Name): Name {
		return this.call.add('Softplus', [x]);
	}
}

const expm1 = formula((f, x) => {
	// tanh keeps the digits near 0 that e^x - 1 loses.
	const t = f.op('Tanh', f.mul(x, 0.5));
	const near = f.div(f.mul(t, 2), f.sub(1, t));
	return f.where(f.op('Less', f.op('Abs', x), 1), near, f.sub(f.op('Exp', x), 1));
});

function limit(c: Call, low: number | undefined, high: number | undefined): Name {
	const dtype = c.output().dtype;
	const bound = (value: number | undefined) => (value === undefined || !Number.isFinite(value) ? null : c.scalar(value, dtype));
	return c.add('Clip', [c.in('x'), bound(low), bound(high)]);
}

const clamp: Row = (c) => {
	const { p0, p1 } = c.attributes<Parameters>();
	// If the lower limit is above the upper one, the upper one wins, as in Clip.
	return limit(c, p0, p1);
};

const trunc: Row = (c) =>
	isFloating(c.dtype('x')) ? c.add('Mul', [c.add('Sign', [c.in('x')]), c.add('Floor', [c.add('Abs', [c.in('x')])])]) : c.in('x');

const gelu: Row = (c) => {
	if (c.graph.opset >= 20) return c.add('Gelu', [c.in('x')]);
	return formula((f, x) => f.mul(f.mul(x, 0.5), f.add(f.op('Erf', f.mul(x, Math.SQRT1_2)), 1)))(c);
};

const geluTanh: Row = (c) => {
	if (c.graph.opset >= 20) return c.add('Gelu', [c.in('x')], { approximate: 'tanh' });
	return formula((f, x) => {
		const cubic = f.mul(f.mul(f.mul(x, x), x), 0.044715);
		const inner = f.mul(f.add(x, cubic), Math.sqrt(2 / Math.PI));
		return f.mul(f.mul(x, 0.5), f.add(f.op('Tanh', inner), 1));
	})(c);
};

const unary: Rows = {
	neg: node('Neg'),
	abs: node('Abs'),
	sign: node('Sign'),
	exp: node('Exp'),
	log: node('Log'),
	sqrt: node('Sqrt'),
	reciprocal: node('Reciprocal'),
	sin: node('Sin'),
	cos: node('Cos'),
	tan: node('Tan'),
	asin: node('Asin'),
	acos: node('Acos'),
	atan: node('Atan'),
	sinh: node('Sinh'),
	cosh: node('Cosh'),
	tanh: node('Tanh'),
	asinh: node('Asinh'),
	acosh: node('Acosh'),
	atanh: node('Atanh'),
	erf: node('Erf'),
	sigmoid: node('Sigmoid'),
	softsign: node('Softsign'),
	relu: node('Relu'),
	floor: rounding('Floor'),
	ceil: rounding('Ceil'),
	round: rounding('Round'),
	trunc,
	gelu,
	geluTanh,
	expm1,
	clamp,
	hardtanh: clamp,
	relu6: (c) => limit(c, 0, 6),
	square: (c) => c.add('Mul', [c.in('x'), c.in('x')]),
	frac: (c) => c.add('Sub', [c.in('x'), trunc(c) as Name]),
	leakyRelu: (c) => c.add('LeakyRelu', [c.in('x')], { alpha: float(c.attributes<Parameters>().p0!) }),
	elu: (c) => c.add('Elu', [c.in('x')], { alpha: float(c.attributes<Parameters>().p0!) }),
	selu: (c) => c.add('Selu', [c.in('x')], { alpha: float(1.6732632423543772), gamma: float(1.0507009873554805) }),
	hardsigmoid: (c) => c.add('HardSigmoid', [c.in('x')], { alpha: float(1 / 6), beta: float(0.5) }),
	hardswish: (c) => c.add('Mul', [c.in('x'), c.add('HardSigmoid', [c.in('x')], { alpha: float(1 / 6), beta: float(0.5) })]),
	silu: (c) => c.add('Mul', [c.in('x'), c.add('Sigmoid', [c.in('x')])]),
	celu: formula((f, x, { p0 }) => {
		const low = f.op('Min', x, 0);
		const high = f.op('Max', x, 0);
		return f.add(high, f.mul(f.call.add('Elu', [f.div(low, p0)]), p0));
	}),
	mish: formula((f, x) => f.mul(x, f.op('Tanh', f.softplus(x)))),
	exp2: formula((f, x) => f.op('Pow', 2, x)),
	log1p: formula((f, x) => f.log1p(x)),
	log2: formula((f, x) => f.mul(f.op('Log', x), Math.LOG2E)),
	log10: formula((f, x) => f.mul(f.op('Log', x), Math.LOG10E)),
	rsqrt: formula((f, x) => f.op('Reciprocal', f.op('Sqrt', x))),
	erfc: formula((f, x) => f.sub(1, f.op('Erf', x))),
	logSigmoid: formula((f, x) => f.op('Neg', f.softplus(f.op('Neg', x)))),
	softplus: formula((f, x, { p0, p1 }) => {
		const scaled = f.mul(x, p0);
		return f.where(f.op('Greater', scaled, p1), x, f.div(f.softplus(scaled), p0));
	}),
};

interface Common {
	readonly dtype: DType;
	readonly shape: readonly Size[];
}

interface Scalar {
	readonly dtype: DType;
	readonly number: Size;
	readonly scalarFirst: boolean;
}

/** The operands of a binary operation, in its dtype. */
function operands(c: Call, dtype: DType): [Name, Name] {
	if (!c.has('x')) return [c.as('a', dtype), c.as('b', dtype)];
	const { number, scalarFirst } = c.attributes<Scalar>();
	const [x, scalar] = [
		c.as('x', dtype),
		c.scalar(isFloating(dtype) || typeof number !== 'number' ? number : Math.trunc(number), dtype),
	];
	return scalarFirst ? [scalar, x] : [x, scalar];
}

/** Computes bytes in int32. The results wrap around as those of bytes do. */
function binary(body: (f: Formula, a: Name, b: Name) => Name, ofBool?: string): Row {
	return (c) => {
		const { dtype } = c.attributes<Common | Scalar>();
		if (dtype === 'bool' && ofBool !== undefined) return c.add(ofBool, operands(c, 'bool'));
		const own = working(dtype);
		const [a, b] = operands(c, own);
		return c.graph.cast(body(new Formula(c, own), a, b), own, c.output().dtype);
	};
}

function isWhole(f: Formula): boolean {
	return f.dtype === 'int32';
}

/** The quotient of integers: division by 0 gives the dividend. */
function wholeQuotient(f: Formula, a: Name, b: Name, floors: boolean): Name {
	const isZero = f.op('Equal', b, 0);
	const divisor = f.where(isZero, 1, b);
	const quotient = f.div(a, divisor);
	if (!floors) return quotient;
	const rest = f.sub(a, f.mul(quotient, divisor));
	const below = f.op('And', f.op('Not', f.op('Equal', rest, 0)), f.op('Xor', f.op('Less', rest, 0), f.op('Less', divisor, 0)));
	return f.sub(quotient, f.call.graph.cast(below, 'bool', 'int32'));
}

const remainder = binary((f, a, b) => {
	if (isWhole(f)) {
		const isZero = f.op('Equal', b, 0);
		return f.where(isZero, 0, f.call.add('Mod', [a, f.where(isZero, 1, b)]));
	}
	const rest = f.call.add('Mod', [a, b], { fmod: 1 });
	const isWrong = f.op('And', f.op('Not', f.op('Equal', rest, 0)), f.op('Xor', f.op('Less', rest, 0), f.op('Less', b, 0)));
	return f.where(isWrong, f.add(rest, b), rest);
});

const fmod = binary((f, a, b) => {
	if (!isWhole(f)) return f.call.add('Mod', [a, b], { fmod: 1 });
	const isZero = f.op('Equal', b, 0);
	return f.where(isZero, 0, f.call.add('Mod', [a, f.where(isZero, 1, b)], { fmod: 1 }));
});

const atan2 = binary((f, a, b) => {
	const angle = f.op('Atan', f.div(a, b));
	const turned = f.where(f.op('Less', a, 0), f.sub(angle, Math.PI), f.add(angle, Math.PI));
	const upright = f.mul(f.op('Sign', a), Math.PI / 2);
	return f.where(f.op('Equal', b, 0), upright, f.where(f.op('Less', b, 0), turned, angle));
});

/** max + log(1 + e^-|a - b|), to base e or 2. */
function logSum(scale: number): Row {
	return binary((f, a, b) => {
		const far = f.op('Abs', f.sub(a, b));
		const distance = f.where(f.op('Equal', a, b), 0, far);
		return f.add(f.op('Max', a, b), f.div(f.log1p(f.op('Exp', f.mul(distance, -scale))), scale));
	});
}

const add: Row = (c) => {
	const { factor } = c.attributes<{ readonly factor?: number }>();
	if (factor === undefined) return binary((f, a, b) => f.add(a, b), 'Or')(c);
	return binary((f, a, b) => f.add(a, f.mul(b, factor)))(c);
};

const shift: Row = (c) => c.refuse('ONNX shifts unsigned integers only');

const binaries: Rows = {
	add,
	sub: binary((f, a, b) => f.sub(a, b)),
	mul: binary((f, a, b) => f.mul(a, b), 'And'),
	div: binary((f, a, b) => f.div(a, b)),
	truncDiv: binary((f, a, b) => {
		if (isWhole(f)) return wholeQuotient(f, a, b, false);
		const quotient = f.div(a, b);
		return f.mul(f.op('Sign', quotient), f.op('Floor', f.op('Abs', quotient)));
	}),
	floorDiv: binary((f, a, b) => (isWhole(f) ? wholeQuotient(f, a, b, true) : f.op('Floor', f.div(a, b)))),
	pow: (c) => {
		const { dtype } = c.attributes<Common | Scalar>();
		if (!isFloating(dtype) && dtype !== 'int32')
			c.refuse('powers of bytes wrap around in wgrad, but not in ONNX. Convert to int32');
		return binary((f, a, b) => f.op('Pow', a, b))(c);
	},
	maximum: binary((f, a, b) => f.op('Max', a, b), 'Or'),
	minimum: binary((f, a, b) => f.op('Min', a, b), 'And'),
	fmod,
	remainder,
	atan2,
	hypot: binary((f, a, b) => f.op('Sqrt', f.add(f.mul(a, a), f.mul(b, b)))),
	logaddexp: logSum(1),
	logaddexp2: logSum(Math.LN2),
	bitwiseAnd: binary((f, a, b) => f.op('BitwiseAnd', a, b), 'And'),
	bitwiseOr: binary((f, a, b) => f.op('BitwiseOr', a, b), 'Or'),
	bitwiseXor: binary((f, a, b) => f.op('BitwiseXor', a, b), 'Xor'),
	bitwiseLeftShift: shift,
	bitwiseRightShift: shift,
};

const COMPARISONS: Readonly<Record<string, string>> = {
	eq: 'Equal',
	lt: 'Less',
	le: 'LessOrEqual',
	gt: 'Greater',
	ge: 'GreaterOrEqual',
	logicalAnd: 'And',
	logicalOr: 'Or',
	logicalXor: 'Xor',
};

const compare: Row = (c) => {
	const { op, number } = c.attributes<{ readonly op: string; readonly number?: Size }>();
	if (op.startsWith('logical')) {
		const second = number === undefined ? c.as('b', 'bool') : c.scalar(number === 0 ? 0 : 1, 'bool');
		return c.add(COMPARISONS[op]!, [c.as(number === undefined ? 'a' : 'x', 'bool'), second]);
	}
	const first = c.dtype(number === undefined ? 'a' : 'x');
	const isFraction = isFloating(first) || (typeof number === 'number' && !Number.isInteger(number));
	const { dtype = isFraction ? (isFloating(first) ? first : 'float32') : 'int32' } = c.attributes<{ readonly dtype?: DType }>();
	const own = working(dtype);
	const [a, b] = number === undefined ? [c.as('a', own), c.as('b', own)] : [c.as('x', own), c.scalar(number, own)];
	return op === 'ne' ? c.add('Not', [c.add('Equal', [a, b])]) : c.add(COMPARISONS[op]!, [a, b]);
};

const predicate: Row = (c) => {
	const { op } = c.attributes<{ readonly op: string }>();
	if (op === 'logicalNot') return c.add('Not', [c.as('x', 'bool')]);
	const wide = c.graph.cast(c.in('x'), c.dtype('x'), isFloating(c.dtype('x')) ? c.wide(c.dtype('x')) : 'float32');
	const infinite = (attributes = {}) => c.add('IsInf', [wide], attributes);
	if (op === 'isnan') return c.add('IsNaN', [wide]);
	if (op === 'isinf') return infinite();
	if (op === 'isposinf') return infinite({ detect_negative: 0 });
	if (op === 'isneginf') return infinite({ detect_positive: 0 });
	return c.add('Not', [c.add('Or', [c.add('IsNaN', [wide]), infinite()])]);
};

const where: Row = (c) => {
	const { dtype, left, right } = c.attributes<Common & { readonly left: number; readonly right: number }>();
	const own = working(dtype);
	const a = c.has('a') ? c.as('a', own) : c.scalar(left, own);
	const b = c.has('b') ? c.as('b', own) : c.scalar(right, own);
	return c.graph.cast(c.add('Where', [c.as('condition', 'bool'), a, b]), own, dtype);
};

/** a + weight (b - a). */
const lerp: Row = (c) => {
	const { dtype, weight } = c.attributes<Common & { readonly weight?: number }>();
	const f = new Formula(c, dtype);
	const [a, b] = [c.as('a', dtype), c.as('b', dtype)];
	return f.add(a, f.mul(weight ?? c.as('c', dtype), f.sub(b, a)));
};

function withTerm(opType: 'Mul' | 'Div'): Row {
	return (c) => {
		const { dtype, value } = c.attributes<Common & { readonly value: number }>();
		const f = new Formula(c, dtype);
		const term = f.op(opType, c.as('b', dtype), c.as('c', dtype));
		return f.add(c.as('a', dtype), value === 1 ? term : f.mul(term, value));
	};
}

export const ELEMENTWISE: Rows = {
	...unary,
	...binaries,
	compare,
	predicate,
	where,
	lerp,
	addcmul: withTerm('Mul'),
	addcdiv: withTerm('Div'),
	to: (c) => c.as('x', c.attributes<{ readonly dtype: DType }>().dtype),
};
