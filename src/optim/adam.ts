/** Adam and AdamW. */
import { requireNonNegative } from '../core/checks';
import { requireOptions } from '../core/options';
import type { Tensor } from '../tensor';
import { type CommonOptions, type GroupInput, Optimizer, type ParamGroup, requireBetas } from './optimizer';
import type { Target } from './targets';

export interface AdamOptions extends CommonOptions {
	/** Decay of the running mean and of the running square. Default [0.9, 0.999]. */
	betas: readonly [number, number];
	/** Added to the root of the square. Default 1e-8. */
	eps: number;
	/** Divide by the largest square so far, Reddi et al. 2018. Default false. */
	amsgrad: boolean;
}

/** Kingma and Ba 2015. `weightDecay` adds an L2 term to the gradient. Default lr 1e-3. As `torch.optim.Adam`. */
export class Adam extends Optimizer<AdamOptions> {
	protected override readonly skipsOnDevice = true;
	protected readonly decoupled: boolean = false;

	constructor(params: Iterable<Tensor> | Iterable<GroupInput<AdamOptions>>, options: Partial<AdamOptions> = {}) {
		super(
			params,
			{
				lr: 1e-3,
				betas: [0.9, 0.999],
				eps: 1e-8,
				amsgrad: false,
				weightDecay: 0,
				l1: 0,
				maximize: false,
			},
			options,
		);
	}

	/** Adds `decoupledWeightDecay`, the option that distinguishes AdamW. @internal */
	override get initialOptions(): readonly Readonly<Record<string, unknown>>[] {
		return super.initialOptions.map((options) => ({ ...options, decoupledWeightDecay: this.decoupled }));
	}

	protected override validate({ betas, eps }: ParamGroup<AdamOptions>): void {
		requireBetas(this.constructor.name, betas);
		requireNonNegative(this.constructor.name, 'eps', eps);
	}

	protected override update(targets: readonly Target[], group: ParamGroup<AdamOptions>): void {
		const [beta1, beta2] = group.betas;
		const { lr, eps, maximize, weightDecay, l1, amsgrad } = group;
		const slots = amsgrad ? ['expAvg', 'expAvgSq', 'maxExpAvgSq'] : ['expAvg', 'expAvgSq'];
		for (const run of this.counted(targets, { kind: 'adam', beta1, beta2 })) {
			const { t } = run;
			const [m, v, largest] = this.slots(run.targets, slots);
			const corrections = run.control
				? { correction1: 1, correction2: 1 }
				: { correction1: 1 - beta1 ** t, correction2: 1 - beta2 ** t };
			run.kernels.adamStep(
				run.inputs,
				{ params: run.params, m: m!, v: v!, ...(largest && { largest }) },
				{ lr, beta1, beta2, eps, maximize, weightDecay, l1, decoupled: this.decoupled, ...corrections },
			);
		}
	}
}

/** Adam with weight decay on the parameter itself, Loshchilov and Hutter 2019. Default weightDecay 0.01. As `torch.optim.AdamW`. */
export class AdamW extends Adam {
	protected override readonly decoupled = true;

	constructor(params: Iterable<Tensor> | Iterable<GroupInput<AdamOptions>>, options: Partial<AdamOptions> = {}) {
		super(params, { weightDecay: 0.01, ...requireOptions('AdamW', options) });
	}
}
