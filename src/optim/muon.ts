/** Muon. */
import { requireCounts, requireNonNegative, requireOneOf } from '../core/checks';
import { ArgumentError, formatShape } from '../core/errors';
import { widened } from '../ops/composed';
import { add, clamp, mul, neg, reciprocal, sign } from '../ops/elementwise';
import { add_, mul_, sub_, writeInFloat32 } from '../ops/inplace';
import { transpose } from '../ops/layout';
import { matmul } from '../ops/matmul';
import { norm } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { type CommonOptions, type GroupInput, Optimizer, type ParamGroup } from './optimizer';
import type { Target } from './targets';

export interface MuonOptions extends CommonOptions {
	/** Default 0.95. */
	momentum: number;
	/** Default true. */
	nesterov: boolean;
	/** The quintic's coefficients. Default [3.4445, -4.775, 2.0315]. */
	nsCoefficients: readonly [number, number, number];
	/** The least norm that a direction is divided by before the iteration. Default 1e-7. */
	eps: number;
	/** Newton-Schulz iterations. Default 5. */
	nsSteps: number;
	/**
	 * The factor of the rate for a shape [rows, columns]. 'original': sqrt(max(1, rows / columns)). 'match_rms_adamw': 0.2 sqrt(max(rows,
	 * columns)), for AdamW's rates. Default 'original'.
	 */
	adjustLr: 'original' | 'match_rms_adamw';
}

/**
 * Momentum with an orthogonalized direction: a Newton-Schulz iteration of matrix products brings all singular values near 1. For weight
 * matrices of hidden layers; give biases, embeddings and the last layer to another optimizer. Weight decay is decoupled. Jordan et al.
 * 2024. Default lr 1e-3, weightDecay 0.1. As `torch.optim.Muon`, but in the parameter's own precision.
 */
export class Muon extends Optimizer<MuonOptions> {
	constructor(params: Iterable<Tensor> | Iterable<GroupInput<MuonOptions>>, options: Partial<MuonOptions> = {}) {
		super(
			params,
			{
				lr: 1e-3,
				momentum: 0.95,
				nesterov: true,
				nsCoefficients: [3.4445, -4.775, 2.0315],
				eps: 1e-7,
				nsSteps: 5,
				adjustLr: 'original',
				weightDecay: 0.1,
				l1: 0,
				maximize: false,
			},
			options,
		);
	}

	protected override validate({ params, momentum, eps, nsSteps, adjustLr }: ParamGroup<MuonOptions>): void {
		for (const { shape } of params) {
			if (shape.length !== 2) {
				throw new ArgumentError(
					`Muon: it takes matrices, not a parameter of shape ${formatShape(shape)}. Give biases, norms and filters to AdamW`,
				);
			}
		}
		requireNonNegative(this.constructor.name, 'momentum', momentum);
		requireNonNegative(this.constructor.name, 'eps', eps);
		requireCounts('Muon', { nsSteps }, 1);
		requireOneOf('Muon', 'adjustLr', adjustLr, ['original', 'match_rms_adamw']);
	}

	protected override update(targets: readonly Target[], group: ParamGroup<MuonOptions>): void {
		for (const target of targets) this.#update(target, group);
	}

	#update({ param, gradient, state }: Target, group: ParamGroup<MuonOptions>): void {
		const { lr, momentum, nesterov, adjustLr, weightDecay, l1, maximize } = group;
		this.advance(state);
		const buffer = this.slot(state, 'momentumBuffer', param);
		const [rows, columns] = [param.shape[0]!, param.shape[1]!];
		const factor = adjustLr === 'original' ? Math.sqrt(Math.max(1, rows / columns)) : 0.2 * Math.sqrt(Math.max(rows, columns));
		tidy(() => {
			const [wide] = widened(gradient);
			let g = maximize ? neg(wide) : wide;
			if (l1 !== 0) g = add(g, sign(param), { alpha: l1 });
			add_(mul_(buffer, momentum), g, { alpha: 1 - momentum });
			const direction = nesterov ? add(mul(g, 1 - momentum), buffer, { alpha: momentum }) : buffer;
			const orthogonal = orthogonalized(direction, group);
			writeInFloat32(param, (target) => {
				if (weightDecay !== 0) mul_(target, 1 - lr * weightDecay);
				sub_(target, orthogonal, { alpha: lr * factor });
			});
		});
	}
}

/** Brings the singular values near 1: repeats x = a x + (b x x^T + c (x x^T)^2) x, starting with norm 1. */
function orthogonalized(direction: Tensor, { nsCoefficients: [a, b, c], nsSteps, eps }: MuonOptions): Tensor {
	const [rows, columns] = [direction.shape[0]!, direction.shape[1]!];
	// x x^T has the size of the shorter side.
	const tall = rows > columns;
	let x = mul(direction, reciprocal(clamp(norm(direction), { min: eps })));
	if (tall) x = transpose(x, 0, 1);
	for (let step = 0; step < nsSteps; step++) {
		const gram = matmul(x, transpose(x, 0, 1));
		const polynomial = add(mul(gram, b), matmul(gram, gram), { alpha: c });
		x = add(mul(x, a), matmul(polynomial, x));
	}
	return tall ? transpose(x, 0, 1) : x;
}
