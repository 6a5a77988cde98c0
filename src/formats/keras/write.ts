/** Writes models as .h5 and .keras files. */
import { noGrad } from '../../autograd/modes';
import type { DType } from '../../core/dtype';
import { storedArray } from '../../core/halves';
import type { FileDType } from '../../io/elements';
import { add, to } from '../../ops/elementwise';
import { contiguous, reshape } from '../../ops/layout';
import type { Tensor } from '../../tensor';
import { tidy } from '../../tidy';
import { writtenConfig } from './config';
import { type H5Group, type StoredArray, writeHdf5 } from './hdf5';
import { type BuiltLeaf, type OwnedSlot, ownedSlots, type Parts } from './model';
import type { OptimizerVariables } from './optimizers';

/** What this library writes is of these versions. */
const KERAS_2 = '2.15.0';
const KERAS_3 = '3.5.0';

/** The values of weights in Keras's order of dims, read together. */
export async function writtenWeights(slots: readonly OwnedSlot[]): Promise<Map<OwnedSlot, StoredArray>> {
	const arrays = await readTensors(slots.map(({ slot }) => ({ make: () => slot.write(slot.targets, false), shape: slot.shape })));
	return new Map(slots.map((slot, i) => [slot, arrays[i]!]));
}

async function readTensors(wanted: readonly { make: () => Tensor; shape: readonly number[] }[]): Promise<StoredArray[]> {
	const arrays: StoredArray[] = [];
	for (const { make, shape } of wanted) {
		const value = tidy(() => noGrad(() => floats(reshape(contiguous(make()), [...shape]))));
		const data = await value.data();
		const { buffer, byteOffset, byteLength } = storedArray(value.dtype, data);
		arrays.push({
			shape,
			dtype: FILE_DTYPES[value.dtype] ?? 'F32',
			bytes: new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice(),
		});
		value.dispose();
	}
	return arrays;
}

const FILE_DTYPES: Readonly<Partial<Record<DType, FileDType>>> = { float32: 'F32', float64: 'F64', int32: 'I32' };

/** Keras reads float32 and float64. The copy does not share memory with a weight. */
function floats(x: Tensor): Tensor {
	return FILE_DTYPES[x.dtype] === undefined ? to(x, 'float32') : add(x, 0);
}

function scalar(dtype: 'F32' | 'I64', value: number): StoredArray {
	const data = dtype === 'F32' ? Float32Array.of(value) : BigInt64Array.of(BigInt(value));
	return { shape: [], dtype, bytes: new Uint8Array(data.buffer) };
}

/** A tree of groups that grows by paths. */
interface Tree {
	attributes: Record<string, string | readonly string[]>;
	groups: Record<string, Tree>;
	arrays: Record<string, StoredArray>;
}

const emptyTree = (): Tree => ({ attributes: {}, groups: Object.create(null), arrays: Object.create(null) });

function groupAt(tree: Tree, path: string): Tree {
	let at = tree;
	for (const name of path.split('/').filter((part) => part !== '')) at = at.groups[name] ??= emptyTree();
	return at;
}

function put(tree: Tree, path: string, array: StoredArray): void {
	const end = path.lastIndexOf('/');
	groupAt(tree, path.slice(0, Math.max(0, end))).arrays[path.slice(end + 1)] = array;
}

/** The optimizer's values in the order of Keras, with their names. */
async function optimizerArrays({ className, config, steps, variables }: OptimizerVariables): Promise<[string, StoredArray][]> {
	const arrays = await readTensors(variables.map(({ value }) => ({ make: () => value, shape: value.shape })));
	const name = className.toLowerCase();
	return [
		[`${name}/iteration`, scalar('I64', steps)],
		[`${name}/learning_rate`, scalar('F32', config.learning_rate as number)],
		...variables.map(({ name: own }, i): [string, StoredArray] => [`${name}/${own}`, arrays[i]!]),
	];
}

export async function h5Of(parts: Parts, optimizer: OptimizerVariables | null): Promise<Uint8Array> {
	const { graph, leaves } = parts;
	const slots = ownedSlots(leaves);
	const weights = await writtenWeights(slots);
	const root = emptyTree();
	root.attributes.keras_version = KERAS_2;
	root.attributes.backend = 'tensorflow';
	root.attributes.model_config = JSON.stringify(writtenConfig(graph, 2));
	const group = groupAt(root, 'model_weights');
	const names = graph.layers.map(({ name }) => name);
	Object.assign(group.attributes, { layer_names: names, keras_version: KERAS_2, backend: 'tensorflow' });
	groupAt(group, 'top_level_model_weights').attributes.weight_names = [];
	for (const top of names) {
		const own = slots.filter(({ leaf }) => leaf.top === top);
		const ordered = [...own.filter(({ trained }) => trained), ...own.filter(({ trained }) => !trained)];
		const layer = groupAt(group, top);
		layer.attributes.weight_names = ordered.map(nameOf);
		for (const slot of ordered) put(layer, nameOf(slot), weights.get(slot)!);
	}
	if (optimizer !== null) {
		const { className, config } = optimizer;
		root.attributes.training_config = JSON.stringify({
			loss: null,
			metrics: null,
			optimizer_config: { class_name: className, config },
		});
		const state = groupAt(root, 'optimizer_weights');
		const arrays = await optimizerArrays(optimizer);
		state.attributes.weight_names = arrays.map(([name]) => name);
		for (const [name, array] of arrays) put(state, name, array);
	}
	return writeHdf5(root);
}

/** The name of a weight in Keras 2: lstm/lstm_cell/kernel:0. */
export function nameOf({ leaf, spec }: OwnedSlot): string {
	return `${[leaf.layer.name, ...(spec.path2 === undefined ? [] : [spec.path2]), spec.name].join('/')}:0`;
}

export async function archiveOf(parts: Parts, optimizer: OptimizerVariables | null): Promise<Uint8Array> {
	const { graph, leaves } = parts;
	const slots = ownedSlots(leaves);
	const weights = await writtenWeights(slots);
	const root = emptyTree();
	groupAt(root, 'vars');
	for (const leaf of leaves) groupAt(root, `${leaf.path3}/vars`);
	const counts = new Map<string, number>();
	for (const slot of slots) {
		const { leaf, spec } = slot;
		const place = `${leaf.path3}/${spec.path3 === undefined ? '' : `${spec.path3}/`}vars`;
		const index = counts.get(place) ?? 0;
		counts.set(place, index + 1);
		put(root, `${place}/${index}`, weights.get(slot)!);
	}
	for (const leaf of leaves) for (const place of seedPlaces(leaf)) put(root, `${leaf.path3}/${place}/vars/0`, SEED);
	const state = optimizer === null ? [] : await optimizerArrays(optimizer);
	for (const [i, [, array]] of state.entries()) put(root, `optimizer/vars/${i}`, array);
	const config = {
		...writtenConfig(graph, 3),
		compile_config: optimizer === null ? null : compiled(optimizer),
	};
	const { zipSync } = await import('fflate');
	const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
	const metadata = { keras_version: KERAS_3, date_saved: new Date().toISOString().slice(0, 19).replace('T', '@') };
	const h5 = await writeHdf5(root as H5Group);
	return zipSync({ 'metadata.json': text(metadata), 'config.json': text(config), 'model.weights.h5': h5 }, { level: 0 });
}

function compiled({ className, config }: OptimizerVariables): unknown {
	const optimizer = { module: 'keras.optimizers', class_name: className, config, registered_name: null };
	return {
		optimizer,
		loss: null,
		loss_weights: null,
		metrics: null,
		weighted_metrics: null,
		run_eagerly: false,
		steps_per_execution: 1,
		jit_compile: false,
	};
}

const SEED: StoredArray = { shape: [2], dtype: 'U32', bytes: new Uint8Array(8) };

/** The parts of a layer in which Keras 3 keeps the state of random numbers, which it misses otherwise. */
function seedPlaces({ layer: { settings }, type }: BuiltLeaf): string[] {
	if (type === null) return [];
	const { className } = settings;
	if (/^(LSTM|GRU|SimpleRNN)$/.test(className)) return ['cell/seed_generator'];
	if (className === 'Bidirectional') return ['forward_layer/cell/seed_generator', 'backward_layer/cell/seed_generator'];
	if (className === 'MultiHeadAttention') return settings.number('dropout', 0) > 0 ? ['_dropout_layer/seed_generator'] : [];
	const rate = settings.number(className === 'GaussianNoise' ? 'stddev' : 'rate', 0.5);
	return /Dropout|GaussianNoise/.test(className) && rate > 0 ? ['seed_generator'] : [];
}
