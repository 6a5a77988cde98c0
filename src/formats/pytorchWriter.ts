/** Writes files that torch.load() reads: a zip archive with a pickle, data.pkl, and a stored entry for each storage. */
import { type DType, hostBytes } from '../core/dtype';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { checkOpenOptions, type OpenOptions } from '../io/options';
import { bytesOf, type Target, writeTarget } from '../io/save';
import { Module } from '../nn/module';
import { Parameter } from '../nn/parameter';
import { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { OPCODES } from './pickle';
import { type PickleWriter, type PickleWriterHost, pickle } from './pickleWriter';

export type SavePyTorchOptions = Pick<OpenOptions, 'onProgress' | 'signal'>;

const STORAGES: Record<DType, string> = {
	float64: 'DoubleStorage',
	float32: 'FloatStorage',
	float16: 'HalfStorage',
	bfloat16: 'BFloat16Storage',
	int32: 'IntStorage',
	int8: 'CharStorage',
	uint8: 'ByteStorage',
	bool: 'BoolStorage',
};

/** The largest zip archive without 64-bit fields. */
const MOST_BYTES = 2 ** 32 - 1;

/**
 * Writes a file that `torch.load(path)` reads, also with `weights_only=True`: a module's state, tensors, parameters, numbers, texts, null, and
 * lists, objects, Maps and Sets of them. Tensors that share memory share it in the file, and keep their strides. `target` is a path (in Node), a
 * WritableStream, or a FileSystemFileHandle. The target keeps its old contents until everything is written. Reads one storage at a time: do not train
 * meanwhile.
 */
export async function savePyTorch(value: unknown, target: Target, options: SavePyTorchOptions = {}): Promise<void> {
	const { signal } = checkOptions('savePyTorch', options, ['onProgress', 'signal']);
	checkOpenOptions('savePyTorch', options);
	signal?.throwIfAborted();
	const storages = new Storages();
	const data = pickle('savePyTorch', value, storages);
	const { size } = storages;
	if (size + data.length > MOST_BYTES - 2 ** 20)
		throw new ArgumentError(
			`savePyTorch: ${size} bytes of tensors are more than the 4 GB of a file. Use io.save, with maxShardSize`,
		);
	await writeTarget('savePyTorch', target, archive(data, storages, options));
}

/** The storages of the tensors in a pickle. A storage's key is its place in the order. */
class Storages implements PickleWriterHost {
	readonly #keys = new Map<Tensor['storage'], number>();

	get all(): Tensor['storage'][] {
		return [...this.#keys.keys()];
	}

	get size(): number {
		return this.all.reduce((sum, { length, dtype }) => sum + length * hostBytes(dtype), 0);
	}

	write(value: object, writer: PickleWriter): boolean {
		if (value instanceof Module) writer.value(value.stateDict(), `the state of ${value.constructor.name}`);
		else if (value instanceof Parameter) {
			writer.call('torch._utils', '_rebuild_parameter', () => {
				this.#tensor(value, writer, false);
				writer.value(value.requiresGrad, 'requires_grad');
				this.#orderedDict(writer);
			});
		} else if (value instanceof Tensor) this.#tensor(value, writer, value.requiresGrad && value.isLeaf);
		else return false;
		return true;
	}

	#tensor(tensor: Tensor, writer: PickleWriter, requiresGrad: boolean): void {
		requireTensor('savePyTorch', tensor);
		const { storage, shape, strides, offset, dtype } = tensor;
		const key = this.#keys.get(storage) ?? this.#keys.size;
		this.#keys.set(storage, key);
		const numbers = (list: readonly number[]) =>
			writer.tuple(() => {
				for (const each of list) writer.value(each, 'a size');
			});
		writer.call('torch._utils', '_rebuild_tensor_v2', () => {
			writer.tuple(() => {
				writer.value('storage', 'a storage');
				writer.global('torch', STORAGES[dtype]);
				for (const each of [String(key), 'cpu', storage.length]) writer.value(each, 'a storage');
			});
			writer.byte(OPCODES.BINPERSID);
			writer.value(offset, 'an offset');
			numbers(shape);
			numbers(strides);
			writer.value(requiresGrad, 'requires_grad');
			this.#orderedDict(writer);
		});
	}

	/** No hooks. */
	#orderedDict(writer: PickleWriter): void {
		writer.call('collections', 'OrderedDict', () => {});
	}
}

/** The archive in parts. PyTorch's reader wants data.pkl first, and all entries in one folder. */
async function* archive(
	data: Uint8Array,
	storages: Storages,
	{ onProgress, signal }: SavePyTorchOptions,
): AsyncGenerator<Uint8Array> {
	const { Zip, ZipPassThrough } = await import('fflate');
	const parts: Uint8Array[] = [];
	const zip = new Zip((error, part) => {
		if (error) throw error;
		parts.push(part);
	});
	const taken = () => parts.splice(0);
	const add = (name: string, bytes: Uint8Array) => {
		const entry = new ZipPassThrough(`archive/${name}`);
		zip.add(entry);
		entry.push(bytes, true);
	};
	const text = (value: string) => new TextEncoder().encode(value);
	add('data.pkl', data);
	add('byteorder', text('little'));
	let loaded = 0;
	for (const [key, storage] of storages.all.entries()) {
		signal?.throwIfAborted();
		using whole = new Tensor(storage, [storage.length]);
		const bytes = await bytesOf(whole);
		add(`data/${key}`, bytes);
		yield* taken();
		loaded += bytes.length;
		onProgress?.({ loaded, total: storages.size });
	}
	add('version', text('3\n'));
	zip.end();
	yield* taken();
}
