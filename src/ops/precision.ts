/**
 * float16 in operations and VJPs that are made of others: it enters and leaves them, and all between is float32, so that nothing on
 * the way overflows, vanishes or is rounded where only the result must be.
 */
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

/**
 * `body` of the tensors, those of float16 as float32; its floating results become float16 again if that is what the inputs meet in. What
 * `body` makes on the way is disposed of, as by `tidy`.
 */
export function inFloat32<const T extends readonly Optional[], R extends Optional | readonly Optional[]>(
	inputs: T,
	body: (...inputs: T) => R,
): R {
	const floating = inputs.filter((x): x is T[number] & Tensor => x != null && isFloating(x.dtype));
	if (!floating.some(({ dtype }) => dtype === 'float16')) return tidy(() => body(...inputs));
	const dtype = resultType(...floating);
	const narrowed = (x: Optional) => (x != null && isFloating(x.dtype) ? to(x, dtype) : x);
	return tidy(() => {
		const result = body(...widened(...inputs));
		return (result instanceof Tensor || result == null ? narrowed(result) : result.map(narrowed)) as R;
	});
}
