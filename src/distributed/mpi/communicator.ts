/** Communication by MPI's asynchronous calls. */
import type { Communicator, EngineOp, Values, Waiting } from '../communicator';
import { DistributedError } from '../errors';
import { type Handle, typeOf } from './flavour';
import type { Library } from './library';
import { Requests } from './requests';
import { Watchdog } from './watchdog';

/** MPI_THREAD_FUNNELED: only the thread that initialised MPI calls it. */
const FUNNELED = 1;
/** MPI counts elements by a C int. */
const LARGEST_COUNT = 2 ** 31 - 1;

export class MpiCommunicator implements Communicator {
	readonly rank: number;
	readonly size: number;
	readonly engine: string;
	readonly traffic = { calls: 0, bytes: 0 };
	readonly #library: Library;
	readonly #requests: Requests;
	readonly #watchdog: Watchdog;
	readonly #comm: Handle;
	/** For the calls that return when they are done. */
	readonly #nowComm: Handle;
	#sequence = 0;
	#nowSequence = 0;

	/** Starts MPI. `timeout` is the time in milliseconds that a call may wait for other ranks, `end` ends the job after that. */
	constructor(library: Library, timeout: number, end: (message: string) => void) {
		this.#library = library;
		this.engine = library.description;
		const { functions, handles } = library;
		const int = new Int32Array(1);
		if (functions.initThread(null, null, FUNNELED, int) !== 0)
			throw new DistributedError(`initProcessGroup: MPI_Init of ${library.description} (${library.file}) failed`);
		functions.setErrorHandler(handles.world, handles.errorsReturn);
		functions.commRank(handles.world, int);
		this.rank = int[0]!;
		functions.commSize(handles.world, int);
		this.size = int[0]!;
		// Communicators of our own: other code of the process may use the world.
		this.#comm = this.#copy();
		this.#nowComm = this.#copy();
		this.#watchdog = new Watchdog(library, this.#copy(), this.rank, this.size, timeout, end);
		this.#requests = new Requests(library, (longest) => this.#watchdog.see(longest));
	}

	#copy(): Handle {
		const { flavour, functions, handles } = this.#library;
		const bytes = new Uint8Array(8);
		functions.commDup(handles.world, bytes);
		const copy = flavour.read(bytes);
		functions.setErrorHandler(copy, handles.errorsReturn);
		return copy;
	}

	/** Names the processes of the ranks, for messages of the watchdog. */
	namePeers(names: readonly string[]): void {
		this.#watchdog.names = names;
	}

	#next(what: string): Waiting {
		return { sequence: ++this.#sequence, what };
	}

	/** The datatype of what a call gives. */
	#type(values: Values, what: string): Handle {
		if (values.length > LARGEST_COUNT)
			throw new DistributedError(`${what}: MPI moves at most ${LARGEST_COUNT} elements in one call. Split the tensor`);
		this.traffic.calls++;
		this.traffic.bytes += values.byteLength;
		return this.#library.handles.types[typeOf(values)];
	}

	async allReduce(own: Values, result: Values, op: EngineOp, what: string): Promise<void> {
		const { functions, handles } = this.#library;
		const type = this.#type(own, what);
		await this.#requests.start(this.#next(what), [own, result], (request) =>
			functions.allReduce(own, result, own.length, type, handles.ops[op], this.#comm, request),
		);
	}

	async reduceScatter(parts: Values, own: Values, op: EngineOp, what: string): Promise<void> {
		const { functions, handles } = this.#library;
		const type = this.#type(parts, what);
		await this.#requests.start(this.#next(what), [parts, own], (request) =>
			functions.reduceScatterBlock(parts, own, own.length, type, handles.ops[op], this.#comm, request),
		);
	}

	allReduceNow(own: Values, result: Values, op: EngineOp, what: string): void {
		const { functions, handles } = this.#library;
		const type = this.#type(own, what);
		this.#requests.finish({ sequence: ++this.#nowSequence, what: what }, [own, result], (request) =>
			functions.allReduce(own, result, own.length, type, handles.ops[op], this.#nowComm, request),
		);
	}

	async reduce(own: Values, result: Values, op: EngineOp, root: number, what: string): Promise<void> {
		const { functions, handles } = this.#library;
		const type = this.#type(own, what);
		await this.#requests.start(this.#next(what), [own, result], (request) =>
			functions.reduce(own, result, own.length, type, handles.ops[op], root, this.#comm, request),
		);
	}

	async broadcast(values: Values, root: number, what: string): Promise<void> {
		const type = this.#type(values, what);
		await this.#requests.start(this.#next(what), [values], (request) =>
			this.#library.functions.broadcast(values, values.length, type, root, this.#comm, request),
		);
	}

	async allGather(own: Values, all: Values, what: string): Promise<void> {
		const type = this.#type(own, what);
		await this.#requests.start(this.#next(what), [own, all], (request) =>
			this.#library.functions.allGather(own, own.length, type, all, own.length, type, this.#comm, request),
		);
	}

	async allToAll(parts: Values, result: Values, what: string): Promise<void> {
		const type = this.#type(parts, what);
		const count = parts.length / this.size;
		await this.#requests.start(this.#next(what), [parts, result], (request) =>
			this.#library.functions.allToAll(parts, count, type, result, count, type, this.#comm, request),
		);
	}

	async barrier(what: string): Promise<void> {
		await this.#requests.start(this.#next(what), [], (request) => this.#library.functions.barrier(this.#comm, request));
	}

	async send(values: Values, to: number, tag: number): Promise<void> {
		const what = `send to rank ${to}`;
		const type = this.#type(values, what);
		await this.#requests.start({ sequence: null, what }, [values], (request) =>
			this.#library.functions.send(values, values.length, type, to, tag, this.#comm, request),
		);
	}

	async receive(values: Values, from: number, tag: number): Promise<void> {
		const what = `recv from rank ${from}`;
		const type = this.#type(values, what);
		await this.#requests.start({ sequence: null, what }, [values], (request) =>
			this.#library.functions.receive(values, values.length, type, from, tag, this.#comm, request),
		);
	}

	progress(): void {
		this.#requests.advance();
	}

	finalize(): void {
		this.#library.functions.finalize();
	}

	abort(code: number): void {
		this.#library.functions.abort(this.#library.handles.world, code);
	}
}
