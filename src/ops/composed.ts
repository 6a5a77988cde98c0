/**
 * Operations that are made of others. What they take and launch carries their name, not those of their parts, and what they make on the
 * way is disposed of.
 *
 * float16 enters and leaves them, and their VJPs, and all between is float32, so that nothing on the way overflows, vanishes or is rounded
 * where only the result must be.
 */
import { currentAutocast, withAutocast } from '../autograd/modes';
import { runOperation } from '../core/currentOperation';
import { isFloating } from '../core/dtype';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { to } from './elementwise/cast';
import { resultType } from './operands';

type Optional = Tensor | null | undefined;

/** The tensors, those of float16 as float32. For VJPs, whose results the walk brings to the dtypes of the inputs. */
export function widened<const T extends readonly Optional[]>(...tensors: T): T {
	return tensors.map((x) => (x?.dtype === 'float16' ? to(x, 'float32') : x)) as unknown as T;
}

/** Runs `body` as the operation `operation`, and disposes of what it makes on the way, as `tidy` does. */
export function composed<T>(operation: string, body: () => T): T {
	const whole = currentAutocast() === null ? body : () => withAutocast(null, body);
	return runOperation(operation, () => tidy(whole));
}

/**
 * `body` of the tensors, as the operation `operation`, those of float16 as float32; its floating results become float16 again if that is what the inputs meet in. What
 * `body` makes on the way is disposed of, as by `tidy`.
 */
export function inFloat32<const T extends readonly Optional[], R extends Optional | readonly Optional[]>(
	operation: string,
	inputs: T,
	body: (...inputs: T) => R,
): R {
	const casting = currentAutocast();
	if (casting !== null) return casting.call(operation, inputs, (cast) => inFloat32(operation, cast, body));
	const floating = inputs.filter((x): x is T[number] & Tensor => x != null && isFloating(x.dtype));
	if (!floating.some(({ dtype }) => dtype === 'float16')) return composed(operation, () => body(...inputs));
	const dtype = resultType(...floating);
	const narrowed = (x: Optional) => (x != null && isFloating(x.dtype) ? to(x, dtype) : x);
	return composed(operation, () => {
		const result = body(...widened(...inputs));
		return (result instanceof Tensor || result == null ? narrowed(result) : result.map(narrowed)) as R;
	});
}
