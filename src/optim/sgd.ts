/** Stochastic gradient descent. */
import { optimizerKernels } from '../backends/kernels';
import { requireNonNegative } from '../core/checks';
import { ArgumentError } from '../core/errors';
import type { Tensor } from '../tensor';
import { type CommonOptions, type GroupInput, Optimizer, type ParamGroup, type ParamState } from './optimizer';

export interface SGDOptions extends CommonOptions {
	/** Default 0. */
	momentum: number;
	/** The fraction of each new gradient that the momentum buffer leaves out. Default 0. */
	dampening: number;
	/** Sutskever et al. 2013. Needs momentum and no dampening. Default false. */
	nesterov: boolean;
}

/** SGD with momentum, PyTorch's form: b = momentum b + (1 - dampening) g, param -= lr b. Default lr 1e-3. As `torch.optim.SGD`. */
export class SGD extends Optimizer<SGDOptions> {
	protected override readonly skipsOnDevice = true;
	constructor(params: Iterable<Tensor> | Iterable<GroupInput<SGDOptions>>, options: Partial<SGDOptions> = {}) {
		super(params, { lr: 1e-3, momentum: 0, dampening: 0, nesterov: false, weightDecay: 0, l1: 0, maximize: false }, options);
	}

	protected override validate({ momentum, dampening, nesterov }: ParamGroup<SGDOptions>): void {
		requireNonNegative('SGD', 'momentum', momentum);
		if (nesterov && (momentum <= 0 || dampening !== 0))
			throw new ArgumentError('SGD: nesterov needs momentum above 0 and dampening 0');
	}

	protected override update(param: Tensor, gradient: Tensor, group: ParamGroup<SGDOptions>, state: ParamState): void {
		const { backend } = param;
		const first = state.momentumBuffer === undefined;
		const counts = this.countsOnDevice(state);
		// A buffer that was made before steps were counted is not made again.
		if (counts && state.step === undefined) state.step = first ? 0 : 1;
		const { t: _, ...control } = counts ? this.count(state, param) : { t: 0 };
		const inputs = { gradient, ...control };
		if (group.momentum === 0) optimizerKernels(backend).sgdStep(inputs, { param }, { ...group, first });
		else
			optimizerKernels(backend).sgdStep(
				inputs,
				{ param, buffer: this.slot(state, 'momentumBuffer', param) },
				{ ...group, first },
			);
	}
}
