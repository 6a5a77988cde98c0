/** Variants of Adam: Adamax, NAdam, RAdam. */
import { requireNonNegative } from '../core/checks';
import { Tensor } from '../tensor';
import { type CommonOptions, type GroupInput, Optimizer, type ParamGroup, requireBetas } from './optimizer';
import { partsBy, type Target } from './targets';

export interface AdamaxOptions extends CommonOptions {
	/** Decay of the running mean and of the running maximum. Default [0.9, 0.999]. */
	betas: readonly [number, number];
	/** Added to the absolute value of each gradient. Default 1e-8. */
	eps: number;
}

/**
 * Adam with a decaying maximum of the gradients instead of the root of the running square. Kingma and Ba 2015. Default lr 2e-3. As
 * `torch.optim.Adamax`.
 */
export class Adamax extends Optimizer<AdamaxOptions> {
	protected override readonly skipsOnDevice = true;
	constructor(params: Iterable<Tensor> | Iterable<GroupInput<AdamaxOptions>>, options: Partial<AdamaxOptions> = {}) {
		super(params, { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, l1: 0, maximize: false }, options);
	}

	protected override validate({ betas, eps }: ParamGroup<AdamaxOptions>): void {
		requireBetas(this.constructor.name, betas);
		requireNonNegative(this.constructor.name, 'eps', eps);
	}

	protected override update(targets: readonly Target[], group: ParamGroup<AdamaxOptions>): void {
		const [beta1, beta2] = group.betas;
		for (const run of this.counted(targets, { kind: 'adam', beta1, beta2 })) {
			const [m, largest] = this.slots(run.targets, ['expAvg', 'expInf']);
			const lr = run.control ? group.lr : group.lr / (1 - beta1 ** run.t);
			const outputs = { params: run.params, m: m!, largest: largest! };
			run.kernels.adamaxStep(run.inputs, outputs, { ...group, lr, beta1, beta2 });
		}
	}
}

export interface RAdamOptions extends CommonOptions {
	/** Decay of the running mean and of the running square. Default [0.9, 0.999]. */
	betas: readonly [number, number];
	/** Added to the root of the square. Default 1e-8. */
	eps: number;
	/** Apply weight decay to the parameter itself, as AdamW does. Default false. */
	decoupledWeightDecay: boolean;
}

export interface NAdamOptions extends RAdamOptions {
	/** How fast the momentum rises to beta1. Default 4e-3. */
	momentumDecay: number;
}

/** Adam with Nesterov's momentum. Dozat 2016. Default lr 2e-3. As `torch.optim.NAdam`. */
export class NAdam extends Optimizer<NAdamOptions> {
	protected override readonly skipsOnDevice = true;
	constructor(params: Iterable<Tensor> | Iterable<GroupInput<NAdamOptions>>, options: Partial<NAdamOptions> = {}) {
		super(
			params,
			{
				lr: 2e-3,
				betas: [0.9, 0.999],
				eps: 1e-8,
				momentumDecay: 4e-3,
				decoupledWeightDecay: false,
				weightDecay: 0,
				l1: 0,
				maximize: false,
			},
			options,
		);
	}

	protected override validate({ betas, eps, momentumDecay }: ParamGroup<NAdamOptions>): void {
		requireBetas(this.constructor.name, betas);
		requireNonNegative(this.constructor.name, 'eps', eps);
		requireNonNegative(this.constructor.name, 'momentumDecay', momentumDecay);
	}

	protected override update(all: readonly Target[], group: ParamGroup<NAdamOptions>): void {
		// The product of the momentums so far; a tensor where steps may be skipped.
		const productOf = ({ state }: Target) => (state.muProduct instanceof Tensor ? null : (state.muProduct ?? 1));
		for (const part of partsBy(all, productOf)) this.#update(part, productOf(part[0]!), group);
	}

	#update(targets: readonly Target[], soFar: number | null, group: ParamGroup<NAdamOptions>): void {
		const { lr, momentumDecay } = group;
		const [beta1, beta2] = group.betas;
		const momentum = (step: number) => beta1 * (1 - 0.5 * 0.96 ** (step * momentumDecay));
		for (const run of this.counted(targets, { kind: 'nadam', beta1, beta2, momentumDecay })) {
			const { t } = run;
			const [m, v] = this.slots(run.targets, ['expAvg', 'expAvgSq']);
			const [mu, next] = [momentum(t), momentum(t + 1)];
			const counts = soFar !== null && run.control === undefined;
			const product = (soFar ?? 1) * mu;
			if (counts) for (const { state } of run.targets) state.muProduct = product;
			run.kernels.nadamStep(
				run.inputs,
				{ params: run.params, m: m!, v: v! },
				{
					...group,
					...decay(group),
					beta1,
					beta2,
					correction2: 1 - beta2 ** t,
					gradientRate: counts ? (lr * (1 - mu)) / (1 - product) : lr,
					meanRate: counts ? (lr * next) / (1 - product * next) : lr,
				},
			);
		}
	}
}

/** Adam that leaves out the running square until its variance is small enough. Liu et al. 2020. Default lr 1e-3. As `torch.optim.RAdam`. */
export class RAdam extends Optimizer<RAdamOptions> {
	protected override readonly skipsOnDevice = true;
	constructor(params: Iterable<Tensor> | Iterable<GroupInput<RAdamOptions>>, options: Partial<RAdamOptions> = {}) {
		super(
			params,
			{
				lr: 1e-3,
				betas: [0.9, 0.999],
				eps: 1e-8,
				decoupledWeightDecay: false,
				weightDecay: 0,
				l1: 0,
				maximize: false,
			},
			options,
		);
	}

	protected override validate({ betas, eps }: ParamGroup<RAdamOptions>): void {
		requireBetas(this.constructor.name, betas);
		requireNonNegative(this.constructor.name, 'eps', eps);
	}

	protected override update(targets: readonly Target[], group: ParamGroup<RAdamOptions>): void {
		const [beta1, beta2] = group.betas;
		// The length of the simple average that approximates the running square: in the limit, and at this step.
		const longest = 2 / (1 - beta2) - 1;
		for (const run of this.counted(targets, { kind: 'radam', beta1, beta2 })) {
			const { t } = run;
			const [m, v] = this.slots(run.targets, ['expAvg', 'expAvgSq']);
			const length = longest - (2 * t * beta2 ** t) / (1 - beta2 ** t);
			const adaptive = length > 5;
			let rate = run.control ? group.lr : group.lr / (1 - beta1 ** t);
			if (adaptive && !run.control) {
				rate *= Math.sqrt(((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length));
				rate *= Math.sqrt(1 - beta2 ** t);
			}
			run.kernels.radamStep(
				run.inputs,
				{ params: run.params, m: m!, v: v! },
				{ ...group, ...decay(group), beta1, beta2, rate, adaptive },
			);
		}
	}
}

/** Splits the weight decay into its L2 term in the gradient and the relative shrinkage of the parameter. */
function decay({ lr, weightDecay, decoupledWeightDecay }: RAdamOptions): { weightDecay: number; shrink: number } {
	return decoupledWeightDecay ? { weightDecay: 0, shrink: lr * weightDecay } : { weightDecay, shrink: 0 };
}
