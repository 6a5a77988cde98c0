/**
 * Layers models of TensorFlow.js: a `model.json` with the config of a Keras model and a list of weights, and the weights in shards beside it.
 * Graph models, which hold TensorFlow's operations instead of layers, are refused.
 */
import { ArgumentError, FormatError } from '../core/errors';
import { float16ToFloat32 } from '../core/float16';
import { checkOptions } from '../core/options';
import { numel } from '../core/shape';
import { isCount, isListOf, isObject } from '../core/state';
import { parsed, type Source, sourceName } from '../data/sources';
import { FILE_WIDTH, type FileDType } from '../io/elements';
import { quote } from '../io/header';
import { beside, plainName, shardNamed } from '../io/load';
import { openSource, ProgressReader, withProgress } from '../io/open';
import { checkOpenOptions, type OpenOptions } from '../io/options';
import { thePlatform } from '../io/platform';
import type { RandomAccess } from '../io/randomAccess';
import type * as nn from '../nn';
import { checkKerasOptions, type KerasOptions, onePart, savedParts } from './keras';
import { writtenConfig } from './keras/config';
import { parseGraph } from './keras/graph';
import type { StoredArray } from './keras/hdf5';
import { buildModel, type KerasModel, type Leaf, leavesOf, ownedSlots, type StoredWeight } from './keras/model';
import { objectOf, parsedJson } from './keras/settings';
import { storedWeight } from './keras/weights';
import { nameOf, writtenWeights } from './keras/write';

export interface LoadTfjsOptions extends OpenOptions, KerasOptions {}

function fail(message: string): never {
	throw new FormatError(`TensorFlow.js model: ${message}`);
}

const MOST_TEXT = 2 ** 27;

/**
 * Reads a layers model of TensorFlow.js into a module that trains. `source` is the path (in Node) or URL of its `model.json`, beside which the
 * shards of weights are, or a list of Files: `model.json` first. Quantised weights become float32.
 */
export async function loadTfjs(source: Source | readonly Source[], options: LoadTfjsOptions = {}): Promise<KerasModel> {
	checkOptions('loadTfjs', options, ['device', 'channels', 'layers', 'onProgress', 'signal', 'cache']);
	checkOpenOptions('loadTfjs', options);
	const build = checkKerasOptions('loadTfjs', options);
	const { signal } = options;
	signal?.throwIfAborted();
	const [index, ...others]: readonly Source[] = Array.isArray(source) ? source : [source as Source];
	if (index === undefined) throw new ArgumentError('loadTfjs: there is no file to load');
	return withProgress([index], options, async (tell) => {
		const open: RandomAccess[] = [];
		try {
			return await parsed(sourceName(index), async () => {
				const file = await openSource('loadTfjs', index, options);
				open.push(file);
				if (file.size > MOST_TEXT) fail(`model.json has ${file.size} bytes`);
				const model = parsedJson(new TextDecoder().decode(await file.read(0, file.size)), 'model.json');
				if (!isObject(model)) return fail('model.json holds no object');
				const graph = parseGraph(configIn(model));
				const groups = groupsOf(model);
				const shards: RandomAccess[][] = [];
				for (const { paths } of groups) {
					const group: RandomAccess[] = [];
					for (const path of paths) {
						const shard = await openSource('loadTfjs', shardNamed(path, index, others, 'loadTfjs'), options);
						open.push(shard);
						group.push(shard);
					}
					shards.push(group);
				}
				const total = shards.flat().reduce((sum, { size }) => sum + size, 0);
				const reader = new ProgressReader(total, signal, tell);
				const weights = new Map<string, StoredWeight>();
				for (const [i, { entries }] of groups.entries()) await readGroup(entries, shards[i]!, reader, weights);
				const leaves = leavesOf(graph, build.custom);
				return buildModel(graph, leaves, new Map(leaves.map((leaf) => [leaf, weightsOf(leaf, weights)])), build);
			});
		} finally {
			for (const file of open) await file.close();
		}
	});
}

/** The config of the Keras model in a model.json. */
function configIn(model: Readonly<Record<string, unknown>>): unknown {
	const { modelTopology: topology, format } = model;
	if (format === 'graph-model' || (isObject(topology) && topology.node !== undefined))
		fail(
			'it is a graph model, which holds operations instead of layers. Convert the Keras model with tensorflowjs_converter to a layers model',
		);
	if (!isObject(topology)) return fail('model.json has no modelTopology');
	return objectOf(topology.model_config) === null ? topology : topology.model_config;
}

interface Entry {
	readonly name: string;
	readonly shape: readonly number[];
	/** The dtype of the numbers in the file. */
	readonly dtype: FileDType;
	/** What quantised numbers mean: scale * number + min. */
	readonly scale: number | null;
	readonly min: number;
}

interface WeightGroup {
	readonly paths: readonly string[];
	readonly entries: readonly Entry[];
}

const DTYPES: Readonly<Record<string, FileDType>> = {
	float32: 'F32',
	int32: 'I32',
	bool: 'BOOL',
	float16: 'F16',
	uint8: 'U8',
	uint16: 'U16',
};

function groupsOf({ weightsManifest }: Readonly<Record<string, unknown>>): WeightGroup[] {
	if (!Array.isArray(weightsManifest)) return fail('model.json has no weightsManifest');
	return weightsManifest.map((group: unknown) => {
		if (!isObject(group) || !Array.isArray(group.paths) || !Array.isArray(group.weights))
			return fail('its weightsManifest has no paths and weights');
		return { paths: group.paths.map((path) => plainName('the weights', path)), entries: group.weights.map(entryOf) };
	});
}

function entryOf(value: unknown): Entry {
	if (!isObject(value) || typeof value.name !== 'string') return fail('a weight has no name');
	const { name, shape, dtype, quantization } = value;
	if (!isListOf(isCount)(shape)) return fail(`weight ${quote(name)} has no shape`);
	const { dtype: stored = dtype, scale = null, min = 0 } = isObject(quantization) ? quantization : {};
	const found = Object.hasOwn(DTYPES, String(stored))
		? DTYPES[String(stored)]!
		: fail(`weight ${quote(name)} has the dtype ${quote(String(stored))}`);
	if ((scale !== null && typeof scale !== 'number') || typeof min !== 'number')
		return fail(`weight ${quote(name)} has a wrong quantization`);
	return { name, shape: shape as number[], dtype: found, scale, min };
}

/** Reads the weights of a group, which stand one after another in its shards. */
async function readGroup(
	entries: readonly Entry[],
	shards: readonly RandomAccess[],
	reader: ProgressReader,
	weights: Map<string, StoredWeight>,
): Promise<void> {
	const size = shards.reduce((sum, shard) => sum + shard.size, 0);
	const needed = entries.reduce((sum, { shape, dtype }) => sum + numel(shape) * FILE_WIDTH[dtype], 0);
	if (needed !== size) fail(`its weights take ${needed} bytes, and the shards have ${size}`);
	const all = new Uint8Array(size);
	let at = 0;
	for (const shard of shards) {
		all.set(await reader.read(shard, 0, shard.size), at);
		at += shard.size;
	}
	at = 0;
	for (const entry of entries) {
		const length = numel(entry.shape) * FILE_WIDTH[entry.dtype];
		if (weights.has(entry.name)) fail(`two weights have the name ${quote(entry.name)}`);
		const bytes = all.slice(at, at + length);
		weights.set(entry.name, storedWeight(entry.name, restored(entry, bytes)));
		at += length;
	}
}

/** A weight whose numbers are no longer quantised. */
function restored({ shape, dtype, scale, min }: Entry, bytes: Uint8Array): StoredArray {
	if (scale === null && dtype !== 'F16') return { shape, dtype, bytes };
	const halves = () => new Uint16Array(bytes.buffer);
	const values =
		dtype === 'F16' ? float16ToFloat32(halves()) : Float32Array.from(dtype === 'U16' ? halves() : bytes, (q) => q * scale! + min);
	return { shape, dtype: 'F32', bytes: new Uint8Array(values.buffer) };
}

/** The weights of a layer: those whose names begin with its own, first the trained ones as Keras and tfjs list them. */
function weightsOf({ layer, weights: specs }: Leaf, all: ReadonlyMap<string, StoredWeight>): StoredWeight[] {
	const own = [...all].filter(([name]) => name.startsWith(`${layer.name}/`)).map(([, weight]) => weight);
	if (own.length === specs.length || specs.length === 0) return own;
	// tfjs names the weights of the layers in a wrapper after these.
	const inner = objectOf(layer.settings.get('layer'))?.config.name;
	const wrapped = [`forward_${String(inner)}/`, `backward_${String(inner)}/`, `${String(inner)}/`];
	return wrapped.flatMap((prefix) => [...all].filter(([name]) => name.startsWith(prefix)).map(([, weight]) => weight));
}

export interface SaveTfjsOptions {
	/** The sizes of the input after the batch, as wgrad has them: [1, 28, 28]. Needed for an `nn.Sequential`. */
	readonly inputShape?: readonly number[];
}

/** The size of a shard, so that browsers cache it. */
const SHARD_BYTES = 4 * 2 ** 20;

/**
 * Writes a layers model that `tf.loadLayersModel()` reads: `path` is that of the `model.json`, and the shards of weights go beside it. Takes
 * what `saveKeras` takes.
 */
export async function saveTfjs(model: KerasModel | nn.Sequential, path: string, options: SaveTfjsOptions = {}): Promise<void> {
	const { inputShape } = checkOptions('saveTfjs', options, ['inputShape']);
	if (typeof path !== 'string') throw new ArgumentError('saveTfjs: give the path of the model.json to write');
	const { graph, leaves } = savedParts('saveTfjs', model, inputShape);
	const arrays = await writtenWeights(ownedSlots(leaves));
	const weights = [...arrays].map(([slot, { shape }]) => ({
		name: nameOf(slot).slice(0, -':0'.length),
		shape,
		dtype: 'float32',
	}));
	const parts = [...arrays.values()].map(({ bytes, dtype }) =>
		dtype === 'F64' ? new Uint8Array(Float32Array.from(new Float64Array(bytes.buffer)).buffer) : bytes,
	);
	const data = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
	let at = 0;
	for (const part of parts) {
		data.set(part, at);
		at += part.length;
	}
	const count = Math.max(1, Math.ceil(data.length / SHARD_BYTES));
	const shards = Array.from({ length: count }, (_, i) => ({
		name: `group1-shard${i + 1}of${count}.bin`,
		bytes: data.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES),
	}));
	const topology = { keras_version: '2.15.0', backend: 'tensorflow', model_config: writtenConfig(graph, 2) };
	const manifest = [{ paths: shards.map(({ name }) => name), weights }];
	const text = JSON.stringify({
		format: 'layers-model',
		generatedBy: 'wgrad',
		convertedBy: null,
		modelTopology: topology,
		weightsManifest: manifest,
	});
	await thePlatform().writeFiles('saveTfjs', [
		...shards.map(({ name, bytes }) => ({ path: beside(path, name), parts: onePart(bytes) })),
		{ path, parts: onePart(new TextEncoder().encode(text)) },
	]);
}
