/** Lion. */
import type { Tensor } from '../tensor';
import { type CommonOptions, type GroupInput, Optimizer, type ParamGroup, requireBetas } from './optimizer';
import type { Target } from './targets';

export interface LionOptions extends CommonOptions {
	/** The weight of the mean in the direction, and the decay of the mean. Default [0.9, 0.99]. */
	betas: readonly [number, number];
}

/**
 * param -= lr (sign(beta1 m + (1 - beta1) g) + weightDecay param), then m = beta2 m + (1 - beta2) g. Weight decay is decoupled. Every
 * element moves by lr, so use a third to a tenth of Adam's rate. Chen et al. 2023. Default lr 1e-4.
 */
export class Lion extends Optimizer<LionOptions> {
	protected override readonly skipsOnDevice = true;
	constructor(params: Iterable<Tensor> | Iterable<GroupInput<LionOptions>>, options: Partial<LionOptions> = {}) {
		super(params, { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0, l1: 0, maximize: false }, options);
	}

	protected override validate({ betas }: ParamGroup<LionOptions>): void {
		requireBetas(this.constructor.name, betas);
	}

	protected override update(targets: readonly Target[], group: ParamGroup<LionOptions>): void {
		const [beta1, beta2] = group.betas;
		const shrink = group.lr * group.weightDecay;
		for (const run of this.counted(targets)) {
			const [m] = this.slots(run.targets, ['expAvg']);
			run.kernels.lionStep(run.inputs, { params: run.params, m: m! }, { ...group, weightDecay: 0, shrink, beta1, beta2 });
		}
	}
}
