/** Passages of a text, half of them backwards. Both have the same letters, so only the order tells them apart. */
import { type Device, randint, type Tensor, tensor } from 'wgrad';

interface Passages {
	/** [B, maxLength] int32, padded with 0. */
	readonly tokens: Tensor;
	/** [B] int32. */
	readonly lengths: Tensor;
	/** [B] int32: 0 forwards, 1 backwards. */
	readonly labels: Tensor;
}

/** A text as tokens of one character, numbered from 1. */
export class Characters {
	readonly vocabulary: number;
	readonly #tokens: Int32Array;

	constructor(text: string) {
		const known = new Map([...new Set(text)].sort().map((character, i) => [character, i + 1]));
		this.#tokens = Int32Array.from(text, (character) => known.get(character)!);
		this.vocabulary = known.size + 1;
	}

	get length(): number {
		return this.#tokens.length;
	}

	/** Draws passages of random length and direction that begin between `start` and `end`. The same seed draws the same passages. */
	async draw(
		count: number,
		[start, end]: readonly [start: number, end: number],
		{ minLength, maxLength, device }: { readonly minLength: number; readonly maxLength: number; readonly device: Device },
	): Promise<Passages> {
		const cpu = { device: 'cpu' } as const;
		const places = await randint(start, end - maxLength, [count], cpu).data();
		const lengths = await randint(minLength, maxLength + 1, [count], cpu).data();
		const labels = await randint(2, [count], cpu).data();
		const tokens = new Int32Array(count * maxLength);
		for (let row = 0; row < count; row++) {
			const passage = this.#tokens.slice(places[row]!, places[row]! + lengths[row]!);
			tokens.set(labels[row] === 1 ? passage.reverse() : passage, row * maxLength);
		}
		return {
			tokens: tensor(tokens, { shape: [count, maxLength], device }),
			lengths: tensor(Int32Array.from(lengths), { device }),
			labels: tensor(Int32Array.from(labels), { device }),
		};
	}
}
