/** Gradient clipping. It runs on the device and reads nothing back. */
import { noGrad } from '../autograd/modes';
import { requireNonNegative } from '../core/checks';
import { runOperation } from '../core/currentOperation';
import { ArgumentError } from '../core/errors';
import { isHalf } from '../core/halves';
import { checkOptions } from '../core/options';
import { zeros } from '../ops/creation';
import { add, clamp, div } from '../ops/elementwise';
import { copy_, mul_ } from '../ops/inplace';
import { contiguous, detach, stack } from '../ops/layout';
import { norm } from '../ops/reduce';
import { emptyOn, Tensor } from '../tensor';
import { tidy } from '../tidy';

/** Not recorded on the tape, even for gradients that are (createGraph). */
function gradientsOf(operation: string, parameters: Tensor | Iterable<Tensor>): Tensor[] {
	const list = parameters instanceof Tensor ? [parameters] : [...parameters];
	if (!list.every((parameter) => parameter instanceof Tensor))
		throw new ArgumentError(`${operation}: it takes parameters, such as model.parameters()`);
	return list.flatMap(({ grad }) => (grad === null ? [] : [detach(grad)]));
}

/**
 * Scales all gradients by min(1, maxNorm / (total + 1e-6)), where total is the norm of all gradients as one vector. Returns the total as a
 * scalar tensor. `normType` is the p of the norm; Infinity takes the largest element. Default 2. As `torch.nn.utils.clip_grad_norm_`.
 */
export function clipGradNorm(
	parameters: Tensor | Iterable<Tensor>,
	maxNorm: number,
	options: { normType?: number } = {},
): Tensor {
	const { normType = 2 } = checkOptions('clipGradNorm', options, ['normType']);
	requireNonNegative('clipGradNorm', 'maxNorm', maxNorm);
	return runOperation('clipGradNorm', () =>
		noGrad(() =>
			tidy(() => {
				const gradients = gradientsOf('clipGradNorm', parameters);
				if (gradients.length === 0) return zeros([]);
				const [total, factor] =
					normType === 2 && areAlike(gradients) ? fused(gradients, maxNorm) : composed(gradients, maxNorm, normType);
				for (const gradient of gradients) mul_(gradient, factor);
				return total;
			}),
		),
	);
}

/** Whether one kernel can process all gradients. */
function areAlike([first, ...others]: readonly Tensor[]): boolean {
	return (
		first !== undefined &&
		!isHalf(first.dtype) &&
		others.every(({ device, dtype }) => device === first.device && dtype === first.dtype)
	);
}

type NormAndFactor = readonly [total: Tensor, factor: Tensor];

function fused(gradients: readonly Tensor[], maxNorm: number): NormAndFactor {
	const views = gradients.map(contiguous);
	const [total, factor] = [emptyOn(views[0]!, []), emptyOn(views[0]!, [])];
	total.backend.kernels.clipFactor({ gradients: views }, { norm: total, factor }, { maxNorm });
	return [total, factor];
}

function composed(gradients: readonly Tensor[], maxNorm: number, p: number): NormAndFactor {
	const total = norm(stack(gradients.map((gradient) => norm(gradient, undefined, { p }))), undefined, { p });
	return [total, clamp(div(maxNorm, add(total, 1e-6)), { max: 1 })];
}

/** Limits every element of every gradient to [-clipValue, clipValue]. As `torch.nn.utils.clip_grad_value_`. */
export function clipGradValue(parameters: Tensor | Iterable<Tensor>, clipValue: number): void {
	requireNonNegative('clipGradValue', 'clipValue', clipValue);
	runOperation('clipGradValue', () =>
		noGrad(() =>
			tidy(() => {
				for (const gradient of gradientsOf('clipGradValue', parameters))
					copy_(gradient, clamp(gradient, { min: -clipValue, max: clipValue }));
			}),
		),
	);
}
