/**
 * What the library needs of an engine for collective communication: values in typed arrays, in and out. `mpi/communicator.ts` is MPI;
 * `Alone` is a job of one rank, which needs no engine.
 *
 * All calls but `send` and `receive` are collective: every rank makes them in the same order, with arrays of the same type and length. The
 * arrays belong to the engine until the promise resolves.
 */

/** The arrays that travel. Tensors of half precision travel as float32, or as their bits for what is only copied. */
export type Values = Float32Array | Float64Array | Int32Array | Int8Array | Uint8Array | Uint16Array;

/** How the values of the ranks become one. 'mean' is the sum divided by the number of ranks; it is for floating values. */
export type ReduceOp = 'sum' | 'mean' | 'prod' | 'max' | 'min';

/** What the engine itself reduces with. */
export type EngineOp = Exclude<ReduceOp, 'mean'>;

/** What a rank waits for, for the message about a job that stands still. */
export interface Waiting {
	/** The number of the call among the collective calls of this rank; null for `send` and `receive`. */
	readonly sequence: number | null;
	/** Such as 'allReduce of float32 [3]'. */
	readonly what: string;
}

export interface Communicator {
	readonly rank: number;
	readonly size: number;
	/** The name of the engine, such as 'Open MPI v4.1.4'; null alone. */
	readonly engine: string | null;
	/** What this rank has given to collective calls and messages so far. */
	readonly traffic: { calls: number; bytes: number };
	/** Reduces `own` of all ranks into `result`, another array. */
	allReduce(own: Values, result: Values, op: EngineOp, what: string): Promise<void>;
	/** As `allReduce`, and returns when it is done. It has an order of its own beside the asynchronous calls. */
	allReduceNow(own: Values, result: Values, op: EngineOp, what: string): void;
	/** Reduces `own` of all ranks into `result` of rank `root`. The others' results are undefined. */
	reduce(own: Values, result: Values, op: EngineOp, root: number, what: string): Promise<void>;
	/** Copies `values` of rank `root` into those of the others. */
	broadcast(values: Values, root: number, what: string): Promise<void>;
	/** Copies `own` of all ranks, one after the other, into `all`. */
	allGather(own: Values, all: Values, what: string): Promise<void>;
	/** Copies part r of `parts` to rank r. Part s of `result` comes from rank s. */
	allToAll(parts: Values, result: Values, what: string): Promise<void>;
	/** Reduces `parts` of all ranks, and gives rank r part r of the result. */
	reduceScatter(parts: Values, own: Values, op: EngineOp, what: string): Promise<void>;
	barrier(what: string): Promise<void>;
	send(values: Values, to: number, tag: number): Promise<void>;
	receive(values: Values, from: number, tag: number): Promise<void>;
	/** Advances what is under way. For code that holds the event loop for long, such as a backward walk on the CPU. */
	progress(): void;
	/** Leaves the job in order: the last call. Waits for the other ranks. */
	finalize(): void;
	/** Ends the processes of all ranks. */
	abort(code: number): void;
}

/** A job of one rank. */
export class Alone implements Communicator {
	readonly rank = 0;
	readonly size = 1;
	readonly engine = null;
	readonly traffic = { calls: 0, bytes: 0 };

	async allReduce(own: Values, result: Values): Promise<void> {
		result.set(own);
	}

	allReduceNow(own: Values, result: Values): void {
		result.set(own);
	}

	async reduce(own: Values, result: Values): Promise<void> {
		result.set(own);
	}

	async broadcast(): Promise<void> {}

	async allGather(own: Values, all: Values): Promise<void> {
		all.set(own);
	}

	async allToAll(parts: Values, result: Values): Promise<void> {
		result.set(parts);
	}

	async reduceScatter(parts: Values, own: Values): Promise<void> {
		own.set(parts);
	}

	async barrier(): Promise<void> {}

	/** Unreachable: the checks refuse every rank but another one. */
	async send(): Promise<void> {}

	async receive(): Promise<void> {}

	progress(): void {}

	finalize(): void {}

	abort(): void {}
}
