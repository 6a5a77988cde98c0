/** Gradient clipping. It runs on the device and reads nothing back. */

import { noGrad } from '../autograd/modes';
import { optimizerKernels } from '../backends/kernels';
import { requireNonNegative, requireNumber } from '../core/checks';
import { isHalf } from '../core/halves';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { zeros } from '../ops/creation';
import { add, clamp, div } from '../ops/elementwise';
import { copy_, mul_ } from '../ops/inplace';
import { contiguous, detach, stack } from '../ops/layout';
import { norm } from '../ops/reduce';
import { emptyOn, markWritten, Tensor } from '../tensor';
import { requireParameters, requireRank, requireTensor, requireTensors } from '../tensorChecks';
import { tidy } from '../tidy';

/** Not recorded on the tape, even for gradients that are (createGraph). */
function gradientsOf(operation: string, parameters: Tensor | Iterable<Tensor>): Tensor[] {
	return requireParameters(operation, parameters).flatMap(({ grad }) => (grad === null ? [] : [detach(grad)]));
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
				scaleAll(gradients, factor);
				return total;
			}),
		),
	);
}

/** Multiplies gradients by `factor`, in place. */
function scaleAll(gradients: readonly Tensor[], factor: Tensor): void {
	const isFused = ({ isContiguous, dtype, device }: Tensor) =>
		isContiguous && !isHalf(dtype) && dtype === factor.dtype && device === factor.device;
	const fused = gradients.filter(isFused);
	optimizerKernels(factor.backend).scaleGradients({ factor }, { gradients: fused }, {});
	for (const gradient of fused) markWritten(gradient, 'clipGradNorm');
	for (const gradient of gradients) if (!isFused(gradient)) mul_(gradient, factor);
}

/** Whether one kernel can process all gradients. */
function areAlike([first, ...others]: readonly Tensor[]): boolean {
	return (
		first !== undefined &&
		!isHalf(first.dtype) &&
		others.every(({ device, dtype }) => device === first.device && dtype === first.dtype)
	);
}

/**
 * The norm of all tensors as one vector, as a scalar tensor: of gradients, for example. `normType` is the p of the norm. Default 2. As
 * `torch.nn.utils.get_total_norm`.
 */
export function getTotalNorm(tensors: Tensor | Iterable<Tensor>, options: { normType?: number } = {}): Tensor {
	const { normType = 2 } = checkOptions('getTotalNorm', options, ['normType']);
	requireNumber('getTotalNorm', 'normType', normType);
	const list = tensors instanceof Tensor ? [tensors] : [...tensors];
	requireTensors('getTotalNorm', 'the tensors', list);
	return runOperation('getTotalNorm', () => tidy(() => (list.length === 0 ? zeros([]) : totalNorm(list, normType))));
}

/**
 * Scales all gradients by min(1, maxNorm / (totalNorm + 1e-6)), for a norm that is known already, a scalar tensor: of several groups together,
 * for example. As `torch.nn.utils.clip_grads_with_norm_`.
 */
export function clipGradsWithNorm(parameters: Tensor | Iterable<Tensor>, maxNorm: number, totalNorm: Tensor): void {
	requireNonNegative('clipGradsWithNorm', 'maxNorm', maxNorm);
	requireTensor('clipGradsWithNorm', totalNorm, 'totalNorm');
	requireRank('clipGradsWithNorm', 'totalNorm', totalNorm, 'a scalar', 0);
	runOperation('clipGradsWithNorm', () =>
		noGrad(() =>
			tidy(() => {
				const factor = factorOf(detach(totalNorm), maxNorm);
				for (const gradient of gradientsOf('clipGradsWithNorm', parameters)) mul_(gradient, factor);
			}),
		),
	);
}

function factorOf(total: Tensor, maxNorm: number): Tensor {
	return clamp(div(maxNorm, add(total, 1e-6)), { max: 1 });
}

function totalNorm(tensors: readonly Tensor[], p: number): Tensor {
	return norm(stack(tensors.map((tensor) => norm(tensor, undefined, { p }))), undefined, { p });
}

type NormAndFactor = readonly [total: Tensor, factor: Tensor];

function fused(gradients: readonly Tensor[], maxNorm: number): NormAndFactor {
	const views = gradients.map(contiguous);
	const [total, factor] = [emptyOn(views[0]!, []), emptyOn(views[0]!, [])];
	optimizerKernels(total.backend).clipFactor({ gradients: views }, { norm: total, factor }, { maxNorm });
	return [total, factor];
}

function composed(gradients: readonly Tensor[], maxNorm: number, p: number): NormAndFactor {
	const total = totalNorm(gradients, p);
	return [total, factorOf(total, maxNorm)];
}

/** Limits every element of every gradient to [-clipValue, clipValue]. As `torch.nn.utils.clip_grad_value_`. */
export function clipGradValue(parameters: Tensor | Iterable<Tensor>, clipValue: number): void {
	requireNonNegative('clipGradValue', 'clipValue', clipValue);
	runOperation('clipGradValue', () =>
		noGrad(() =>
			tidy(() => {
				const gradients = gradientsOf('clipGradValue', parameters);
				for (const device of new Set(gradients.map(({ backend }) => backend))) {
					const fused = gradients.filter(({ isContiguous, backend }) => isContiguous && backend === device);
					optimizerKernels(device).limitGradients({}, { gradients: fused }, { limit: clipValue });
					for (const gradient of fused) markWritten(gradient, 'clipGradValue');
				}
				for (const gradient of gradients)
					if (!gradient.isContiguous) copy_(gradient, clamp(gradient, { min: -clipValue, max: clipValue }));
			}),
		),
	);
}
