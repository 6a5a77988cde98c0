/**
 * What the device tells about itself and its work, as plain data. These types are public, so they stand apart from the runtime: a program's
 * compiler then never reads declarations that need WebGPU's own types.
 */

/** What computes, for progress lines, bug reports and the choice of kernel variants. */
export interface AdapterInfo {
	readonly vendor: string;
	readonly architecture: string;
	readonly device: string;
	readonly description: string;
	/** A CPU that plays the GPU: lavapipe, SwiftShader, Microsoft Basic Render. */
	readonly isSoftware: boolean;
	/** The size of every subgroup, where the adapter has only one; else 0. */
	readonly subgroupSize: number;
}

/** Bytes on the device, as `memory()` shows them. */
export interface MemoryStatistics {
	/** In blocks that storages hold now, and how many storages there are. */
	readonly live: number;
	readonly liveStorages: number;
	/** In free blocks that wait for reuse. */
	readonly pooled: number;
	/** Live and pooled together, and the most that they have been at once. */
	readonly allocated: number;
	readonly peak: number;
	/** In staging buffers for readback. */
	readonly staging: number;
	/** Buffers created since the beginning, by `createBuffer`: constant in a steady state. */
	readonly buffersCreated: number;
}

/** What one kernel has done since the beginning. */
export interface KernelCounters {
	readonly kernel: string;
	launches: number;
	flops: number;
	bytes: number;
}

/** What the backend has done since it was created. */
export interface Counters {
	readonly launches: number;
	readonly submits: number;
	readonly pipelinesCompiled: number;
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
	/** What the profiled function returned. */
	readonly result: T;
	/** By time, longest first. */
	readonly rows: readonly ProfileRow[];
	/** Elapsed on the host, from the call to the end of the GPU's work. */
	readonly wallMs: number;
	/** Sum of the rows. */
	readonly gpuMs: number;
	/** 'timestamps' were measured on the GPU; an 'estimate' shares out `wallMs` by declared work. */
	readonly source: 'timestamps' | 'estimate';
	/** Browsers round timestamps, Chrome to a tenth of a millisecond: times are whole steps of this many ms. 0 where they are not coarse. */
	readonly stepMs: number;
	readonly submits: number;
	readonly pipelinesCompiled: number;
	readonly compileMs: number;
	/** The rows as a text table. */
	toString(): string;
}
