/** What the pickles of torch.save may name: storages, tensors, dtypes and plain containers. Everything else is refused. */
import { FormatError } from '../core/errors';
import { MAX_RANK, numel } from '../core/shape';
import { FILE_WIDTH, type FileDType } from '../io/elements';
import { quote } from '../io/header';
import { kindOf, type Pickled, PickledFunction, PickledObject, PickledTuple, type PickleHost } from './pickle';

export function fail(message: string): never {
	throw new FormatError(`PyTorch file: ${message}`);
}

/** Memory that tensors of a file share, under its key. */
export class StoredMemory {
	readonly bytes: number;

	constructor(
		readonly key: string,
		/** Undefined for an untyped storage until one of its tensors has a dtype. */
		public dtype: FileDType | undefined,
		/** In elements, or in bytes without a dtype. */
		readonly length: number,
	) {
		this.bytes = dtype === undefined ? length : length * FILE_WIDTH[dtype];
	}

	/** The elements, of a dtype that all tensors of the memory must have. */
	elementsAs(dtype: FileDType): number {
		this.dtype ??= dtype;
		if (this.dtype !== dtype) fail(`storage ${quote(this.key)} is ${this.dtype} for one tensor and ${dtype} for another`);
		if (this.bytes % FILE_WIDTH[dtype] !== 0)
			fail(`storage ${quote(this.key)} of ${this.bytes} bytes does not divide into ${dtype}`);
		return this.bytes / FILE_WIDTH[dtype];
	}
}

/** A part of a memory: `length` elements from `start` on. */
class StoredStorage extends PickledObject {
	constructor(
		readonly memory: StoredMemory,
		readonly start: number,
		readonly length: number,
	) {
		super();
	}
}

export class StoredTensor extends PickledObject {
	constructor(
		readonly memory: StoredMemory,
		readonly shape: readonly number[],
		readonly strides: readonly number[],
		readonly offset: number,
		readonly requiresGrad: boolean,
		readonly isParameter = false,
	) {
		super();
	}
}

/** A type that a pickle passes on and never calls. */
export class NamedType extends PickledObject {
	constructor(readonly name: string) {
		super();
	}
}

/** The dtype of each class of storages; undefined for untyped ones. */
const STORAGES: ReadonlyMap<string, FileDType | undefined> = new Map([
	...Object.entries({
		Double: 'F64',
		Float: 'F32',
		Half: 'F16',
		BFloat16: 'BF16',
		Long: 'I64',
		Int: 'I32',
		Short: 'I16',
		Char: 'I8',
		Byte: 'U8',
		Bool: 'BOOL',
	} as const).flatMap(([name, dtype]) => [
		[`torch.${name}Storage`, dtype] as const,
		[`torch.cuda.${name}Storage`, dtype] as const,
	]),
	['torch.storage.UntypedStorage', undefined],
	['torch.UntypedStorage', undefined],
]);

const DTYPES: ReadonlyMap<string, FileDType> = new Map([
	['torch.float64', 'F64'],
	['torch.float32', 'F32'],
	['torch.float16', 'F16'],
	['torch.bfloat16', 'BF16'],
	['torch.int64', 'I64'],
	['torch.int32', 'I32'],
	['torch.int16', 'I16'],
	['torch.int8', 'I8'],
	['torch.uint64', 'U64'],
	['torch.uint32', 'U32'],
	['torch.uint16', 'U16'],
	['torch.uint8', 'U8'],
	['torch.bool', 'BOOL'],
]);

const FUNCTIONS: Readonly<Record<string, (...args: Pickled[]) => Pickled>> = {
	'collections.OrderedDict': (items = []) => dictOf(items),
	'collections.Counter': (items = []) => dictOf(items),
	'builtins.dict': (items = []) => dictOf(items),
	'builtins.list': (items = []) => [...itemsOf(items)],
	'builtins.tuple': (items = []) => new PickledTuple([...itemsOf(items)]),
	'builtins.set': (items = []) => new Set(itemsOf(items)),
	'builtins.frozenset': (items = []) => new Set(itemsOf(items)),
	'builtins.bytearray': (bytes = new Uint8Array()) => (bytes instanceof Uint8Array ? bytes : fail('a bytearray holds no bytes')),
	// Bytes, in protocol 2.
	'_codecs.encode': (text, encoding) => latin1(text, encoding),
	'torch.Size': (sizes) => new PickledTuple([...itemsOf(sizes)]),
	'torch.device': (type, index) => (index === undefined ? type! : `${String(type)}:${String(index)}`),
	'torch._utils._rebuild_tensor': (storage, offset, size, stride) => tensorOf(storage, offset, size, stride, false),
	'torch._utils._rebuild_tensor_v2': (storage, offset, size, stride, requiresGrad, _hooks, metadata) =>
		tensorOf(storage, offset, size, stride, requiresGrad, metadata),
	'torch._utils._rebuild_tensor_v3': (storage, offset, size, stride, requiresGrad, _hooks, dtype, metadata) => {
		const found = dtype instanceof NamedType ? DTYPES.get(dtype.name) : undefined;
		if (found === undefined) fail(`a tensor has the dtype ${kindOf(dtype ?? null)}, which is not read`);
		return tensorOf(storage, offset, size, stride, requiresGrad, metadata, found);
	},
	'torch._utils._rebuild_parameter': parameterOf,
	'torch._utils._rebuild_parameter_with_state': parameterOf,
	// A tensor with attributes, which are dropped.
	'torch._tensor._rebuild_from_type_v2': (make, type, args) => {
		const isPlain = type instanceof NamedType && PLAIN_TYPES.has(type.name);
		if (!(make instanceof PickledFunction) || !(args instanceof PickledTuple) || !isPlain)
			return fail('a tensor has an unknown class');
		return make.call(args.items);
	},
};

/** The most elements of a tensor. Without this limit, a stride of 0 could turn a small file into a huge tensor. */
const MOST_ELEMENTS = 2 ** 31;

const PLAIN_TYPES = new Set(['torch.Tensor', 'torch.nn.parameter.Parameter']);

/** Gives a pickle its objects and collects the memories that it names. */
export class PyTorchHost implements PickleHost {
	readonly memories = new Map<string, StoredMemory>();

	find(name: string): Pickled | undefined {
		// Python 2 and protocol 2 have another name for the module of built-in functions.
		const known = name.replace(/^__builtin__\./, 'builtins.');
		if (Object.hasOwn(FUNCTIONS, known)) return new PickledFunction(name, (args) => FUNCTIONS[known]!(...args));
		if (STORAGES.has(name) || DTYPES.has(name) || PLAIN_TYPES.has(name)) return new NamedType(name);
		return undefined;
	}

	load(id: Pickled): Pickled {
		const [kind, type, key, , length, view] = id instanceof PickledTuple ? id.items : [];
		if (kind !== 'storage' || typeof key !== 'string') return fail('it refers to something that is no storage');
		if (!(type instanceof NamedType) || !STORAGES.has(type.name))
			return fail(`storage ${quote(key)} has an unknown class ${type === undefined ? '' : kindOf(type)}`);
		const dtype = STORAGES.get(type.name);
		const count = countOf(length, 'the length of a storage');
		const memory = this.memories.get(key) ?? new StoredMemory(key, dtype, count);
		this.memories.set(key, memory);
		if (memory.length !== count) fail(`storage ${quote(key)} has two lengths`);
		if (dtype !== undefined) memory.elementsAs(dtype);
		if (!(view instanceof PickledTuple)) return new StoredStorage(memory, 0, count);
		// In old files a storage can be a part of another.
		const start = countOf(view.items[1], 'the start of a storage');
		const part = countOf(view.items[2], 'the length of a storage');
		if (start + part > count) fail(`a part of storage ${quote(key)} lies outside it`);
		return new StoredStorage(memory, start, part);
	}
}

function tensorOf(
	storage: Pickled | undefined,
	offset: Pickled | undefined,
	size: Pickled | undefined,
	stride: Pickled | undefined,
	requiresGrad: Pickled | undefined,
	metadata?: Pickled,
	dtype?: FileDType,
): StoredTensor {
	if (!(storage instanceof StoredStorage)) return fail('a tensor has no storage');
	const { memory, start } = storage;
	const type = dtype ?? memory.dtype;
	if (type === undefined) return fail('a tensor has no dtype');
	if (metadata instanceof Map && [...metadata.values()].includes(true))
		fail('a tensor is a conjugate or negative view, which is not read');
	const elements = dtype === undefined ? storage.length : memory.elementsAs(dtype);
	const shape = countsOf(size, 'shape');
	const strides = countsOf(stride, 'strides');
	const first = countOf(offset, 'the offset of a tensor');
	if (shape.length !== strides.length) fail(`a tensor of ${shape.length} dimensions has ${strides.length} strides`);
	if (shape.length > MAX_RANK) fail(`a tensor has ${shape.length} dimensions; at most ${MAX_RANK} are supported`);
	if (numel(shape) > MOST_ELEMENTS) fail(`a tensor of shape [${shape.join(', ')}] has more than ${MOST_ELEMENTS} elements`);
	const last = shape.reduce((at, count, i) => at + (count - 1) * strides[i]!, first);
	if (numel(shape) > 0 && last >= elements) {
		fail(
			`a tensor of shape [${shape.join(', ')}] and strides [${strides.join(', ')}] from element ${first} on needs ${last + 1} elements, and storage ${quote(memory.key)} has ${elements}`,
		);
	}
	return new StoredTensor(memory, shape, strides, start + first, requiresGrad === true);
}

function parameterOf(data?: Pickled, requiresGrad?: Pickled): StoredTensor {
	if (!(data instanceof StoredTensor)) return fail('a parameter holds no tensor');
	return new StoredTensor(data.memory, data.shape, data.strides, data.offset, requiresGrad === true, true);
}

function countOf(value: Pickled | undefined, what: string): number {
	if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
	return fail(`${what} must be a whole number of at least 0, not ${value === undefined ? 'missing' : kindOf(value)}`);
}

function countsOf(value: Pickled | undefined, what: string): number[] {
	if (!(value instanceof PickledTuple)) return fail(`a tensor has no ${what}`);
	return value.items.map((count) => countOf(count, `each number in the ${what} of a tensor`));
}

function itemsOf(value: Pickled | undefined): Iterable<Pickled> {
	if (value instanceof PickledTuple) return value.items;
	if (Array.isArray(value) || value instanceof Set) return value;
	return fail('a container is made of something that is no list');
}

function dictOf(value: Pickled): Map<Pickled, Pickled> {
	if (value instanceof Map) return new Map(value);
	const dict = new Map<Pickled, Pickled>();
	for (const pair of itemsOf(value)) {
		const [key, item] = [...itemsOf(pair)];
		if (key === undefined || item === undefined) fail('a dict has a key without a value');
		dict.set(key, item);
	}
	return dict;
}

function latin1(text: Pickled | undefined, encoding: Pickled | undefined): Uint8Array {
	if (typeof text !== 'string' || encoding !== 'latin1') return fail('bytes are not written as latin1');
	const codes = Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
	if (codes.some((code) => code > 255)) fail('bytes are not written as latin1');
	return Uint8Array.from(codes);
}
