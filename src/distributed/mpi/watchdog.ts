/**
 * Ends a job that stands still, and says which rank is to blame. A rank that has waited half the timeout tells all others where it waits.
 * At the timeout it ends the job: the ranks that told nothing have not come to the call, those that told of another call are elsewhere.
 */
import type { Handle } from './flavour';
import type { Library } from './library';
import type { Pending } from './requests';

const MESSAGE_BYTES = 256;
const STATUS_BYTES = 64;
const TAG = 1;

interface Told {
	readonly rank: number;
	readonly sequence: number | null;
	readonly what: string;
}

export class Watchdog {
	/** The host and process of each rank. */
	names: readonly string[] = [];
	#told: Pending | null = null;
	/** What other ranks told last. */
	readonly #heard = new Map<number, Told>();
	/** MPI may read a message and its request until the message has left. */
	readonly #sent: Uint8Array[] = [];

	constructor(
		private readonly library: Library,
		private readonly comm: Handle,
		private readonly rank: number,
		private readonly size: number,
		private readonly timeout: number,
		/** Ends the processes of all ranks with a message. */
		private readonly end: (message: string) => void,
	) {}

	/** Looks at the request that has waited longest. */
	see(longest: Pending): void {
		const waited = performance.now() - longest.since;
		if (waited < this.timeout / 2) return;
		if (this.#told !== longest) {
			this.#told = longest;
			this.#tell(longest);
		}
		if (waited < this.timeout) return;
		this.#listen();
		this.end(this.#explain(longest));
	}

	#tell({ sequence, what }: Pending): void {
		const text = JSON.stringify({ rank: this.rank, sequence, what: what.slice(0, 120) } satisfies Told);
		const message = new Uint8Array(MESSAGE_BYTES);
		new TextEncoder().encodeInto(text, message);
		const type = this.library.handles.types.uint8;
		for (let to = 0; to < this.size; to++) {
			if (to === this.rank) continue;
			const request = new Uint8Array(8);
			this.library.functions.send(message, MESSAGE_BYTES, type, to, TAG, this.comm, request);
			this.#sent.push(message, request);
		}
	}

	#listen(): void {
		const { functions, handles } = this.library;
		const found = new Int32Array(1);
		const status = new Uint8Array(STATUS_BYTES);
		for (let from = 0; from < this.size; from++) {
			if (from === this.rank) continue;
			for (;;) {
				functions.iprobe(from, TAG, this.comm, found, status);
				if (found[0] === 0) break;
				const message = new Uint8Array(MESSAGE_BYTES);
				functions.receiveNow(message, MESSAGE_BYTES, handles.types.uint8, from, TAG, this.comm, status);
				const end = message.indexOf(0);
				this.#heard.set(from, JSON.parse(new TextDecoder().decode(message.subarray(0, end))));
			}
		}
	}

	#explain(longest: Pending): string {
		const absent: string[] = [];
		const elsewhere: string[] = [];
		for (let rank = 0; rank < this.size; rank++) {
			if (rank === this.rank) continue;
			const told = this.#heard.get(rank);
			if (told === undefined) absent.push(this.#name(rank));
			else if (told.sequence !== longest.sequence || told.sequence === null)
				elsewhere.push(`${this.#name(rank)} in ${placeOf(told)}`);
		}
		const causes = [
			...(absent.length > 0 ? [`${absent.join(', ')} did not come to it: hung, stopped, or busy elsewhere`] : []),
			...(elsewhere.length > 0 ? [`these wait elsewhere: ${elsewhere.join(', ')}`] : []),
			...(absent.length + elsewhere.length === 0 ? ['every rank is in it, so the network stands still'] : []),
		];
		return `${this.#name(this.rank)} waited ${(this.timeout / 1000).toFixed(1)} s in ${placeOf(longest)}; ${causes.join('; ')}`;
	}

	#name(rank: number): string {
		const name = this.names[rank];
		return name === undefined ? `rank ${rank}` : `rank ${rank} (${name})`;
	}
}

function placeOf({ sequence, what }: { readonly sequence: number | null; readonly what: string }): string {
	return sequence === null ? what : `${what} (collective call ${sequence})`;
}
