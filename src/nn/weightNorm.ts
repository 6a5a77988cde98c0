/** Weight normalization: learns a weight as a length and a direction. */
import { noGrad } from '../autograd/modes';
import { checkOptions } from '../core/options';
import { normalizeDim } from '../core/shape';
import { div, mul } from '../ops/elementwise';
import { norm } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import type { Module } from './module';
import { Parameter } from './parameter';
import { computeProperty, ownParameter } from './parametrize';

export interface WeightNormOptions {
	/** The name of the module's parameter. Default 'weight'. */
	readonly name?: string;
	/** The dim along which norms are computed separately; null for one norm. Default 0. */
	readonly dim?: number | null;
}

/**
 * Replaces a module's weight by the parameters `weight_g` (lengths) and `weight_v` (directions). The weight is then g v / |v|, computed at each use.
 * Call it before you create an optimizer. Returns the module. Salimans and Kingma 2016. As `torch.nn.utils.weight_norm`.
 */
export function weightNorm<M extends Module>(module: M, options: WeightNormOptions = {}): M {
	const { name = 'weight', dim = 0 } = checkOptions('weightNorm', options, ['name', 'dim']);
	const { property, parameter: weight } = ownParameter('weightNorm', module, name);
	const along = dim === null ? null : normalizeDim('weightNorm', dim, weight.ndim);
	const others = along === null ? undefined : weight.shape.flatMap((_, d) => (d === along ? [] : [d]));
	const lengths = (direction: Tensor) => norm(direction, others, { keepdim: others !== undefined });
	computeProperty(module, property, (owner) => {
		const [g, v] = [owner.getParameter(`${name}_g`), owner.getParameter(`${name}_v`)];
		return tidy(() => mul(v, div(g, lengths(v))));
	});
	module.registerParameter(`${name}_g`, new Parameter(noGrad(() => lengths(weight))));
	module.registerParameter(`${name}_v`, weight);
	return module;
}
