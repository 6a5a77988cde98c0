/**
 * The Vulkan drivers that Dawn can use in Node on this machine. For programs of this repository only: the library itself
 * takes what the machine offers.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { unpack } from './archive.mjs';

/** Dawn's instances must never be garbage-collected while one of their promises is pending: Node would crash. */
const instances = /** @type {GPU[]} */ ([]);
Object.assign(globalThis, { [Symbol.for('wgrad.driver.instances')]: instances });

/** Where Vulkan loaders look for drivers. */
const FOLDERS = ['/etc', '/usr/local/etc', ...(process.env.XDG_DATA_DIRS ?? '/usr/local/share:/usr/share').split(':')].map(
	(folder) => join(folder, 'vulkan/icd.d'),
);

/** Paths of the jsons that describe the machine's own Vulkan drivers. */
export function findDrivers() {
	return FOLDERS.flatMap((folder) => {
		if (!existsSync(folder)) return [];
		const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
		return files.map((file) => join(folder, file));
	});
}

/** Path of the json that describes Mesa's lavapipe, or undefined. */
export function findLavapipe() {
	return findDrivers().find((path) => basename(path).startsWith('lvp_icd'));
}

/** Path of the json that describes the SwiftShader of `@sparticuz/chromium`, or undefined where that is not installed. */
export async function findSwiftShader() {
	const folder = await unpack('swiftshader', { 'swiftshader.tar.br': '' });
	return folder === undefined ? undefined : join(folder, 'vk_swiftshader_icd.json');
}

/**
 * Makes a driver the one that Dawn finds in this process. Call it before anything asks for an adapter.
 *
 * @param {string} json
 */
export async function chooseDriver(json) {
	process.env.VK_DRIVER_FILES = json;
	process.env.VK_ICD_FILENAMES = json; // what Vulkan loaders before 1.3.207 read
	await provideLoader();
}

/**
 * Machines without graphics packages lack the Vulkan loader, which Dawn loads by name. SwiftShader's archive has one:
 * loaded before, it is what the name then finds.
 */
async function provideLoader() {
	if (process.platform !== 'linux' || load('libvulkan.so.1')) return;
	const folder = await unpack('swiftshader', { 'swiftshader.tar.br': '' });
	if (folder !== undefined) load(join(folder, 'libvulkan.so.1'));
}

/**
 * Loads a shared library into this process for good.
 *
 * @param {string} library
 */
function load(library) {
	const nowGlobalForGood = 0x1102; // RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE
	try {
		process.dlopen({ exports: {} }, library, nowGlobalForGood);
	} catch (error) {
		// Node complains of a library that is no addon of its own, but keeps it loaded.
		return String(error).includes('did not self-register');
	}
	return true;
}

/**
 * WebGPU as this process has it: Deno's own, or a new instance of Dawn's in Node.
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
 * The adapter that is found as things stand, or null.
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
 * Sees to it that WebGPU has an adapter in this process, for programs that shall run on any machine: what the machine
 * (or the caller's VK_DRIVER_FILES) offers, otherwise SwiftShader. Without either, `init` says what is missing.
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
