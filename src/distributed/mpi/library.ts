/** Finds the shared library of MPI, and declares its functions by koffi, without a native build. */
import { DistributedError } from '../errors';
import { type Flavour, type Handle, mpich, openMpi } from './flavour';

/** The functions, with handles and pointers as C has them. Every function returns an error code, 0 for success. */
export interface Functions {
	readonly initThread: (argc: null, argv: null, required: number, provided: Int32Array) => number;
	readonly finalize: () => number;
	readonly abort: (comm: Handle, code: number) => number;
	readonly commRank: (comm: Handle, rank: Int32Array) => number;
	readonly commSize: (comm: Handle, size: Int32Array) => number;
	readonly commDup: (comm: Handle, copy: Uint8Array) => number;
	readonly setErrorHandler: (comm: Handle, handler: Handle) => number;
	readonly errorString: (code: number, text: Uint8Array, length: Int32Array) => number;
	readonly test: (request: Uint8Array, done: Int32Array, status: Uint8Array) => number;
	readonly iprobe: (from: number, tag: number, comm: Handle, found: Int32Array, status: Uint8Array) => number;
	readonly receiveNow: (
		values: ArrayBufferView,
		count: number,
		type: Handle,
		from: number,
		tag: number,
		comm: Handle,
		status: Uint8Array,
	) => number;
	readonly allReduce: Reducing;
	readonly reduceScatterBlock: Reducing;
	readonly reduce: (
		own: ArrayBufferView,
		result: ArrayBufferView,
		count: number,
		type: Handle,
		op: Handle,
		root: number,
		comm: Handle,
		request: Uint8Array,
	) => number;
	readonly broadcast: (
		values: ArrayBufferView,
		count: number,
		type: Handle,
		root: number,
		comm: Handle,
		request: Uint8Array,
	) => number;
	readonly allGather: Spreading;
	readonly allToAll: Spreading;
	readonly barrier: (comm: Handle, request: Uint8Array) => number;
	readonly send: Passing;
	readonly receive: Passing;
}

type Reducing = (
	own: ArrayBufferView,
	result: ArrayBufferView,
	count: number,
	type: Handle,
	op: Handle,
	comm: Handle,
	request: Uint8Array,
) => number;

type Spreading = (
	own: ArrayBufferView,
	count: number,
	type: Handle,
	all: ArrayBufferView,
	countOfEach: number,
	typeOfEach: Handle,
	comm: Handle,
	request: Uint8Array,
) => number;

type Passing = (
	values: ArrayBufferView,
	count: number,
	type: Handle,
	rank: number,
	tag: number,
	comm: Handle,
	request: Uint8Array,
) => number;

export interface Library {
	readonly flavour: Flavour;
	/** The file that was loaded. */
	readonly file: string;
	/** The library's own name and version, such as 'Open MPI v4.1.4'. */
	readonly description: string;
	readonly functions: Functions;
	readonly handles: ReturnType<Flavour['predefined']>;
}

/** Bytes of the longest text of MPI_Get_library_version, in both. */
const TEXT_BYTES = 8192;

/**
 * Loads MPI. `file` names the library; without it, tries those of the launcher's flavour first. Throws a DistributedError if koffi or the
 * library is missing, or if the library is older than MPI 3, which has no asynchronous collectives.
 */
export async function loadLibrary(file: string | undefined, preferred: Flavour): Promise<Library> {
	const koffi = await loadKoffi();
	// UCX, on which many builds of MPI stand, would patch the functions of the C library that map memory, under V8's running threads.
	process.env.UCX_MEM_EVENTS ??= 'n';
	const other = preferred === openMpi ? mpich : openMpi;
	const files = file === undefined ? [...preferred.libraries, ...other.libraries] : [file];
	for (const name of files) {
		let library: ReturnType<typeof koffi.load>;
		try {
			// Open MPI loads its own parts at run time, which need its symbols.
			library = koffi.load(name, { global: true });
		} catch {
			continue;
		}
		const text = new Uint8Array(TEXT_BYTES);
		const length = new Int32Array(1);
		library.func('int MPI_Get_library_version(void *, void *)')(text, length);
		const description = new TextDecoder()
			.decode(text.subarray(0, length[0]))
			.split(/[,\n]/)[0]!
			.replace(/Version:?/, '')
			.replaceAll(/\s+/g, ' ')
			.trim();
		const version = new Int32Array(1);
		library.func('int MPI_Get_version(void *, void *)')(version, new Int32Array(1));
		if (version[0]! < 3)
			throw new DistributedError(
				`initProcessGroup: ${name} implements MPI ${version[0]}, which has no asynchronous collectives. Install Open MPI 3 or MPICH 3.2, or later ones`,
			);
		const flavour = description.startsWith('Open MPI') ? openMpi : mpich;
		const handles = flavour.predefined((symbol) => library.symbol(symbol, 'uint8_t') as unknown as bigint);
		return { flavour, file: name, description, handles, functions: declare(library.func.bind(library), flavour.handleType) };
	}
	throw new DistributedError(
		`initProcessGroup: this job has several ranks, but no MPI library was found here (tried ${files.join(', ')}). Install it (Debian: apt-get install openmpi-bin, or mpich), or give its path: initProcessGroup({ library }) or WGRAD_MPI_LIBRARY`,
	);
}

async function loadKoffi() {
	try {
		return (await import('koffi')).default;
	} catch (error) {
		throw new DistributedError(
			`initProcessGroup: this job has several ranks, and wgrad calls MPI by the package koffi, which did not load. Run npm install koffi (${(error as Error).message})`,
			{ cause: error },
		);
	}
}

/** Declares the functions. `H` is the type of a handle. */
function declare(func: (definition: string) => unknown, H: string): Functions {
	const f = <T>(definition: string) => func(`int MPI_${definition}`) as T;
	const reducing = `(void *own, void *result, int count, ${H} type, ${H} op, ${H} comm, void *request)`;
	const spreading = `(void *own, int count, ${H} type, void *all, int each, ${H} typeOfEach, ${H} comm, void *request)`;
	const passing = `(void *values, int count, ${H} type, int rank, int tag, ${H} comm, void *request)`;
	return {
		initThread: f('Init_thread(void *, void *, int, void *)'),
		finalize: f('Finalize()'),
		abort: f(`Abort(${H}, int)`),
		commRank: f(`Comm_rank(${H}, void *)`),
		commSize: f(`Comm_size(${H}, void *)`),
		commDup: f(`Comm_dup(${H}, void *)`),
		setErrorHandler: f(`Comm_set_errhandler(${H}, ${H})`),
		errorString: f('Error_string(int, void *, void *)'),
		test: f('Test(void *, void *, void *)'),
		iprobe: f(`Iprobe(int, int, ${H}, void *, void *)`),
		receiveNow: f(`Recv(void *, int, ${H}, int, int, ${H}, void *)`),
		allReduce: f(`Iallreduce${reducing}`),
		reduceScatterBlock: f(`Ireduce_scatter_block${reducing}`),
		reduce: f(`Ireduce(void *, void *, int, ${H}, ${H}, int, ${H}, void *)`),
		broadcast: f(`Ibcast(void *, int, ${H}, int, ${H}, void *)`),
		allGather: f(`Iallgather${spreading}`),
		allToAll: f(`Ialltoall${spreading}`),
		barrier: f(`Ibarrier(${H}, void *)`),
		send: f(`Isend${passing}`),
		receive: f(`Irecv${passing}`),
	};
}
