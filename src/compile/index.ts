/** `compile`: runs a function of tensors once, and then repeats its launches. */
import { isWatching } from '../autograd/anomaly';
import { isSaving } from '../autograd/tape';
import type { Backend } from '../backends/contract';
import { backendOf, hasBackend } from '../backends/registry';
import { witness } from '../core/capture';
import { requireBoolean, requireFunction, requireInteger } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import type { Tensor } from '../tensor';
import { tidied } from '../tidy';
import { type Arguments, readArguments } from './arguments';
import { Conditions } from './conditions';
import { CallPlan } from './plan';
import { CallRecording, modeRefusal } from './recording';

export interface CompileOptions {
	/** How many signatures to keep plans for; the least recently used go first. Default 8. */
	readonly signatures?: number;
	/**
	 * Whether launches of elementwise operations that depend on each other become one, of a kernel that is composed for them. It compiles while
	 * the single ones run. An experiment: some programs get wrong results. Default false.
	 */
	readonly fuse?: boolean;
}

/** The argument of a compiled function: a number may stand for a tensor of no dims. */
type Given<A> = Tensor extends A ? A | number : A;

export interface PlanReport {
	/** The launches of a replay, and those of the call when it ran as usual. */
	readonly launches: number;
	readonly eagerLaunches: number;
	/** Whether fused kernels still compile; meanwhile replays have as many launches as the call. */
	readonly isCompiling: boolean;
	/** The bytes of temporaries, and those that they took at once when the call ran as usual. */
	readonly temporaryBytes: number;
	readonly eagerBytes: number;
}

export interface CompileReport {
	/** Calls that ran as usual and were recorded, calls that were replayed, and calls that just ran. */
	readonly recorded: number;
	readonly replayed: number;
	readonly eager: number;
	/** Why some calls just run; null if all can be replayed. */
	readonly reason: string | null;
	/** The plans. */
	readonly plans: readonly PlanReport[];
}

export interface Compiled<A extends readonly unknown[], R> {
	(...args: { [K in keyof A]: Given<A[K]> }): R;
	/** What has happened so far. */
	report(): CompileReport;
	/** Forgets all plans. Later calls run as usual. */
	dispose(): void;
}

/** The recordings in a row without a plan after which calls just run. */
const PATIENCE = 6;
/** Plans of one signature, for different states of gradients and modules. */
const PLANS = 4;

/** What is known about the calls of one signature. */
class Calls {
	readonly plans: CallPlan[] = [];
	readonly #recent = new Map<CallRecording, Conditions>();
	#failures = 0;
	/** Why calls just run; '' without a need to tell. */
	reason: string | null = null;

	constructor(private readonly fuse: boolean) {}

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
				this.plans.push(new CallPlan(backend, recording, earlier, this.fuse));
				if (this.plans.length > PLANS) this.plans.shift()!.dispose();
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

	dispose(): void {
		for (const plan of this.plans) plan.dispose();
		this.plans.length = 0;
	}
}

/**
 * Returns a function that does what `fn` does, with less work on the host: calls record the GPU's work, and further calls with the same
 * signature repeat it without tensors, tape and checks. Bits, gradients, random numbers and the counts of optimizers and schedules are those
 * of `fn`. For a training step, a forward pass, or any other function of tensors.
 *
 * ```ts
 * const step = compile((x: Tensor, y: Tensor) => {
 * 	optimizer.zeroGrad();
 * 	const loss = crossEntropy(model.forward(x), y);
 * 	loss.backward();
 * 	optimizer.step();
 * 	return loss.detach();
 * });
 * ```
 *
 * The signature is the shapes, dtypes, strides and devices of the tensors in the arguments, the grad mode and the training mode of modules.
 * The first two calls of a signature run `fn`, which must do the same in both; later calls do not run it. So whatever changes from call to
 * call must be an argument, or belong to an optimizer, a schedule, a GradScaler, an EMA or the random numbers. A number in the arguments
 * reaches `fn` as a tensor of no dims. Like `tidy`, a call frees what `fn` makes, except its result.
 *
 * If `fn` cannot be replayed, for example because it reads a value back, its calls run as usual, and one warning tells why. On the CPU all
 * calls run as usual.
 */
export function compile<A extends readonly unknown[], R>(fn: (...args: A) => R, options: CompileOptions = {}): Compiled<A, R> {
	requireFunction('compile', 'fn', fn, 'a function such as (x) => model.forward(x)');
	const { signatures = 8, fuse = false } = checkOptions('compile', options, ['signatures', 'fuse']);
	requireInteger('compile', 'signatures', signatures, 1);
	requireBoolean('compile', 'fuse', fuse);
	const known = new Map<string, Calls>();
	const counts = { recorded: 0, replayed: 0, eager: 0 };
	let evicted = 0;
	let isDisposed = false;
	let reason: string | null = null;

	const tell = (why: string): void => {
		if (reason === null && why !== '') {
			console.warn(`wgrad: compile runs ${fn.name === '' ? 'a function' : `'${fn.name}'`} as usual, because ${why}`);
			reason = why;
		}
	};

	const callsOf = (signature: string): Calls => {
		const calls = known.get(signature) ?? new Calls(fuse);
		known.delete(signature);
		known.set(signature, calls);
		if (known.size > signatures) {
			const [oldest, gone] = known.entries().next().value!;
			gone.dispose();
			known.delete(oldest);
			evicted++;
		}
		return calls;
	};

	const run = ({ values }: Arguments): R => {
		const result = fn(...(values as unknown as A));
		if (!(result instanceof Promise)) return result;
		result.catch(() => {});
		throw new ArgumentError('compile: the function must not be async: a call ends when it returns. Await the result outside');
	};

	const runUsual = (given: Arguments): R => {
		counts.eager++;
		return tidied(() => run(given));
	};

	const call = (given: Arguments): R => {
		const { tensors, signature } = given;
		if (isDisposed || witness !== null || isWatching() || isSaving() || !hasBackend('webgpu')) return runUsual(given);
		const backend = backendOf('webgpu');
		if (backend.record === undefined || backend.loss !== undefined) return runUsual(given);
		const refusal = modeRefusal();
		if (refusal !== null || evicted > 4 * signatures) {
			tell(
				refusal ??
					`its arguments have more than ${signatures} signatures (shapes, strides, offsets). Pass fewer, or contiguous() copies`,
			);
			return runUsual(given);
		}
		const calls = callsOf(signature);
		if (calls.reason !== null) {
			tell(calls.reason);
			return runUsual(given);
		}
		const plan = calls.plans.find((candidate) => candidate.conditions.hold(tensors, backend));
		if (plan !== undefined) {
			counts.replayed++;
			return plan.replay(tensors) as R;
		}
		counts.recorded++;
		const rivals = calls.rivals(tensors, backend);
		const recording = new CallRecording(backend, tensors);
		const result = recording.run(() => run(given));
		calls.learn(backend, recording, rivals);
		return result;
	};

	const compiled = (...args: { [K in keyof A]: Given<A[K]> }): R => {
		const given = readArguments(args);
		try {
			return call(given);
		} finally {
			for (const scalar of given.made) scalar.dispose();
		}
	};
	const report = (): CompileReport => ({
		...counts,
		reason,
		plans: [...known.values()].flatMap(({ plans }) =>
			plans.map(({ launches }) => {
				launches.fuse();
				const { recorded: eagerLaunches, isCompiling, temporaryBytes, eagerBytes } = launches;
				return { launches: launches.launches, eagerLaunches, isCompiling, temporaryBytes, eagerBytes };
			}),
		),
	});
	const dispose = (): void => {
		isDisposed = true;
		for (const calls of known.values()) calls.dispose();
		known.clear();
	};
	return Object.assign(compiled, { report, dispose });
}
