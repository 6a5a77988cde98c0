/** Spectral normalization: divides a weight by its largest singular value. */

import { noGrad } from '../autograd/modes';
import { repeats } from '../core/capture';
import { requireInteger, requireNonNegative } from '../core/checks';
import { checkOptions } from '../core/options';
import { MAX_RANK, normalizeDim } from '../core/shape';
import { div } from '../ops/elementwise';
import { copy_ } from '../ops/inplace';
import { clone, movedim, reshape, transpose } from '../ops/layout';
import { dot, mv } from '../ops/matmul';
import { normalize } from '../ops/norm';
import { randn } from '../ops/random';
import type { Tensor } from '../tensor';
import { requireRank } from '../tensorChecks';
import { tidy } from '../tidy';
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from './convolution';
import type { Module } from './module';
import { computeProperty, ownParameter } from './parametrize';

export interface SpectralNormOptions {
	/** The name of the module's parameter. Default 'weight'. */
	readonly name?: string;
	/** Steps of the power iteration before each forward in training. Default 1. */
	readonly nPowerIterations?: number;
	/** The least length of a vector that is normalized. Default 1e-12. */
	readonly eps?: number;
	/** The dim of the outputs. Default 0, and 1 for transposed convolutions. */
	readonly dim?: number;
}

/**
 * Divides a module's weight by its largest singular value, which a power iteration follows during training. The parameter becomes
 * `weight_orig`; the vectors are the buffers `weight_u` and `weight_v`. Call it before you create an optimizer. Returns the module. Miyato
 * et al. 2018. As `torch.nn.utils.spectral_norm`.
 */
export function spectralNorm<M extends Module>(module: M, options: SpectralNormOptions = {}): M {
	const isTransposed = [ConvTranspose1d, ConvTranspose2d, ConvTranspose3d].some((layer) => module instanceof layer);
	const {
		name = 'weight',
		nPowerIterations = 1,
		eps = 1e-12,
		dim = isTransposed ? 1 : 0,
	} = checkOptions('spectralNorm', options, ['name', 'nPowerIterations', 'eps', 'dim']);
	requireInteger('spectralNorm', 'nPowerIterations', nPowerIterations, 1);
	requireNonNegative('spectralNorm', 'eps', eps);
	const { property, parameter } = ownParameter('spectralNorm', module, name);
	requireRank('spectralNorm', `'${name}'`, parameter, 'of at least 2 dims', 2, MAX_RANK);
	const at = normalizeDim('spectralNorm', dim, parameter.ndim);
	const [original, left, right] = [`${name}_orig`, `${name}_u`, `${name}_v`];
	const matrixOf = (weight: Tensor) => {
		const first = movedim(weight, at, 0);
		return reshape(first, [first.shape[0]!, -1]);
	};
	const unit = (x: Tensor) => normalize(x, { dim: 0, eps });
	const iterate = (owner: Module, steps: number) =>
		noGrad(() =>
			tidy(() => {
				const matrix = matrixOf(owner.getParameter(original));
				const [u, v] = [owner.buffer(left), owner.buffer(right)];
				for (let step = 0; step < steps; step++) {
					copy_(v, unit(mv(transpose(matrix, 0, 1), u)));
					copy_(u, unit(mv(matrix, v)));
				}
			}),
		);
	const { dtype, device } = parameter;
	const [rows, columns] = tidy(() => matrixOf(parameter).shape) as [number, number];
	module.registerBuffer(
		left,
		tidy(() => unit(randn([rows], { dtype, device }))),
	);
	module.registerBuffer(
		right,
		tidy(() => unit(randn([columns], { dtype, device }))),
	);
	computeProperty(module, property, (owner) =>
		tidy(() => {
			const weight = owner.getParameter(original);
			// Copies, because the next iteration writes into the buffers and the graph must keep these values.
			const [u, v] = [clone(owner.buffer(left)), clone(owner.buffer(right))];
			return div(weight, dot(u, mv(matrixOf(weight), v)));
		}),
	);
	module.registerParameter(original, parameter);
	module.registerForwardPreHook(
		repeats((owner: Module) => {
			if (owner.training) iterate(owner, nPowerIterations);
		}),
	);
	return module;
}
