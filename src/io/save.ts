/** `io.save`: writes a safetensors file, one tensor at a time. */
import { describe } from '../core/checks';
import { ArgumentError } from '../core/errors';
import type { Global } from '../core/globals';
import { storedArray } from '../core/halves';
import { checkOptions } from '../core/options';
import { isObject } from '../core/state';
import { Module, type StateDict } from '../nn/module';
import type { Tensor } from '../tensor';
import { requireState } from '../tensorChecks';
import { checkOpenOptions, type OpenOptions } from './options';
import { thePlatform } from './platform';
import { layOut } from './safetensors';

export interface SaveFileOptions extends Pick<OpenOptions, 'onProgress' | 'signal'> {
	/** Free text, for example `{ format: 'pt' }`. */
	readonly metadata?: Readonly<Record<string, string>>;
}

/** Where to write: a path in Node, or a stream, or a file of the browser. */
export type Target = string | Global<'URL'> | Global<'WritableStream'> | Global<'FileSystemFileHandle'>;

/**
 * Writes a module's state, or a state such as `module.stateDict()`, to a safetensors file, which PyTorch and Hugging Face read. `target` is a
 * path (in Node), a WritableStream, or a FileSystemFileHandle. Until all is written the target keeps its old contents. Reads one tensor at
 * a time: do not train the module meanwhile.
 */
export async function save(state: Module | Readonly<StateDict>, target: Target, options: SaveFileOptions = {}): Promise<void> {
	const { metadata = {}, signal } = checkOptions('io.save', options, ['metadata', 'onProgress', 'signal']);
	checkOpenOptions('io.save', options);
	if (!isObject(metadata)) throw new ArgumentError('io.save: the metadata must be an object of strings by name');
	const tensors = state instanceof Module ? state.stateDict() : state;
	requireState('io.save', tensors);
	signal?.throwIfAborted();
	const parts = partsOf(tensors, metadata, options);
	if (typeof target === 'string' || target instanceof URL) return thePlatform().writePath('io.save', target, parts);
	const given: unknown = target;
	if (given instanceof WritableStream) return writeTo(given, parts);
	if (typeof FileSystemFileHandle !== 'undefined' && given instanceof FileSystemFileHandle)
		return writeTo(await given.createWritable(), parts);
	throw new ArgumentError(`io.save: it writes to a path, a WritableStream or a FileSystemFileHandle, not ${describe(given)}`);
}

async function* partsOf(
	state: Readonly<StateDict>,
	metadata: Readonly<Record<string, string>>,
	{ onProgress, signal }: SaveFileOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
	const described = Object.entries(state).map(([name, tensor]) => ({ name, dtype: tensor.dtype, shape: tensor.shape, tensor }));
	const { start, sorted, size } = layOut(described, metadata);
	yield start as Uint8Array<ArrayBuffer>;
	let loaded = start.length;
	for (const { tensor } of sorted) {
		signal?.throwIfAborted();
		const bytes = await bytesOf(tensor);
		yield bytes;
		loaded += bytes.length;
		onProgress?.({ loaded, total: size });
	}
}

async function bytesOf(tensor: Tensor): Promise<Uint8Array<ArrayBuffer>> {
	const { buffer, byteOffset, byteLength } = storedArray(tensor.dtype, await tensor.data());
	return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

async function writeTo(stream: WritableStream, parts: AsyncIterable<Uint8Array>): Promise<void> {
	const writer = stream.getWriter();
	try {
		for await (const part of parts) {
			await writer.ready;
			await writer.write(part);
		}
		await writer.close();
	} catch (error) {
		await writer.abort(error).catch(() => {});
		throw error;
	}
}
