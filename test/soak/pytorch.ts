/** Files of torch.save(), intact and damaged, give tensors or one of the library's errors, in bounded time and memory. */
import { gunzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { Tensor } from 'wgrad';
import { loadPyTorch } from 'wgrad/formats';
import { files } from '../formats/pytorch.fixture';
import { below, type Counts, pick, type Random } from './campaign';
import { damaged, takes, until } from './damage';

const all = Object.values(files)
	.flatMap((forms) => Object.values(forms))
	.map((text) => new Uint8Array(gunzipSync(Buffer.from(text, 'base64'))));

/** A copy with a few bits or bytes changed in the pickle, which in archives comes first, and the length kept. */
function changed(random: Random, file: Uint8Array): Uint8Array {
	const bytes = file.slice();
	for (let n = 1 + below(random, 3); n > 0; n--) {
		const at = below(random, Math.min(bytes.length, 1000));
		bytes[at] = random() < 0.5 ? bytes[below(random, bytes.length)]! : bytes[at]! ^ (1 << below(random, 8));
	}
	return bytes;
}

/** Reads all tensors in a value. */
async function readAll(value: unknown): Promise<number> {
	if (value instanceof Tensor) {
		assert.ok(value.size <= 2 ** 31);
		// A stride of 0 makes a few bytes a large tensor, which takes its memory only where it is read.
		if (value.size < 1e5) assert.is((await value.data()).length, value.size);
		return 1;
	}
	if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return 0;
	const items = value instanceof Map || value instanceof Set ? [...value].flat() : Object.values(value);
	let count = 0;
	for (const item of items) count += await readAll(item);
	return count;
}

export async function damagedPyTorch(random: Random, deadline: number): Promise<Counts> {
	const counts = { taken: 0, refused: 0, tensors: 0 };
	await until(deadline, async () => {
		const file = pick(random, all);
		for (const bytes of [damaged(random, file), changed(random, file), changed(random, file)]) {
			const taken = await takes(bytes, async () => {
				counts.tensors += await readAll(await loadPyTorch<unknown>(bytes, { device: 'cpu' }));
			});
			counts[taken ? 'taken' : 'refused']++;
		}
	});
	return counts;
}
