/** Loss scaling for gradients in float16. */

import { noGrad } from '../autograd/modes';
import { gradScalerKernels } from '../backends/kernels';
import { live, witness } from '../core/capture';
import { requireBoolean, requireFraction, requireInteger, wrongArgument } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { checkState, isCount, isNumber } from '../core/state';
import { full, zeros } from '../ops/creation';
import { add, mul } from '../ops/elementwise';
import { copy_, fill_ } from '../ops/inplace';
import { clone } from '../ops/layout';
import { markWritten, packed, Tensor } from '../tensor';
import { requireSameDevice, requireTensors } from '../tensorChecks';
import { keep, tidy } from '../tidy';
import { LBFGS } from './lbfgs';
import { type CommonOptions, type Optimizer, requireOptimizer } from './optimizer';

export interface GradScalerOptions {
	/** The scale at the start. Default 65536. */
	readonly initScale?: number;
	/** The scale is multiplied by this after `growthInterval` steps in a row that were not skipped. Default 2. */
	readonly growthFactor?: number;
	/** The scale is multiplied by this after a skipped step. Default 0.5. */
	readonly backoffFactor?: number;
	/** Default 2000. */
	readonly growthInterval?: number;
	/** False makes every method pass through: `scale` returns its argument, and `step` steps. Default true. */
	readonly enabled?: boolean;
}

/** Plain data. A saved state holds scale and tracker as tensors on the device; a state to load may hold numbers. Empty if not enabled. */
export interface GradScalerState {
	readonly scale?: Tensor | number;
	readonly growthFactor?: number;
	readonly backoffFactor?: number;
	readonly growthInterval?: number;
	readonly growthTracker?: Tensor | number;
}

/** The progress of an optimizer since the last `update`. */
interface Stage {
	/** int32, 1 if a gradient was infinite or NaN. */
	readonly found: Tensor;
	hasStepped: boolean;
}

const NAMES = ['initScale', 'growthFactor', 'backoffFactor', 'growthInterval', 'enabled'] as const;

/**
 * Scales the loss so that small gradients do not vanish in float16. If gradients overflow, skips the step and lowers the scale. After
 * enough steps without an overflow, raises the scale. The check, the skip and the scale stay on the device: nothing is read back. As
 * `torch.amp.GradScaler`.
 *
 * ```ts
 * const scaler = new GradScaler();
 * const loss = autocast(() => crossEntropy(model.forward(x), y));
 * scaler.scale(loss).backward();
 * scaler.step(optimizer);
 * scaler.update();
 * ```
 */
export class GradScaler {
	readonly growthFactor: number;
	readonly backoffFactor: number;
	readonly growthInterval: number;
	readonly enabled: boolean;
	readonly #stages = new Map<Optimizer<CommonOptions>, Stage>();
	#scale: Tensor | number;
	#tracker: Tensor | number = 0;

	constructor(options: GradScalerOptions = {}) {
		const {
			initScale = 65536,
			growthFactor = 2,
			backoffFactor = 0.5,
			growthInterval = 2000,
			enabled = true,
		} = checkOptions('GradScaler', options, NAMES);
		requireBoolean('GradScaler', 'enabled', enabled);
		requireRule('GradScaler', { scale: initScale, growthFactor, backoffFactor, growthInterval });
		this.#scale = initScale;
		this.growthFactor = growthFactor;
		this.backoffFactor = backoffFactor;
		this.growthInterval = growthInterval;
		this.enabled = enabled;
	}

	/** Multiplies one loss, or several, by the scale. Call `backward()` on the result. */
	scale(loss: Tensor): Tensor;
	scale(losses: readonly Tensor[]): Tensor[];
	scale(losses: Tensor | readonly Tensor[]): Tensor | Tensor[] {
		const list = losses instanceof Tensor ? [losses] : losses;
		requireTensors('GradScaler.scale', 'the loss', list);
		if (!this.enabled) return losses as Tensor | Tensor[];
		const scaled = list.map((loss) => mul(loss, this.#scaleOn(loss)));
		return losses instanceof Tensor ? scaled[0]! : scaled;
	}

	/**
	 * Divides the gradients of the optimizer's parameters by the scale, in place. Call it to clip gradients before `step`; otherwise `step`
	 * does it. As `unscale_` in PyTorch.
	 */
	unscale_(optimizer: Optimizer<CommonOptions>): void {
		if (!this.enabled) return;
		requireOptimizer('GradScaler.unscale_', optimizer);
		if (this.#stages.has(optimizer)) {
			const after = this.#stages.get(optimizer)!.hasStepped ? 'step' : 'unscale_';
			throw new ArgumentError(
				`GradScaler.unscale_: ${after}() was already called for this optimizer since the last update(). Call update() after each step`,
			);
		}
		live(this, 'unscale_', () => this.#stages.set(optimizer, { found: this.#unscaled(optimizer), hasStepped: false }));
	}

	#unscaled(optimizer: Optimizer<CommonOptions>): Tensor {
		const gradients = optimizer.paramGroups.flatMap(({ params }) => params.flatMap(({ grad }) => (grad === null ? [] : [grad])));
		const [first] = gradients;
		if (first === undefined) {
			throw new ArgumentError(
				'GradScaler: no parameter of the optimizer has a gradient. Call backward() on scaler.scale(loss) first',
			);
		}
		const scale = this.#scaleOn(first);
		requireSameDevice('GradScaler.unscale_', scale, ...gradients);
		return runOperation('GradScaler.unscale_', () =>
			noGrad(() =>
				tidy(() => {
					const found = keep(zeros([], { dtype: 'int32', device: first.device }));
					const wholes = gradients.map(packed);
					gradScalerKernels(first.backend).unscale({ scale }, { gradients: wholes, found }, {});
					for (const [i, gradient] of gradients.entries()) {
						const whole = wholes[i]!;
						if (whole === gradient) markWritten(gradient, 'GradScaler.unscale_');
						else copy_(gradient, whole);
					}
					return found;
				}),
			),
		);
	}

	/**
	 * Steps the optimizer. If a gradient is infinite or NaN, parameters and state stay unchanged, including step counts. Unscales the
	 * gradients first if `unscale_` has not. Call `update()` after it.
	 */
	step(optimizer: Optimizer<CommonOptions>): void {
		requireOptimizer('GradScaler.step', optimizer);
		if (!this.enabled) {
			optimizer.step();
			return;
		}
		if (optimizer instanceof LBFGS) {
			throw new ArgumentError(
				'GradScaler.step: LBFGS computes the loss several times a step and reads it back. Train it in float32, without a scaler',
			);
		}
		if (this.#stages.get(optimizer)?.hasStepped)
			throw new ArgumentError('GradScaler.step: step() was already called for this optimizer since the last update()');
		live(this, 'step', () => {
			if (!this.#stages.has(optimizer)) this.unscale_(optimizer);
			const stage = this.#stages.get(optimizer)!;
			optimizer.stepUnless(stage.found);
			stage.hasStepped = true;
		});
	}

	/** Ends a step: lowers the scale after a skipped step, raises it after `growthInterval` good steps, or sets it to `newScale`. */
	update(newScale?: number): void {
		if (!this.enabled) return;
		if (newScale !== undefined) witness?.refuse('GradScaler.update takes a number of the host');
		live(this, 'update', () => this.#update(newScale));
	}

	#update(newScale: number | undefined): void {
		const stages = [...this.#stages.values()];
		if (newScale !== undefined) {
			requireRule('GradScaler.update', { ...this.#rule(), scale: newScale });
			if (this.#scale instanceof Tensor) fill_(this.#scale, newScale);
			else this.#scale = newScale;
		} else {
			const scale = this.#scale;
			const tracker = this.#tracker;
			if (stages.length === 0 || !(scale instanceof Tensor) || !(tracker instanceof Tensor))
				throw new ArgumentError('GradScaler.update: call step() or unscale_() of an optimizer first');
			runOperation('GradScaler.update', () =>
				noGrad(() =>
					tidy(() => {
						let found = stages[0]!.found;
						for (const stage of stages.slice(1)) found = add(found, stage.found);
						gradScalerKernels(scale.backend).updateScale({ found }, { scale, tracker }, this.#rule());
						for (const tensor of [scale, tracker]) markWritten(tensor, 'GradScaler.update');
					}),
				),
			);
		}
		for (const { found } of stages) found.dispose();
		this.#stages.clear();
	}

	/** The scale. It waits for the device, unlike PyTorch's. */
	async getScale(): Promise<number> {
		if (!this.enabled) return 1;
		return this.#scale instanceof Tensor ? this.#scale.item() : this.#scale;
	}

	/** For a checkpoint. See `loadStateDict`. */
	stateDict(): GradScalerState {
		if (!this.enabled) return {};
		const own = (value: Tensor | number) => (value instanceof Tensor ? noGrad(() => clone(value)) : value);
		const { growthFactor, backoffFactor, growthInterval } = this;
		return { scale: own(this.#scale), growthFactor, backoffFactor, growthInterval, growthTracker: own(this.#tracker) };
	}

	/** Throws an ArgumentError unless `loadStateDict` would take `saved`. @internal */
	requireLoadable(saved: GradScalerState): void {
		if (this.enabled) checkedState(saved);
	}

	/** Restores the scale, the rule and the number of steps since the scale changed. A scaler that is not enabled stays as it is. */
	loadStateDict(saved: GradScalerState): void {
		if (!this.enabled) return;
		const { scale, growthTracker, growthFactor, backoffFactor, growthInterval } = checkedState(saved);
		for (const tensor of [this.#scale, this.#tracker]) if (tensor instanceof Tensor) tensor.dispose();
		this.#scale = loaded(scale);
		this.#tracker = loaded(growthTracker);
		Object.assign(this, { growthFactor, backoffFactor, growthInterval });
		for (const { found } of this.#stages.values()) found.dispose();
		this.#stages.clear();
	}

	#rule() {
		const { growthFactor, backoffFactor, growthInterval } = this;
		return { growthFactor, backoffFactor, growthInterval };
	}

	/** The scale on the device of `x`, where it stays. */
	#scaleOn(x: Tensor): Tensor {
		const { device } = x;
		if (!(this.#scale instanceof Tensor)) this.#scale = keep(full([], this.#scale, { device }));
		if (!(this.#tracker instanceof Tensor)) this.#tracker = keep(full([], this.#tracker, { dtype: 'int32', device }));
		return this.#scale;
	}
}

/** Checks a state and returns it. */
function checkedState(saved: GradScalerState): Required<GradScalerState> {
	const name = 'GradScaler.loadStateDict';
	const isScalar = (value: unknown) => (value instanceof Tensor ? value.size === 1 : isNumber(value));
	const state = checkState<Required<GradScalerState>>(name, saved, {
		scale: isScalar,
		growthFactor: isNumber,
		backoffFactor: isNumber,
		growthInterval: isCount,
		growthTracker: isScalar,
	});
	requireRule(name, { ...state, scale: 1 });
	return state;
}

/** A saved element: a number if the host can read it, so that the scale can be made on the losses' device; else a copy. */
function loaded(value: Tensor | number): Tensor | number {
	if (!(value instanceof Tensor)) return value;
	return value.storage.hostData?.()[value.offset] ?? keep(noGrad(() => clone(value)));
}

/** Throws an ArgumentError unless these numbers make the scale fall and grow. */
function requireRule(
	name: string,
	rule: {
		readonly scale: number;
		readonly growthFactor: number;
		readonly backoffFactor: number;
		readonly growthInterval: number;
	},
): void {
	const { scale, growthFactor, backoffFactor, growthInterval } = rule;
	if (!(Number.isFinite(scale) && scale > 0)) throw wrongArgument(name, 'the scale', 'above 0 and finite', scale);
	if (!(growthFactor > 1)) throw wrongArgument(name, 'growthFactor', 'above 1', growthFactor);
	requireFraction(name, 'backoffFactor', backoffFactor, '(0, 1)');
	requireInteger(name, 'growthInterval', growthInterval, 1);
}
