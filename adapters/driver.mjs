/**
 * Finds the Vulkan drivers that Dawn can use in Node on this machine. For programs of this repository only; the library uses the machine's
 * default.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { unpack } from './archive.mjs';

/** Keeps Dawn's instances alive: Node crashes if one is garbage-collected while a promise of it is pending. */
const instances = /** @type {GPU[]} */ ([]);
Object.assign(globalThis, { [Symbol.for('wgrad.driver.instances')]: instances });

/** The folders where Vulkan loaders look for drivers. */
const FOLDERS = ['/etc', '/usr/local/etc', ...(process.env.XDG_DATA_DIRS ?? '/usr/local/share:/usr/share').split(':')].map(
	(folder) => join(folder, 'vulkan/icd.d'),
);

/** Returns the paths of the JSON files that describe the machine's Vulkan drivers. */
export function findDrivers() {
	return FOLDERS.flatMap((folder) => {
		if (!existsSync(folder)) return [];
		const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
		return files.map((file) => join(folder, file));
	});
}

/** Returns the path of the JSON file that describes Mesa's lavapipe, or undefined. */
export function findLavapipe() {
	return findDrivers().find((path) => basename(path).startsWith('lvp_icd'));
}

/** Returns the path of the JSON file that describes the SwiftShader of `@sparticuz/chromium`, or undefined if that is not installed. */
export async function findSwiftShader() {
	const folder = await unpack('swiftshader', { 'swiftshader.tar.br': '' });
	return folder === undefined ? undefined : join(folder, 'vk_swiftshader_icd.json');
}

/**
 * Makes Dawn use a driver in this process. Call it before the first request for an adapter.
 *
 * @param {string} json
 */
export async function chooseDriver(json) {
	process.env.VK_DRIVER_FILES = json;
	process.env.VK_ICD_FILENAMES = json; // what Vulkan loaders before 1.3.207 read
	await provideLoader();
}

/**
 * Machines without graphics packages lack the Vulkan loader, which Dawn loads by name. SwiftShader's archive has one; if loaded first, the
 * name finds it.
 */
async function provideLoader() {
	if (process.platform !== 'linux' || load('libvulkan.so.1')) return;
	const folder = await unpack('swiftshader', { 'swiftshader.tar.br': '' });
	if (folder !== undefined) load(join(folder, 'libvulkan.so.1'));
}

/**
 * Loads a shared library into this process permanently.
 *
 * @param {string} library
 */
function load(library) {
	const nowGlobalForGood = 0x1102; // RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE
	try {
		process.dlopen({ exports: {} }, library, nowGlobalForGood);
	} catch (error) {
		// Node reports an error for a library that is not an addon, but keeps it loaded.
		return String(error).includes('did not self-register');
	}
	return true;
}

/**
 * Returns the WebGPU of this process: Deno's own, or a new instance of Dawn in Node.
 *
 * @returns {Promise<GPU>}
 */
export async function findGpu() {
	if (globalThis.navigator?.gpu !== undefined) return navigator.gpu;
	const { create } = await import('webgpu');
	const gpu = create([]);
	instances.push(gpu);
	return gpu;
}

/**
 * Returns the adapter that this process finds, or null.
 *
 * @returns {Promise<GPUAdapterInfo | null>}
 */
export async function probeAdapter() {
	const gpu = await findGpu();
	const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
	if (adapter === null) return null;
	const device = await adapter.requestDevice();
	device.destroy();
	return adapter.info;
}

/**
 * Ensures that WebGPU has an adapter in this process, for programs that must run on any machine: the machine's (or that of
 * VK_DRIVER_FILES), otherwise SwiftShader. Without either, `init` reports what is missing.
 */
export async function ensureAdapter() {
	if (process.platform !== 'linux') return;
	if (process.env.VK_DRIVER_FILES !== undefined || findDrivers().length > 0) {
		await provideLoader();
		if ((await probeAdapter()) !== null) return;
	}
	const json = await findSwiftShader();
	if (json !== undefined) await chooseDriver(json);
}
