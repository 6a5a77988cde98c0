/**
 * The device's reports about itself and its work, as plain data. These types are public and separate from the runtime, so that
 * a program's compiler never reads declarations that need WebGPU's own types.
 */

/** The adapter, for progress lines, bug reports and the choice of kernel variants. */
export interface AdapterInfo {
	readonly vendor: string;
	readonly architecture: string;
	readonly device: string;
	readonly description: string;
	/** True if a CPU computes: lavapipe, SwiftShader, Microsoft Basic Render. */
	readonly isSoftware: boolean;
	/** The size of every subgroup if the adapter has a single size; else 0. */
	readonly subgroupSize: number;
}

/** Bytes on the device, as `memory()` shows them. */
export interface MemoryStatistics {
	/** Bytes of the blocks that storages hold, and the number of storages. */
	readonly live: number;
	readonly liveStorages: number;
	/** Bytes of free blocks kept for reuse. */
	readonly pooled: number;
	/** Live and pooled bytes together, and their peak. */
	readonly allocated: number;
	readonly peak: number;
	/** Bytes of staging buffers for readback. */
	readonly staging: number;
	/** Buffers created by `createBuffer` so far; constant in a steady state. */
	readonly buffersCreated: number;
}

/** The work of one kernel so far. */
export interface KernelCounters {
	readonly kernel: string;
	launches: number;
	flops: number;
	bytes: number;
}

/** The work of the backend since its creation. */
export interface Counters {
	readonly launches: number;
	readonly submits: number;
	readonly pipelinesCompiled: number;
	/** Pipelines that compile now. Launches wait for them. */
	readonly pipelinesCompiling: number;
	readonly compileMs: number;
	readonly bindGroupsCreated: number;
	readonly bytesUploaded: number;
	readonly bytesRead: number;
	readonly memory: MemoryStatistics;
	/** By kernel name. */
	readonly kernels: readonly Readonly<KernelCounters>[];
}

export interface ProfileRow {
	readonly kernel: string;
	readonly operation: string;
	readonly launches: number;
	readonly ms: number;
	readonly flops: number;
	readonly bytes: number;
}

export interface Profile<T = unknown> {
	/** The result of the profiled function. */
	readonly result: T;
	/** By time, longest first. */
	readonly rows: readonly ProfileRow[];
	/** Elapsed time on the host, from the call to the end of the GPU's work. */
	readonly wallMs: number;
	/** Sum of the rows. */
	readonly gpuMs: number;
	/** 'timestamps' were measured on the GPU; an 'estimate' divides `wallMs` by declared work. */
	readonly source: 'timestamps' | 'estimate';
	/** Browsers round timestamps (Chrome to 0.1 ms). Times are then multiples of this many ms; 0 if they are not coarse. */
	readonly stepMs: number;
	readonly submits: number;
	readonly pipelinesCompiled: number;
	readonly compileMs: number;
	/** The rows as a text table. */
	toString(): string;
	/**
	 * The timeline, for https://ui.perfetto.dev and chrome://tracing: write it as JSON. It shows the host's operations, uploads, submits and
	 * waits, and, if the adapter has timestamps, the kernels on the GPU; otherwise the moments of their launches. The GPU's clock is moved so that no
	 * kernel begins before its submit.
	 */
	toTrace(): Trace;
}

/** An event of a trace. Times are in microseconds since the profile began. */
export interface TraceEvent {
	readonly name: string;
	readonly cat: string;
	/** 'X' has a duration, 'i' has none, 'b' and 'e' are the ends of a wait, 'M' names a row. */
	readonly ph: 'X' | 'i' | 'b' | 'e' | 'M';
	readonly ts: number;
	readonly dur?: number;
	/** 1 is the host, 2 the GPU. */
	readonly pid: number;
	readonly tid: number;
	/** Joins the ends of a wait. */
	readonly id?: number;
	readonly s?: 't';
	readonly args: Readonly<Record<string, string | number>>;
}

/** A trace in Chrome's Trace Event Format. */
export interface Trace {
	readonly traceEvents: readonly TraceEvent[];
	readonly displayTimeUnit: 'ms';
}
