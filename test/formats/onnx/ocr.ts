/** Draws text, and reads what a network for text recognition says about it. */

/** Glyphs of 5 x 7 pixels. */
const GLYPHS: Readonly<Record<string, string>> = {
	4: '...#...##..#.#.#..#.#####...#....#.',
	0: '.###.#...##...##...##...##...#.###.',
	7: '#####....#...#...#...#....#....#...',
	2: '.###.#...#....#...#...#...#...#####',
};

/** Dark text on white, [1, 3, height, width], from -1 to 1. Edges are smooth. */
export function drawn(text: string, height: number, width: number): Float32Array<ArrayBuffer> {
	const cell = 5;
	const left = (width - text.length * 6 * cell) / 2;
	const top = (height - 7 * cell) / 2;
	const ink = (x: number, y: number) => {
		const [column, row] = [Math.floor((x - left) / cell), Math.floor((y - top) / cell)];
		const glyph = GLYPHS[text[Math.floor(column / 6)] ?? ''];
		return column >= 0 && row >= 0 && row < 7 && column % 6 < 5 && glyph?.[5 * row + (column % 6)] === '#' ? 1 : 0;
	};
	const plane = Array.from({ length: height * width }, (_, i) => {
		const [x, y] = [i % width, Math.floor(i / width)];
		let sum = 0;
		for (let dy = -2; dy <= 2; dy++) for (let dx = -2; dx <= 2; dx++) sum += ink(x + dx, y + dy);
		return 1 - (2 * sum) / 25;
	});
	return Float32Array.from([...plane, ...plane, ...plane]);
}

/** The text of scores [1, steps, characters]: the best of each step, without repeats and blanks, which are number 0. */
export function readText(scores: ArrayLike<number>, characters: number, alphabet: readonly string[]): string {
	const best = Array.from({ length: scores.length / characters }, (_, step) => {
		let index = 0;
		for (let i = 1; i < characters; i++) if (scores[step * characters + i]! > scores[step * characters + index]!) index = i;
		return index;
	});
	return best
		.filter((index, step) => index !== 0 && index !== best[step - 1])
		.map((index) => alphabet[index - 1] ?? ' ')
		.join('');
}
