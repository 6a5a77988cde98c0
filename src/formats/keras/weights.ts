/** Finds the weights of each layer in the files of Keras 2 (.h5) and Keras 3 (.keras). */
import type { DeviceName } from '../../backends/contract';
import { backendOf } from '../../backends/registry';
import type { Shape } from '../../core/shape';
import { readElements } from '../../io/elements';
import { quote } from '../../io/header';
import { Tensor } from '../../tensor';
import type { H5Array, H5Reader, StoredArray } from './hdf5';
import type { Leaf, StoredWeight } from './model';
import { fail } from './settings';

export type Weights = ReadonlyMap<Leaf, readonly StoredWeight[]>;

/** Moves numbers of a file to a device. float16 becomes float32. */
function uploaded(name: string, { shape, dtype, bytes }: StoredArray, device: DeviceName): Tensor {
	const float64As = device === 'cpu' ? 'float64' : 'float32';
	const elements = readElements(`weight ${quote(name)}`, dtype, bytes, { float16As: 'float32', float64As });
	return new Tensor(backendOf(device).upload(elements.data, elements.dtype, shape as Shape), shape);
}

/** A weight whose bytes are at hand, or read when they are needed. */
export function storedWeight(name: string, array: H5Array | StoredArray): StoredWeight {
	const stored = (): StoredArray => ('bytes' in array ? array : { shape: array.shape, dtype: array.dtype, bytes: array.read() });
	return {
		name,
		shape: array.shape,
		upload: (device) => uploaded(name, stored(), device),
		read: () => readElements(`weight ${quote(name)}`, array.dtype, stored().bytes, { float16As: 'float32' }).data,
	};
}

/** The weights in a group of Keras 2, in the order of its list of names. */
export function listed(file: H5Reader, group: string): StoredWeight[] {
	const names = file.texts(group, 'weight_names') ?? [];
	return names.map((name) => {
		const path = `${group}/${name}`;
		return storedWeight(name, file.array(path) ?? fail(`it has no dataset ${quote(path)}`));
	});
}

/**
 * Deals the weights of one layer of Keras 2 out to its leaves. A model that is a layer lists all weights that are trained first, then the
 * others.
 */
export function dealt(leaves: readonly Leaf[], stored: readonly StoredWeight[], name: string): Map<Leaf, StoredWeight[]> {
	const result = new Map<Leaf, StoredWeight[]>(leaves.map((leaf) => [leaf, []]));
	const [first] = leaves;
	if (leaves.length === 1 && first!.type === null) return result.set(first!, [...stored]);
	const wanted = leaves.flatMap((leaf) =>
		leaf.weights.map((spec, index) => ({ leaf, index, trained: leaf.trainable && spec.trained !== false })),
	);
	const order = [...wanted.filter(({ trained }) => trained), ...wanted.filter(({ trained }) => !trained)];
	if (order.length !== stored.length)
		fail(`layer ${quote(name)} needs ${order.length} weights, and the file has ${stored.length}`);
	order.forEach(({ leaf, index }, i) => {
		result.get(leaf)![index] = stored[i]!;
	});
	return result;
}

export function weightsOfH5(file: H5Reader, leaves: readonly Leaf[]): Weights {
	const result = new Map<Leaf, readonly StoredWeight[]>();
	for (const top of new Set(leaves.map((leaf) => leaf.top))) {
		const own = leaves.filter((leaf) => leaf.top === top);
		for (const [leaf, weights] of dealt(own, listed(file, `/model_weights/${top}`), top)) result.set(leaf, weights);
	}
	return result;
}

export function weightsOfArchive(file: H5Reader, leaves: readonly Leaf[]): Weights {
	return new Map(leaves.map((leaf) => [leaf, leaf.type === null ? allIn(file, leaf) : specified(file, leaf)]));
}

/** The groups where versions of Keras put the variables of a part of a layer. */
function places(leaf: Leaf, part: string | undefined): string[] {
	const inner = part === undefined ? [''] : [`/${part}`, `/_${part}`];
	const older = leaf.path3.replaceAll('layers/', '_layer_checkpoint_dependencies/');
	const named = `layers/${leaf.path.join('/layers/')}`;
	return [leaf.path3, older, named].flatMap((base) => inner.map((end) => `/${base}${end}/vars`));
}

function specified(file: H5Reader, leaf: Leaf): StoredWeight[] {
	const counts = new Map<string, number>();
	return leaf.weights.map(({ name, path3 }) => {
		const tried = places(leaf, path3);
		const group =
			tried.find((place) => file.names(place).length > 0) ??
			fail(`${leaf.layer.settings.place}: the file has no weights ${quote(tried[0]!)}`);
		const index = counts.get(group) ?? 0;
		counts.set(group, index + 1);
		const path = `${group}/${index}`;
		return storedWeight(name, file.array(path) ?? fail(`it has no dataset ${quote(path)}`));
	});
}

function allIn(file: H5Reader, leaf: Leaf): StoredWeight[] {
	const group = places(leaf, undefined).find((place) => file.names(place).length > 0);
	if (group === undefined) return [];
	return file
		.names(group)
		.map((_, i) => storedWeight(String(i), file.array(`${group}/${i}`) ?? fail(`it has no dataset ${quote(`${group}/${i}`)}`)));
}
