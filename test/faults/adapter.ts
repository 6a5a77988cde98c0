/**
 * An adapter that fails on purpose, for `init({ adapter })`. It wraps a real one, loses its devices at chosen launches, and
 * refuses chosen buffers as if memory had run out.
 */
import { nodeGpu } from '../../src/backends/webgpu/nodeGpu';

export interface Faults {
	/** Whether to lose the device at a launch. Launches count from 1, over all devices of the adapter. */
	readonly loses?: (launch: number) => boolean;
	/** Milliseconds from a loss to its announcement; until then only pending work fails. Default 0. */
	readonly notice?: () => number;
	/** Whether to refuse a storage buffer. Buffers count from 1, over all devices of the adapter. */
	readonly refuses?: (bytes: number, buffer: number) => boolean;
}

export interface FaultyAdapter extends GPUAdapter {
	/** The counts so far. */
	readonly launches: number;
	readonly buffers: number;
	readonly losses: number;
	readonly refusals: number;
	/** Loses the current device. */
	lose(): void;
}

const STORAGE = 0x0080;

class GPUOutOfMemoryError {
	constructor(readonly message: string) {}
}

export async function realAdapter(): Promise<GPUAdapter> {
	const gpu = globalThis.navigator?.gpu ?? (await nodeGpu());
	const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
	if (adapter === null) throw new Error('there is no adapter');
	return adapter;
}

export async function faultyAdapter(faults: Faults = {}): Promise<FaultyAdapter> {
	const { features, limits, info } = await realAdapter();
	const counts = { launches: 0, buffers: 0, losses: 0, refusals: 0 };
	let loseCurrent = () => {};
	const adapter = {
		features,
		limits,
		info,
		async requestDevice(descriptor?: GPUDeviceDescriptor): Promise<GPUDevice> {
			// A real adapter gives only one device.
			const device = await (await realAdapter()).requestDevice(descriptor);
			loseCurrent = losable(device, faults, counts);
			withoutMemory(device, faults, counts);
			return device;
		},
		lose: () => loseCurrent(),
	};
	for (const name of ['launches', 'buffers', 'losses', 'refusals'] as const) {
		Object.defineProperty(adapter, name, { get: () => counts[name] });
	}
	return adapter as unknown as FaultyAdapter;
}

type Counts = { launches: number; buffers: number; losses: number; refusals: number };

/** Makes a device that can be lost as in a crash. Returns the function that loses it. */
function losable(device: GPUDevice, { loses, notice }: Faults, counts: Counts): () => void {
	let isLost = false;
	let announce: (info: GPUDeviceLostInfo) => void;
	const lost = new Promise<GPUDeviceLostInfo>((resolve) => {
		announce = resolve;
	});
	const destroy = device.destroy.bind(device);
	const lose = () => {
		if (isLost) return;
		isLost = true;
		counts.losses++;
		destroy();
		const tell = () => announce({ reason: 'unknown', message: 'on purpose' } as GPUDeviceLostInfo);
		const wait = notice?.() ?? 0;
		if (wait > 0) setTimeout(tell, wait);
		else tell();
	};
	void device.lost.then((info) => {
		if (!isLost) announce(info);
	});
	const createCommandEncoder = device.createCommandEncoder.bind(device);
	Object.defineProperties(device, {
		lost: { value: lost },
		createCommandEncoder: {
			value: (descriptor?: GPUCommandEncoderDescriptor) => {
				const encoder = createCommandEncoder(descriptor);
				const beginComputePass = encoder.beginComputePass.bind(encoder);
				encoder.beginComputePass = (passDescriptor) => {
					const pass = beginComputePass(passDescriptor);
					const dispatch = pass.dispatchWorkgroups.bind(pass);
					pass.dispatchWorkgroups = (x, y, z) => {
						counts.launches++;
						if (loses?.(counts.launches)) lose();
						dispatch(x, y, z);
					};
					return pass;
				};
				return encoder;
			},
		},
	});
	return lose;
}

/**
 * Makes the device refuse storage buffers as Dawn and browsers do: with an invalid buffer, and an error in the scope or an event.
 */
function withoutMemory(device: GPUDevice, { refuses }: Faults, counts: Counts): void {
	const scopes: { readonly filter: GPUErrorFilter; error: GPUError | null }[] = [];
	const listeners = new Set<(event: unknown) => void>();
	const createBuffer = device.createBuffer.bind(device);
	const pushErrorScope = device.pushErrorScope.bind(device);
	const popErrorScope = device.popErrorScope.bind(device);
	const addEventListener = device.addEventListener.bind(device) as (type: string, listener: (event: unknown) => void) => void;
	const overrides = {
		pushErrorScope(filter: GPUErrorFilter) {
			scopes.push({ filter, error: null });
			pushErrorScope(filter);
		},
		async popErrorScope() {
			const own = scopes.pop()!.error;
			const real = await popErrorScope();
			return own ?? real;
		},
		addEventListener(type: string, listener: (event: unknown) => void) {
			if (type === 'uncapturederror') listeners.add(listener);
			addEventListener(type, listener);
		},
		createBuffer(descriptor: GPUBufferDescriptor) {
			if ((descriptor.usage & STORAGE) !== 0) counts.buffers++;
			if ((descriptor.usage & STORAGE) === 0 || !refuses?.(descriptor.size, counts.buffers)) return createBuffer(descriptor);
			counts.refusals++;
			const error = new GPUOutOfMemoryError('on purpose') as unknown as GPUError;
			const scope = scopes.findLast(({ filter, error }) => filter === 'out-of-memory' && error === null);
			if (scope !== undefined) scope.error = error;
			else for (const listener of listeners) listener({ error, preventDefault() {} });
			pushErrorScope('validation');
			const invalid = createBuffer({ size: descriptor.size, usage: 0 });
			popErrorScope().catch(() => {});
			return invalid;
		},
	};
	for (const [name, value] of Object.entries(overrides)) Object.defineProperty(device, name, { value });
}
