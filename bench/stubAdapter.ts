/** An adapter whose device does nothing: what remains of a program's time is its own JavaScript. */

const LIMITS = {
	maxBufferSize: 2 ** 31,
	maxStorageBufferBindingSize: 2 ** 31 - 4,
	maxStorageBuffersPerShaderStage: 10,
	maxComputeWorkgroupStorageSize: 32768,
	maxComputeInvocationsPerWorkgroup: 1024,
	maxComputeWorkgroupSizeX: 1024,
	maxComputeWorkgroupSizeY: 1024,
	maxComputeWorkgroupSizeZ: 64,
	maxComputeWorkgroupsPerDimension: 65535,
} as const;

class StubBuffer {
	readonly #bytes: ArrayBuffer;

	constructor(readonly size: number) {
		this.#bytes = new ArrayBuffer(Math.min(size, 2 ** 16));
	}

	async mapAsync(): Promise<void> {}

	getMappedRange(offset = 0, size = this.size - offset): ArrayBuffer {
		return size <= this.#bytes.byteLength ? this.#bytes.slice(0, size) : new ArrayBuffer(size);
	}

	unmap(): void {}
	destroy(): void {}
}

/** The calls of a pass count, so that no engine drops them. */
export const calls = { dispatches: 0, binds: 0, pipelines: 0 };

const pass = {
	setPipeline(): void {
		calls.pipelines++;
	},
	setBindGroup(): void {
		calls.binds++;
	},
	dispatchWorkgroups(): void {
		calls.dispatches++;
	},
	end(): void {},
};

const encoder = {
	beginComputePass: () => pass,
	copyBufferToBuffer(): void {},
	clearBuffer(): void {},
	finish: () => ({}),
};

function stubDevice() {
	const done = Promise.resolve();
	const nothing = Promise.resolve(null);
	let lose = (_: { readonly reason: string; readonly message: string }): void => {};
	return {
		limits: LIMITS,
		features: new Set(),
		lost: new Promise((resolve) => {
			lose = resolve;
		}),
		queue: { writeBuffer(): void {}, submit(): void {}, onSubmittedWorkDone: () => done },
		addEventListener(): void {},
		removeEventListener(): void {},
		destroy: () => lose({ reason: 'destroyed', message: '' }),
		pushErrorScope(): void {},
		popErrorScope: () => nothing,
		createBuffer: ({ size }: { readonly size: number }) => new StubBuffer(size),
		createShaderModule: () => ({}),
		createComputePipeline: () => ({}),
		createComputePipelineAsync: async () => ({}),
		createBindGroupLayout: () => ({}),
		createPipelineLayout: () => ({}),
		createBindGroup: () => ({}),
		createCommandEncoder: () => encoder,
	};
}

/** For `init({ adapter })`. */
export const stubAdapter = {
	info: { vendor: 'stub', architecture: '', device: '', description: 'a stub that does nothing' },
	limits: LIMITS,
	features: new Set<string>(),
	requestDevice: async () => stubDevice(),
};
