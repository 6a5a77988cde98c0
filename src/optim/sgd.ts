/** Stochastic gradient descent. */
import { requireNonNegative } from '../core/checks';
import { ArgumentError } from '../core/errors';
import type { Tensor } from '../tensor';
import { type CommonOptions, type GroupInput, Optimizer, type ParamGroup } from './optimizer';
import { partsBy, type Run, runOf, type Target } from './targets';

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

	protected override update(targets: readonly Target[], group: ParamGroup<SGDOptions>): void {
		const isFirst = ({ state }: Target) => state.momentumBuffer === undefined;
		for (const part of partsBy(targets, isFirst)) {
			const first = isFirst(part[0]!);
			for (const run of this.#runs(part, first)) {
				if (group.momentum === 0) run.kernels.sgdStep(run.inputs, { params: run.params }, { ...group, first });
				else {
					const [buffer] = this.slots(run.targets, ['momentumBuffer']);
					run.kernels.sgdStep(run.inputs, { params: run.params, buffer: buffer! }, { ...group, first });
				}
			}
		}
	}

	/** Steps are counted only where they may be skipped. */
	#runs(targets: readonly Target[], first: boolean): readonly Run[] {
		return partsBy(targets, ({ state }) => this.countsOnDevice(state)).flatMap((part) => {
			if (!this.countsOnDevice(part[0]!.state)) return [runOf(part, { t: 0, control: undefined })];
			// A buffer that was made before steps were counted is not made again.
			for (const { state } of part) state.step ??= first ? 0 : 1;
			return this.counted(part);
		});
	}
}
