/** Saves and loads tensors as safetensors files, which PyTorch and Hugging Face read and write. */
import type { DeviceName } from '../backends/contract';
import { backendOf, deviceOfNew } from '../backends/registry';
import { describe } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { storedArray } from '../core/halves';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { isObject } from '../core/state';
import { Tensor } from '../tensor';
import { requireState } from '../tensorChecks';
import { decodeSafetensors, encodeSafetensors } from './safetensors';

export interface LoadOptions {
	/** The device of the tensors. Default: the default device. */
	readonly device?: DeviceName;
}

/**
 * Returns the bytes of a safetensors file with the tensors of `state`, such as `module.stateDict()`, under their keys. `metadata` holds
 * free text.
 */
export async function saveSafetensors(
	state: Readonly<Record<string, Tensor>>,
	metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
	requireState('saveSafetensors', state);
	if (typeof metadata === 'string')
		throw new ArgumentError('saveSafetensors: it takes no path and returns the bytes to write: await writeFile(path, bytes)');
	if (!isObject(metadata)) throw new ArgumentError('saveSafetensors: the metadata must be an object of strings by name');
	const names = Object.keys(state);
	const values = await Promise.all(names.map((name) => state[name]!.data()));
	const records = names.map((name, i) => {
		const { dtype, shape } = state[name]!;
		return { name, dtype, shape, data: storedArray(dtype, values[i]!) };
	});
	return encodeSafetensors(records, metadata);
}

/**
 * Returns the tensors of a safetensors file by name. float16 becomes float32. int64 and other integers become int32; values out of its
 * range throw. int8, uint8 and bfloat16 keep their dtype. float64 stays on the CPU and becomes float32 on WebGPU. Throws a FormatError if the file is invalid.
 */
export function loadSafetensors(bytes: Uint8Array | ArrayBuffer, options: LoadOptions = {}): Record<string, Tensor> {
	const { device = deviceOfNew() } = checkOptions('loadSafetensors', options, ['device']);
	const backend = backendOf(device);
	if (!(bytes instanceof Uint8Array) && !/ArrayBuffer/.test(Object.prototype.toString.call(bytes)))
		throw new ArgumentError(
			`loadSafetensors: it takes the bytes of a file, a Uint8Array or an ArrayBuffer, not ${describe(bytes)}. Read them with await readFile(path) in Node, or await (await fetch(url)).arrayBuffer()`,
		);
	const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
	const { tensors } = decodeSafetensors(view, { float16As: 'float32', float64As: device === 'cpu' ? 'float64' : 'float32' });
	const state: Record<string, Tensor> = Object.create(null);
	runOperation('loadSafetensors', () => {
		for (const { name, dtype, shape, data } of tensors) state[name] = new Tensor(backend.upload(data, dtype, shape), shape);
	});
	return state;
}
