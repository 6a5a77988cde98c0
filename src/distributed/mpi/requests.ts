/**
 * Requests under way. MPI advances only while one of its functions runs, so this tests them in turn between the turns of the event loop:
 * at once while something may be near, each millisecond after that.
 */

import type { Waiting } from '../communicator';
import { DistributedError } from '../errors';
import type { Library } from './library';

/** The time after which a wait leaves the processor to others, which may be those it waits for. */
const EAGER_MILLISECONDS = 5;
const STATUS_BYTES = 64;

export interface Pending extends Waiting {
	readonly request: Uint8Array;
	/** The time of the call. */
	readonly since: number;
	/** MPI has the address of these arrays. */
	readonly arrays: readonly ArrayBufferView[];
	readonly resolve: () => void;
	readonly reject: (error: Error) => void;
}

export class Requests {
	readonly #library: Library;
	readonly #pending = new Set<Pending>();
	readonly #done = new Int32Array(1);
	readonly #status = new Uint8Array(STATUS_BYTES);
	#scheduled = false;
	#activeSince = 0;

	constructor(
		library: Library,
		/** Called at each turn with what has waited longest. */
		private readonly watch: (longest: Pending) => void,
	) {
		this.#library = library;
	}

	/** Starts a request by `issue`, and resolves when it is complete. */
	start(waiting: Waiting, arrays: readonly ArrayBufferView[], issue: (request: Uint8Array) => number): Promise<void> {
		return new Promise((resolve, reject) => {
			const request = new Uint8Array(8);
			// V8 keeps small arrays among its own objects, which move, until their buffer is asked for.
			for (const array of [request, ...arrays]) void array.buffer;
			const code = issue(request);
			if (code !== 0) {
				reject(this.error(waiting.what, code));
				return;
			}
			this.#activeSince = performance.now();
			this.#pending.add({ ...waiting, request, arrays, since: this.#activeSince, resolve, reject });
			this.#schedule();
		});
	}

	/** As `start`, but returns when the request is complete. Other requests advance meanwhile. */
	finish(waiting: Waiting, arrays: readonly ArrayBufferView[], issue: (request: Uint8Array) => number): void {
		const request = new Uint8Array(8);
		for (const array of [request, ...arrays]) void array.buffer;
		let code = issue(request);
		const pending = { ...waiting, request, arrays, since: performance.now(), resolve: () => {}, reject: () => {} };
		const done = new Int32Array(1);
		while (code === 0) {
			code = this.#library.functions.test(request, done, this.#status);
			if (done[0] !== 0) break;
			this.advance();
			this.watch(pending);
		}
		if (code !== 0) throw this.error(waiting.what, code);
	}

	/** Tests every request once. */
	advance(): void {
		const { test } = this.#library.functions;
		for (const pending of this.#pending) {
			const code = test(pending.request, this.#done, this.#status);
			if (code === 0 && this.#done[0] === 0) continue;
			this.#pending.delete(pending);
			this.#activeSince = performance.now();
			if (code === 0) pending.resolve();
			else pending.reject(this.error(pending.what, code));
		}
		// In the order of the calls: the first waits longest.
		for (const longest of this.#pending) {
			this.watch(longest);
			break;
		}
	}

	#schedule(): void {
		if (this.#scheduled || this.#pending.size === 0) return;
		this.#scheduled = true;
		const turn = () => {
			this.#scheduled = false;
			this.advance();
			this.#schedule();
		};
		if (performance.now() - this.#activeSince < EAGER_MILLISECONDS) setImmediate(turn);
		else setTimeout(turn, 1);
	}

	/** The error of a return code. */
	error(what: string, code: number): DistributedError {
		const text = new Uint8Array(1024);
		const length = new Int32Array(1);
		this.#library.functions.errorString(code, text, length);
		return new DistributedError(`${what}: MPI failed: ${new TextDecoder().decode(text.subarray(0, length[0]))}`);
	}
}
