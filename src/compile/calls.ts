/** What is known about the calls of one signature: recordings, and the plans made of them. */
import type { Backend } from '../backends/contract';
import type { Tensor } from '../tensor';
import { Conditions } from './conditions';
import { CallPlan } from './plan';
import type { CallRecording } from './recording';

/** The recordings in a row without a plan after which calls just run. */
const PATIENCE = 6;
/** Plans of one signature, for different states of gradients and modules. */
const PLANS = 4;
/** The replays of a plan before the first call that checks it. Each further check waits for twice as many. */
const FIRST_CHECK = 16;

/** When a plan is checked: the call runs as usual, is recorded, and must do what the plan repeats. */
interface Checks {
	readonly recording: CallRecording;
	/** Replays until the next check, and between the last one and it. */
	left: number;
	interval: number;
}

export class Calls {
	readonly #plans = new Map<CallPlan, Checks>();
	readonly #recent = new Map<CallRecording, Conditions>();
	#failures = 0;
	/** Why calls just run; '' without a need to tell. */
	reason: string | null = null;

	constructor(private readonly fuse: boolean) {}

	get plans(): readonly CallPlan[] {
		return [...this.#plans.keys()];
	}

	/** A plan that does what a call would do now. */
	planFor(args: readonly Tensor[], backend: Backend): CallPlan | null {
		for (const plan of this.#plans.keys()) if (plan.conditions.hold(args, backend)) return plan;
		return null;
	}

	/** Whether this call must check the plan; if not, it counts as a replay. */
	isDue(plan: CallPlan): boolean {
		const checks = this.#plans.get(plan)!;
		if (checks.left === 0) return true;
		checks.left--;
		return false;
	}

	/** How a call that the plan could have replayed differed from it; null if it did the same. */
	check(plan: CallPlan, recording: CallRecording): string | null {
		const checks = this.#plans.get(plan)!;
		const difference = recording.reason ?? recording.difference(checks.recording);
		if (difference !== null) return difference;
		checks.interval *= 2;
		checks.left = checks.interval;
		return null;
	}

	/** The earlier recordings under whose conditions a call runs now. */
	rivals(args: readonly Tensor[], backend: Backend): CallRecording[] {
		return [...this.#recent].flatMap(([recording, conditions]) => (conditions.hold(args, backend) ? [recording] : []));
	}

	/** Makes a plan if an earlier call did the same. Of calls under the same conditions, `rivals`, all must do the same. */
	learn(backend: Backend, recording: CallRecording, rivals: readonly CallRecording[]): void {
		if (recording.usesCpu && recording.launches.position === 0) {
			this.reason = '';
			return;
		}
		let reason = recording.reason;
		if (reason === null) {
			for (const earlier of this.#recent.keys()) {
				const difference = recording.difference(earlier);
				if (difference !== null && !rivals.includes(earlier)) continue;
				this.#recent.delete(earlier);
				if (difference !== null) {
					reason = `calls do not do the same: ${difference}`;
					continue;
				}
				this.#failures = 0;
				this.#plans.set(new CallPlan(backend, recording, earlier, this.fuse), {
					recording,
					left: FIRST_CHECK,
					interval: FIRST_CHECK,
				});
				if (this.#plans.size > PLANS) this.#drop(this.#plans.keys().next().value!);
				this.#remember(backend, recording);
				return;
			}
			this.#remember(backend, recording);
		}
		if (++this.#failures < PATIENCE) return;
		this.reason = reason ?? 'each call finds tensors or gradients in another state';
		this.#recent.clear();
	}

	#remember(backend: Backend, recording: CallRecording): void {
		this.#recent.set(recording, new Conditions(backend, recording));
		if (this.#recent.size > PLANS) this.#recent.delete(this.#recent.keys().next().value!);
	}

	#drop(plan: CallPlan): void {
		plan.dispose();
		this.#plans.delete(plan);
	}

	dispose(): void {
		for (const plan of this.#plans.keys()) this.#drop(plan);
	}
}
