/**
 * Keras models in files: .h5 (Keras 2, and Keras 3 on request) and .keras (Keras 3). Reads them into a module that trains, and writes such
 * modules and `nn.Sequential`s.
 */
import { type Reader, unzipRaw, type ZipEntry } from 'unzipit';
import type { DeviceName } from '../backends/contract';
import { backendOf, deviceOfNew } from '../backends/registry';
import { requireBoolean, requireInstance, requireOneOf } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { isCount, isListOf } from '../core/state';
import { parsed, type Source } from '../data/sources';
import { quote } from '../io/header';
import { openSource, ProgressReader, withProgress } from '../io/open';
import { checkOpenOptions, type OpenOptions } from '../io/options';
import type { RandomAccess } from '../io/randomAccess';
import { type Target, writeTarget } from '../io/save';
import * as nn from '../nn';
import { storedBytes, unzipping } from './archive';
import { partsOfModule } from './keras/fromModule';
import { parseGraph } from './keras/graph';
import { type H5Reader, HDF5_SIGNATURE, readHdf5 } from './keras/hdf5';
import {
	buildModel,
	checkCustomLayers,
	configOf,
	KerasModel,
	leavesOf,
	type MakeCustomLayer,
	ownedSlots,
	type Parts,
	partsOf,
} from './keras/model';
import { type KerasOptimizer, optimizerVariables, readOptimizer } from './keras/optimizers';
import { fail, parsedJson } from './keras/settings';
import { listed, storedWeight, weightsOfArchive, weightsOfH5 } from './keras/weights';
import { archiveOf, h5Of } from './keras/write';

export interface KerasOptions {
	/** The device of the model. Default: the default device. */
	readonly device?: DeviceName;
	/**
	 * Where images and volumes have their channels, in the model's inputs and outputs: 'last' as in Keras, [N, H, W, C], or 'first' as in
	 * PyTorch, [N, C, H, W]. Sequences, [N, T, C], always have them last. Default 'last'.
	 */
	readonly channels?: 'first' | 'last';
	/** Functions that make layers of classes that wgrad does not know, by the name of the class. */
	readonly layers?: Readonly<Record<string, MakeCustomLayer>>;
}

export interface LoadKerasOptions extends OpenOptions, KerasOptions {
	/** Also make the optimizer that the file describes, with its state. Throws if it has no counterpart. Default false. */
	readonly optimizer?: boolean;
}

export interface LoadedKeras {
	readonly model: KerasModel;
	/** The optimizer of all parameters of the model; null without the option `optimizer`. */
	readonly optimizer: KerasOptimizer | null;
}

/**
 * Reads a model that Keras saved as .h5 or .keras, into a module that trains. Throws a FormatError if the file is damaged, or if a layer or
 * a setting of one has no counterpart; the error names it and its place.
 */
export async function loadKeras(source: Source, options: LoadKerasOptions = {}): Promise<LoadedKeras> {
	checkOptions('loadKeras', options, ['device', 'channels', 'layers', 'optimizer', 'onProgress', 'signal', 'cache']);
	checkOpenOptions('loadKeras', options);
	const { optimizer = false, signal } = options;
	requireBoolean('loadKeras', 'optimizer', optimizer);
	const build = checkKerasOptions('loadKeras', options);
	signal?.throwIfAborted();
	return withProgress([source], options, async (tell) => {
		const file = await openSource('loadKeras', source, options);
		try {
			const bytes = await new ProgressReader(file.size, signal, tell).read(file, 0, file.size);
			return await parsed(file.name, () => readModel(bytes, file, build, optimizer));
		} finally {
			await file.close();
		}
	});
}

interface Build {
	readonly device: DeviceName;
	readonly custom: Readonly<Record<string, MakeCustomLayer>>;
	readonly channels: 'first' | 'last';
}

/** @internal */
export function checkKerasOptions(
	operation: string,
	{ device = deviceOfNew(), channels = 'last', layers = {} }: KerasOptions,
): Build {
	requireOneOf(operation, 'channels', channels, ['first', 'last']);
	backendOf(device);
	return { device, custom: checkCustomLayers(operation, layers), channels };
}

async function readModel(
	bytes: Uint8Array<ArrayBuffer>,
	file: RandomAccess,
	build: Build,
	optimizer: boolean,
): Promise<LoadedKeras> {
	if (HDF5_SIGNATURE.every((byte, i) => bytes[i] === byte)) return readHdf5(bytes, (h5) => fromH5(h5, build, optimizer));
	if (bytes[0] === 0x50 && bytes[1] === 0x4b) return fromArchive(bytes, build, optimizer);
	return fail(
		`${quote(file.name)} is neither an HDF5 file nor a zip archive. If Keras wrote a folder (SavedModel), save it again as .keras`,
	);
}

function fromH5(file: H5Reader, build: Build, wantsOptimizer: boolean): LoadedKeras {
	const text = file.text('/', 'model_config');
	if (text === undefined)
		fail('the file has no model_config: it holds weights alone. In Keras, save the model with model.save()');
	const graph = parseGraph(parsedJson(text, 'the model_config'));
	const leaves = leavesOf(graph, build.custom);
	const model = buildModel(graph, leaves, weightsOfH5(file, leaves), build);
	if (!wantsOptimizer) return { model, optimizer: null };
	const training = configOf(parsedJson(file.text('/', 'training_config') ?? '{}', 'the training_config'));
	const stored = file.has('/optimizer_weights') ? listed(file, '/optimizer_weights') : [];
	return { model, optimizer: readOptimizer(training.optimizer_config, stored, model, ownedSlots(partsOf(model).leaves)) };
}

const KIND = 'Keras model';
/** The longest config that is read. */
const MOST_TEXT = 2 ** 27;

async function fromArchive(bytes: Uint8Array, build: Build, wantsOptimizer: boolean): Promise<LoadedKeras> {
	const reader: Reader = {
		getLength: async () => bytes.length,
		read: async (begin, length) => bytes.slice(begin, begin + length),
	};
	const { entries } = await unzipping(KIND, () => unzipRaw(reader));
	const entry = (name: string): ZipEntry =>
		entries.find((found) => found.name === name) ?? fail(`the archive has no ${quote(name)}: Keras did not write it`);
	const config = await storedBytes(KIND, 'Keras', entry('config.json'), MOST_TEXT);
	const weights = await storedBytes(KIND, 'Keras', entry('model.weights.h5'), bytes.length);
	const described = parsedJson(new TextDecoder().decode(config), 'config.json');
	const graph = parseGraph(described);
	const leaves = leavesOf(graph, build.custom);
	return readHdf5(weights, (file) => {
		const model = buildModel(graph, leaves, weightsOfArchive(file, leaves), build);
		if (!wantsOptimizer) return { model, optimizer: null };
		const { optimizer } = configOf(configOf(described).compile_config);
		const path = '/optimizer/vars';
		const stored = file
			.names(path)
			.map((_, i) => storedWeight(String(i), file.array(`${path}/${i}`) ?? fail(`it has no dataset ${quote(`${path}/${i}`)}`)));
		return { model, optimizer: readOptimizer(optimizer, stored, model, ownedSlots(partsOf(model).leaves)) };
	});
}

export interface SaveKerasOptions {
	/**
	 * The sizes of the input after the batch, as wgrad has them: [1, 28, 28]. Needed for an `nn.Sequential`; a `KerasModel` knows its own.
	 */
	readonly inputShape?: readonly number[];
	/** An optimizer to save with the model: Adam, AdamW, SGD or RMSprop. */
	readonly optimizer?: KerasOptimizer;
	/** 'keras' or 'h5'. Default: the ending of the path, or 'keras'. */
	readonly format?: 'keras' | 'h5';
}

/**
 * Writes a model as .keras (Keras 3) or .h5: one that `loadKeras` or `loadTfjs` has read, or an `nn.Sequential` of layers that Keras has.
 * `target` is a path (in Node), a WritableStream, or a FileSystemFileHandle. In Keras the model takes images with channels last.
 */
export async function saveKeras(
	model: KerasModel | nn.Sequential,
	target: Target,
	options: SaveKerasOptions = {},
): Promise<void> {
	const { inputShape, optimizer } = checkOptions('saveKeras', options, ['inputShape', 'optimizer', 'format']);
	const path = typeof target === 'string' || target instanceof URL ? String(target) : '';
	const { format = /\.(h5|hdf5)$/i.test(path) ? 'h5' : 'keras' } = options;
	requireOneOf('saveKeras', 'format', format, ['keras', 'h5']);
	const parts = savedParts('saveKeras', model, inputShape);
	const variables = optimizer === undefined ? null : optimizerVariables('saveKeras', optimizer, ownedSlots(parts.leaves));
	const bytes = await (format === 'h5' ? h5Of : archiveOf)(parts, variables);
	await writeTarget('saveKeras', target, onePart(bytes));
}

/** @internal */
export async function* onePart(bytes: Uint8Array): AsyncGenerator<Uint8Array<ArrayBuffer>> {
	yield bytes as Uint8Array<ArrayBuffer>;
}

/** The layers and weights of a model to save. @internal */
export function savedParts(
	operation: string,
	model: KerasModel | nn.Sequential,
	inputShape: readonly number[] | undefined,
): Parts {
	if (model instanceof KerasModel) {
		const parts = partsOf(model);
		const custom = parts.leaves.find(({ type, module, weights }) => type === null && (module !== null || weights.length > 0));
		if (custom !== undefined)
			throw new ArgumentError(
				`${operation}: ${custom.layer.settings.place} has weights of your own layer, which cannot be saved`,
			);
		return parts;
	}
	requireInstance(operation, 'model', model, nn.Sequential, 'a KerasModel or an nn.Sequential');
	if (inputShape === undefined || !isListOf(isCount)(inputShape))
		throw new ArgumentError(`${operation}: give the sizes of the model's input after the batch: { inputShape: [1, 28, 28] }`);
	return partsOfModule(model, inputShape);
}
