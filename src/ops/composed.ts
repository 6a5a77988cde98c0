/**
 * Operations that are composed of others. Errors, allocations and launches carry the name of the composed operation, and its temporaries
 * are disposed of.
 *
 * A composed operation and its VJP compute float16 and bfloat16 in float32 and round only the result, so intermediate values do not overflow or
 * underflow.
 */
import { currentAutocast, withAutocast } from '../autograd/modes';
import { isFloating } from '../core/dtype';
import { isHalf } from '../core/halves';
import { Tensor } from '../tensor';
import { tidied } from '../tidy';
import { to } from './elementwise/cast';
import { typeOfResult } from './operands';

type Optional = Tensor | null | undefined;

/** Converts half-precision tensors to float32. For VJPs: the backward walk converts their results to the dtypes of the inputs. */
export function widened<const T extends readonly Optional[]>(...tensors: T): T {
	return tensors.map((x) => (x && isHalf(x.dtype) ? to(x, 'float32') : x)) as unknown as T;
}

/** Runs `body` under the name `operation`, in a `tidy`. */
export function composed<T>(operation: string, body: () => T): T {
	const whole = currentAutocast() === null ? body : () => withAutocast(null, body);
	return tidied(whole, operation);
}

/**
 * Runs `body` under the name `operation`, in a `tidy`, with half-precision tensors converted to float32. Converts its floating results to the
 * common dtype of the floating inputs.
 */
export function inFloat32<const T extends readonly Optional[], R extends Optional | readonly Optional[]>(
	operation: string,
	inputs: T,
	body: (...inputs: T) => R,
): R {
	const casting = currentAutocast();
	if (casting !== null) return casting.call(operation, inputs, (cast) => inFloat32(operation, cast, body));
	const floating = inputs.filter((x): x is T[number] & Tensor => x != null && isFloating(x.dtype));
	if (!floating.some(({ dtype }) => isHalf(dtype))) return composed(operation, () => body(...inputs));
	const dtype = typeOfResult(...floating);
	const narrowed = (x: Optional) => (x != null && isFloating(x.dtype) ? to(x, dtype) : x);
	return composed(operation, () => {
		const result = body(...widened(...inputs));
		return (result instanceof Tensor || result == null ? narrowed(result) : result.map(narrowed)) as R;
	});
}
