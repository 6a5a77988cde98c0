/** `compile`: runs a function of tensors once, and then repeats its launches. */
import { isWatching } from '../autograd/anomaly';
import { isSaving } from '../autograd/tape';
import { backendOf, hasBackend } from '../backends/registry';
import { witness } from '../core/capture';
import { requireBoolean, requireFunction, requireInteger } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import type { Tensor } from '../tensor';
import { tidied } from '../tidy';
import { type Arguments, readArguments } from './arguments';
import { Calls } from './calls';
import { CallRecording, modeRefusal } from './recording';

export interface CompileOptions {
	/** How many signatures to keep plans for; the least recently used go first. Default 8. */
	readonly signatures?: number;
	/**
	 * Whether launches of elementwise operations that depend on each other become one, of a kernel that is composed for them. It compiles while
	 * the single ones run. The results have the same bits. Default false.
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
	/**
	 * Calls that ran as usual and were recorded, calls that were replayed, calls that ran as usual to check that a replay would still do
	 * the same, and calls that just ran.
	 */
	readonly recorded: number;
	readonly replayed: number;
	readonly checked: number;
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
 * The first two calls of a signature run `fn`, which must do the same in both; later calls do not run it, except rare ones that check that
 * it still does the same: after 16 replays, after 32 more, and so on. So whatever changes from call to call must be an argument, or belong to an optimizer, a schedule, a GradScaler, an EMA or the random numbers. A number in the arguments
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
	return compiled(fn, { signatures, fuse, name: fn.name === '' ? 'a function' : `'${fn.name}'`, isQuiet: false });
}

interface Setting {
	readonly signatures: number;
	readonly fuse: boolean;
	/** What warnings call the function. */
	readonly name: string;
	/** Do not warn that calls run as usual. A plan that has repeated something else than the function did warns still. */
	readonly isQuiet: boolean;
}

/** As `compile`, for the library's own loops: their users may not know that steps are compiled. */
export function compiled<A extends readonly unknown[], R>(
	fn: (...args: A) => R,
	{ signatures, fuse, name, isQuiet }: Setting,
): Compiled<A, R> {
	const known = new Map<string, Calls>();
	const counts = { recorded: 0, replayed: 0, checked: 0, eager: 0 };
	let evicted = 0;
	let isDisposed = false;
	let reason: string | null = null;
	/** Whether a plan has repeated what the function no longer did. */
	let isFickle = false;

	const tell = (why: string): void => {
		if (reason !== null || why === '') return;
		if (!isQuiet) console.warn(`wgrad: compile runs ${name} as usual, because ${why}`);
		reason = why;
	};
	/** Ends all replays: the function depends on something that no plan knows. */
	const distrust = (why: string): void => {
		isFickle = true;
		for (const calls of known.values()) calls.dispose();
		known.clear();
		reason = `a call did something else than the calls replayed before it: ${why}`;
		console.warn(
			`wgrad: compile runs ${name} as usual from now on, because ${reason}. Some replays before may have used an old value. Make what changes an argument, or turn compile off`,
		);
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
		if (isDisposed || isFickle || witness !== null || isWatching() || isSaving() || !hasBackend('webgpu')) return runUsual(given);
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
		const replayable = calls.planFor(tensors, backend);
		if (replayable !== null && !calls.isDue(replayable)) {
			counts.replayed++;
			return replayable.replay(tensors) as R;
		}
		const rivals = calls.rivals(tensors, backend);
		const recording = new CallRecording(backend, tensors);
		if (replayable === null) counts.recorded++;
		else counts.checked++;
		const result = recording.run(() => run(given));
		if (replayable === null) calls.learn(backend, recording, rivals);
		else {
			const difference = calls.check(replayable, recording);
			if (difference !== null) distrust(difference);
		}
		return result;
	};

	const callWith = (...args: { [K in keyof A]: Given<A[K]> }): R => {
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
		plans: [...known.values()].flatMap((calls) =>
			calls.plans.map(({ launches }) => {
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
	return Object.assign(callWith, { report, dispose });
}
