/** Whether tensors are equal up to rounding. */
import { requireNonNegative } from '../../core/checks';
import { checkOptions } from '../../core/options';
import type { Tensor } from '../../tensor';
import { requireSameDevice, requireTensor } from '../../tensorChecks';
import { inFloat32 } from '../composed';
import { add, mul, sub } from './arithmetic';
import { to } from './cast';
import { eq, isfinite, isnan, le, logicalAnd, logicalOr } from './compare';
import { abs } from './unary';

export interface CloseOptions {
	/** The largest difference, relative to b. Default 1e-5. */
	readonly rtol?: number;
	/** The largest difference where b is 0. Default 1e-8. */
	readonly atol?: number;
	/** Whether NaN equals NaN. Default false. */
	readonly equalNan?: boolean;
}

/** Whether |a - b| <= atol + rtol |b|, or a = b, elementwise. a and b broadcast. As `torch.isclose`. */
export function isclose(a: Tensor, b: Tensor, options: CloseOptions = {}): Tensor {
	return close('isclose', a, b, options);
}

/** Whether `isclose` holds for all elements. Returns a promise, because it waits for the device. As `torch.allclose`. */
export async function allclose(a: Tensor, b: Tensor, options: CloseOptions = {}): Promise<boolean> {
	const each = close('allclose', a, b, options);
	const values = await each.data();
	each.dispose();
	return values.every((value) => value !== 0);
}

function close(name: string, a: Tensor, b: Tensor, options: CloseOptions): Tensor {
	const { rtol = 1e-5, atol = 1e-8, equalNan = false } = checkOptions(name, options, ['rtol', 'atol', 'equalNan']);
	requireTensor(name, a, 'a');
	requireTensor(name, b, 'b');
	requireSameDevice(name, a, b);
	requireNonNegative(name, 'rtol', rtol);
	requireNonNegative(name, 'atol', atol);
	return inFloat32(name, [a, b], (first, second) => {
		const numbers = (x: Tensor) => (x.dtype === 'bool' ? to(x, 'int32') : x);
		const [x, y] = [numbers(first), numbers(second)];
		const near = le(abs(sub(x, y)), add(mul(abs(y), rtol), atol));
		// Infinities are close only to themselves.
		const result = logicalOr(eq(x, y), logicalAnd(near, isfinite(y)));
		return equalNan ? logicalOr(result, logicalAnd(isnan(x), isnan(y))) : result;
	});
}
