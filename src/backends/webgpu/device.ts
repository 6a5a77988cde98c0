/**
 * Opens a GPUDevice: finds an adapter in browsers and in Node, asks for the adapter's own limits, and describes what the
 * device is and what is missing.
 */
import { DeviceError } from '../../core/errors';
import { destroyAtExit, nodeGpu } from './nodeGpu';
import type { AdapterInfo } from './statistics';

/** Flags of the WebGPU specification, named here because Node has no such globals. */
export const BufferUsage = {
	MAP_READ: 0x0001,
	COPY_SRC: 0x0004,
	COPY_DST: 0x0008,
	UNIFORM: 0x0040,
	STORAGE: 0x0080,
	QUERY_RESOLVE: 0x0200,
} as const;
export const TextureUsage = { COPY_SRC: 0x01, COPY_DST: 0x02, RENDER_ATTACHMENT: 0x10 } as const;
export const MAP_MODE_READ = 0x0001;
export const SHADER_STAGE_COMPUTE = 0x0004;

export interface DeviceOptions {
	/** The caller's own adapter. By default `powerPreference` chooses one. */
	adapter?: GPUAdapter | undefined;
	/** The caller's own device, which wgrad shares. Its limits and features stay as they are. */
	device?: GPUDevice | undefined;
	/** Which GPU to use on a machine with two; 'high-performance' by default. */
	powerPreference?: GPUPowerPreference | undefined;
}

interface OpenDevice {
	readonly device: GPUDevice;
	readonly info: AdapterInfo;
	/** Whether wgrad created the device and may destroy it. */
	readonly owned: boolean;
}

/** Limits with a default far below what adapters support. */
const WANTED_LIMITS = [
	'maxBufferSize',
	'maxStorageBufferBindingSize',
	'maxStorageBuffersPerShaderStage',
	'maxComputeWorkgroupStorageSize',
	'maxComputeInvocationsPerWorkgroup',
	'maxComputeWorkgroupSizeX',
	'maxComputeWorkgroupSizeY',
	'maxComputeWorkgroupSizeZ',
] as const;

const WANTED_FEATURES: readonly GPUFeatureName[] = ['shader-f16', 'timestamp-query', 'subgroups'];

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|microsoft basic/i;

/** An adapter was found, but gave no device. */
class NoDevice extends DeviceError {}

/** Opens a device. Throws a DeviceError that names what is missing if there is none. */
export async function openDevice(options: DeviceOptions): Promise<OpenDevice> {
	if (options.device !== undefined) {
		return { device: options.device, info: describe(options.device.adapterInfo), owned: false };
	}
	if (options.adapter !== undefined) return openFrom(options.adapter);
	const { powerPreference = 'high-performance' } = options;
	try {
		return await openFrom(await findAdapter(powerPreference));
	} catch (error) {
		if (!(error instanceof NoDevice)) throw error;
		// An adapter expires, for example if the browser restarts its GPU process meanwhile. Then a new one gives a device.
		return await openFrom(await findAdapter(powerPreference));
	}
}

async function openFrom(adapter: GPUAdapter): Promise<OpenDevice> {
	const requiredLimits: Record<string, number> = {};
	for (const limit of WANTED_LIMITS) requiredLimits[limit] = adapter.limits[limit];
	const requiredFeatures = WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
	const info = describe(adapter.info);
	try {
		const device = await adapter.requestDevice({ label: 'wgrad', requiredLimits, requiredFeatures });
		destroyAtExit(device);
		return { device, info, owned: true };
	} catch (cause) {
		throw new NoDevice(`init: the adapter '${info.description}' gave no device: ${String(cause)}`, { cause });
	}
}

async function findAdapter(powerPreference: GPUPowerPreference): Promise<GPUAdapter> {
	const gpu = await findGpu();
	const adapter = await gpu.requestAdapter({ powerPreference });
	if (adapter === null) {
		throw new DeviceError(
			`init: WebGPU found no adapter: the driver is missing, or the browser blocks it. Install a Vulkan, Metal or D3D12 driver, or use device 'cpu'`,
		);
	}
	return adapter;
}

async function findGpu(): Promise<GPU> {
	const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
	if (gpu !== undefined) return gpu;
	const isNode = (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;
	if (isNode) return nodeGpu();
	throw new DeviceError(
		`init: this browser has no WebGPU on this page (it needs a secure context: https or localhost); use device 'cpu'`,
	);
}

function describe(info: GPUAdapterInfo | undefined): AdapterInfo {
	const { vendor = '', architecture = '', device = '', description = '', isFallbackAdapter = false } = info ?? {};
	const { subgroupMinSize = 0, subgroupMaxSize = -1 } = info ?? {};
	return {
		vendor,
		architecture,
		device,
		description: description || [vendor, architecture, device].filter(Boolean).join(' ') || 'unknown adapter',
		isSoftware: isFallbackAdapter || SOFTWARE.test(`${vendor} ${architecture} ${device} ${description}`),
		subgroupSize: subgroupMinSize === subgroupMaxSize ? subgroupMinSize : 0,
	};
}
