/** Powers, remainders, extremes and angles of two operands. They take tensors and numbers, broadcast, and promote dtypes as PyTorch does. */
import { currentAutocast } from '../../autograd/modes';
import { isFloating, requireFloating } from '../../core/dtype';
import { ArgumentError } from '../../core/errors';
import { runOperation } from '../../core/scope';
import { Tensor } from '../../tensor';
import { requireDivisor } from '../../tensorChecks';
import { floatingType, type Operand } from '../operands';
import { sigmoid } from './activation';
import { add, div, mul, neg, sub } from './arithmetic';
import { eq, ge, le, logicalAnd } from './compare';
import { type Binary, binary, commonType, refuseBool } from './definitions';
import { where } from './ternary';
import { log, square } from './unary';

/** a to the power b. x^0 and 1^x are 1 for every x. An integer to a negative number throws; to a negative element of a tensor it truncates. As `torch.pow`. */
export function pow(a: Operand, b: Operand): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('pow', [a, b], (inputs) => pow(...inputs));
	const dtype = commonType('pow', a, b);
	refuseBool('pow', dtype, `Convert with .to('int32')`);
	if (typeof b === 'number' && b < 0 && !isFloating(dtype)) {
		throw new ArgumentError(`pow: whole numbers to the negative power ${b} are fractions. Convert with .to('float32')`);
	}
	if (b === 2 && a instanceof Tensor && a.dtype === dtype) return runOperation('pow', () => square(a));
	return power(a, b, dtype);
}

const power = binary('pow', {
	a: {
		reads: ['a', 'b'],
		gradient: (g, a, b) => {
			if (typeof b === 'number') return b === 0 ? mul(g, 0) : b === 1 ? g : mul(g, mul(pow(a, b - 1), b));
			// The power is constant for exponent 0, also for 0 and infinity.
			return where(eq(b, 0), 0, mul(g, mul(b, pow(a, sub(b, 1)))));
		},
	},
	b: {
		reads: ['a', 'b', 'y'],
		gradient: (g, a, b, y) => {
			if (typeof a === 'number') {
				if (a === 0) return mul(g, where(ge(b, 0), 0, Number.NEGATIVE_INFINITY));
				return mul(g, mul(y, Math.log(a)));
			}
			// 0^b is constant for b > 0. log must not see that 0: its second derivative would be infinite.
			const flat = typeof b === 'number' ? eq(a, 0) : logicalAnd(eq(a, 0), ge(b, 0));
			return mul(g, where(flat, 0, mul(y, log(where(flat, 1, a)))));
		},
	},
});

/** The larger of a and b. NaN if either is NaN. As `torch.maximum`. */
export function maximum(a: Operand, b: Operand): Tensor {
	return larger(a, b, commonType('maximum', a, b));
}

const larger = binary('maximum', {
	a: { reads: ['a', 'b'], gradient: (g, a, b) => chosen(g, a, b, le) },
	b: { reads: ['a', 'b'], gradient: (g, a, b) => chosen(g, b, a, le) },
});

/** The smaller of a and b. NaN if either is NaN. As `torch.minimum`. */
export function minimum(a: Operand, b: Operand): Tensor {
	return smaller(a, b, commonType('minimum', a, b));
}

const smaller = binary('minimum', {
	a: { reads: ['a', 'b'], gradient: (g, a, b) => chosen(g, a, b, ge) },
	b: { reads: ['a', 'b'], gradient: (g, a, b) => chosen(g, b, a, ge) },
});

/** The gradient goes to the operand that was chosen. If both are equal, each gets half, as in PyTorch. */
function chosen(g: Tensor, mine: Operand, other: Operand, beaten: (x: Operand, y: Operand) => Tensor): Tensor {
	return where(beaten(mine, other), where(eq(mine, other), mul(g, 0.5), 0), g);
}

/** a - trunc(a / b) * b, the exact remainder with the sign of a. As `torch.fmod`. */
export function fmod(a: Operand, b: Operand): Tensor {
	return rest('fmod', a, b, truncatedRest);
}

/** a - floor(a / b) * b, the remainder with the sign of b, like Python's %. As `torch.remainder`. */
export function remainder(a: Operand, b: Operand): Tensor {
	return rest('remainder', a, b, flooredRest);
}

function rest(name: string, a: Operand, b: Operand, operation: Binary): Tensor {
	const dtype = commonType(name, a, b);
	refuseBool(name, dtype, `Convert with .to('int32')`);
	requireDivisor(name, dtype, b);
	return operation(a, b, dtype);
}

const truncatedRest = binary('fmod', {
	a: { reads: [], gradient: (g) => g },
	b: { reads: ['a', 'b'], gradient: (g, a, b) => neg(mul(g, div(a, b, { roundingMode: 'trunc' }))) },
});

const flooredRest = binary('remainder', {
	a: { reads: [], gradient: (g) => g },
	b: { reads: ['a', 'b'], gradient: (g, a, b) => neg(mul(g, div(a, b, { roundingMode: 'floor' }))) },
});

/** The angle of the point (b, a), from -pi to pi. As `torch.atan2`. */
export function atan2(a: Operand, b: Operand): Tensor {
	return angle(a, b, floatingType(commonType('atan2', a, b)));
}

const angle = binary('atan2', {
	a: { reads: ['a', 'b'], gradient: (g, a, b) => mul(g, div(b, squareSum(a, b))) },
	b: { reads: ['a', 'b'], gradient: (g, a, b) => neg(mul(g, div(a, squareSum(a, b)))) },
});

function squareSum(a: Operand, b: Operand): Tensor {
	if (typeof a === 'number') return add(square(b as Tensor), a * a);
	if (typeof b === 'number') return add(square(a), b * b);
	return add(square(a), square(b));
}

/** sqrt(a^2 + b^2) of floating operands, without intermediate overflow. As `torch.hypot`. */
export function hypot(a: Operand, b: Operand): Tensor {
	const dtype = commonType('hypot', a, b);
	requireFloating('hypot', dtype);
	return hypotenuse(a, b, dtype);
}

const hypotenuse = binary('hypot', {
	a: { reads: ['a', 'y'], gradient: (g, a, _, y) => mul(g, div(a, y)) },
	b: { reads: ['b', 'y'], gradient: (g, _, b, y) => mul(g, div(b, y)) },
});

/** log(e^a + e^b), without overflow. Integers give float32. As `torch.logaddexp`. */
export function logaddexp(a: Operand, b: Operand): Tensor {
	return logSum(a, b, floatingType(commonType('logaddexp', a, b)));
}

const logSum = binary('logaddexp', {
	a: { reads: ['a', 'b'], gradient: (g, a, b) => mul(g, sigmoid(sub(a, b))) },
	b: { reads: ['a', 'b'], gradient: (g, a, b) => mul(g, sigmoid(sub(b, a))) },
});

/** log2(2^a + 2^b), without overflow. Integers give float32. As `torch.logaddexp2`. */
export function logaddexp2(a: Operand, b: Operand): Tensor {
	return logSum2(a, b, floatingType(commonType('logaddexp2', a, b)));
}

const logSum2 = binary('logaddexp2', {
	a: { reads: ['a', 'b'], gradient: (g, a, b) => mul(g, sigmoid(mul(sub(a, b), Math.LN2))) },
	b: { reads: ['a', 'b'], gradient: (g, a, b) => mul(g, sigmoid(mul(sub(b, a), Math.LN2))) },
});
