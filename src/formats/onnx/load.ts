/** Reads ONNX files: see index.ts. */
import type { Backend } from '../../backends/contract';
import { FormatError } from '../../core/errors';
import { parsed, type Source, sourceName } from '../../data/sources';
import { quote } from '../../io/header';
import { openSource, ProgressReader } from '../../io/open';
import type { Progress } from '../../io/options';
import type { RandomAccess } from '../../io/randomAccess';
import { buildModule, type Read } from './build';
import { decodeModel, type TensorProto } from './messages';
import type { OnnxModule } from './module';
import type { LoadOnnxOptions } from './options';
import { compileModel } from './plan';
import { byteLength, elementsOf, nameOf, type Precision } from './tensors';

export async function readModel(
	source: Source,
	backend: Backend,
	options: LoadOnnxOptions,
	tell: ((progress: Progress) => void) | undefined,
): Promise<OnnxModule> {
	const { signal, dtype = 'float32' } = options;
	const keeps = dtype === 'auto';
	const precision: Precision = {
		float16: keeps ? 'float16' : 'float32',
		bfloat16: keeps ? 'bfloat16' : 'float32',
		float64: backend.device === 'cpu' ? 'float64' : 'float32',
	};
	const files = new Map<string, RandomAccess>();
	const file = await openSource('loadOnnx', source, options);
	try {
		return await parsed(file.name, async () => {
			const reader = new ProgressReader(file.size, signal, tell);
			const compiled = compileModel(decodeModel(await reader.read(file, 0, file.size)));
			const read: Read = async ({ proto }) => {
				signal?.throwIfAborted();
				if (proto.dataLocation !== 1) return elementsOf(proto, null, precision);
				const place = placeOf(proto);
				const other = files.get(place.file) ?? (await openSource('loadOnnx', beside(source, place.file, options), options));
				files.set(place.file, other);
				return elementsOf(proto, await other.read(place.begin, place.length), precision);
			};
			return buildModule(compiled, read, backend, precision);
		});
	} finally {
		for (const open of [file, ...files.values()]) await open.close();
	}
}

/** Where a tensor's bytes are, as the model says. */
function placeOf(proto: TensorProto): { file: string; begin: number; length: number } {
	const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]));
	const file = entries.get('location') ?? '';
	// A model may come from anywhere, so it may name only files beside itself or below.
	const parts = file.split('/');
	if (!/^[^\\:]+$/.test(file) || parts.some((part) => part === '' || part === '.' || part === '..'))
		throw new FormatError(`${nameOf(proto)} is in a file that is not beside the model: ${quote(file)}`);
	const expected = byteLength(proto);
	const begin = Number(entries.get('offset') ?? 0);
	const length = Number(entries.get('length') ?? expected);
	if (!Number.isSafeInteger(begin) || begin < 0 || length !== expected)
		throw new FormatError(
			`${nameOf(proto)} has ${length} bytes from ${begin} on in ${quote(file)}, and its elements take ${expected}`,
		);
	return { file, begin, length };
}

function beside(model: Source, name: string, { externalData = {} }: LoadOnnxOptions): Source {
	if (Object.hasOwn(externalData, name)) return externalData[name]!;
	if (model instanceof URL) return new URL(name.split('/').map(encodeURIComponent).join('/'), model);
	if (typeof model === 'string') return model.replace(/[?#].*$/, '').replace(/[^/\\]*$/, () => name);
	throw new FormatError(
		`tensors of ${sourceName(model)} are in the file ${quote(name)}. Pass it: { externalData: { ${quote(name)}: file } }`,
	);
}
