/** Files of Keras and TensorFlow.js, damaged, give models or one of the library's errors, in bounded time and memory. */
import * as assert from 'uvu/assert';
import { type KerasModel, loadKeras, loadTfjs } from 'wgrad/formats';
import { models, optimizers, unpacked } from '../formats/kerasFixture';
import { setting } from '../random/setting';
import { below, type Counts, pick, type Random } from './campaign';
import { damaged, takes, until } from './damage';

/** A copy with a few bytes changed, most of them where the file has something else than zeros. */
function changed(random: Random, file: Uint8Array): Uint8Array {
	const bytes = file.slice();
	for (let n = 1 + below(random, 4); n > 0; n--) {
		let at = below(random, bytes.length);
		for (let tries = 0; tries < 20 && bytes[at] === 0; tries++) at = below(random, bytes.length);
		bytes[at] = random() < 0.5 ? bytes[below(random, bytes.length)]! : bytes[at]! ^ (1 << below(random, 8));
	}
	return bytes;
}

async function requireReadable(model: KerasModel): Promise<void> {
	for (const parameter of model.parameters()) assert.is((await parameter.data()).length, parameter.size);
}

const all = [...Object.values(models), ...Object.values(optimizers)];

/** Loads one damaged file of each kind. */
async function tryOne(random: Random, counts: { taken: number; refused: number }): Promise<void> {
	const how = random() < 0.3 ? damaged : changed;
	for (const kind of ['h5', 'keras'] as const) {
		const bytes = how(random, unpacked(pick(random, all).files[kind]));
		const optimizer = random() < 0.5;
		const taken = await takes(bytes, async () => requireReadable((await loadKeras(bytes, { device: 'cpu', optimizer })).model));
		counts[taken ? 'taken' : 'refused']++;
	}
	const [text, ...shards] = pick(random, Object.values(models)).files.tfjs;
	const json = how(random, new TextEncoder().encode(text)) as Uint8Array<ArrayBuffer>;
	const files = [
		new File([json], 'model.json'),
		...shards.map((shard, i) => new File([unpacked(shard)], `group1-shard${i + 1}of${shards.length}.bin`)),
	];
	counts[(await takes(json, async () => requireReadable(await loadTfjs(files, { device: 'cpu' })))) ? 'taken' : 'refused']++;
}

/** At least WGRAD_CASES files of each kind, if it is set. */
export async function damagedKeras(random: Random, deadline: number): Promise<Counts> {
	const counts = { taken: 0, refused: 0 };
	const least = setting('WGRAD_CASES') ?? 0;
	for (let i = 0; i < least; i++) await tryOne(random, counts);
	await until(deadline, () => tryOne(random, counts));
	return counts;
}
