/** Random draws that are the same on every rank. */
export interface Draw {
	/** A whole number from `least` to `most`. */
	integer(least: number, most: number): number;
	one<T>(choices: readonly T[]): T;
}

/** Draws by mulberry32. */
export function drawFrom(seed: number): Draw {
	let state = Math.imul(seed + 1, 0x9e3779b1);
	const next = () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
	const integer = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
	return { integer, one: (choices) => choices[integer(0, choices.length - 1)]! };
}
