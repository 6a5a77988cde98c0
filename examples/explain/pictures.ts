/** Paints pictures, maps over pictures, filters and activations. */
import { SIDE } from './data';

/** Sets the canvas to a small picture that the browser enlarges. */
function paint(
	canvas: HTMLCanvasElement,
	width: number,
	height: number,
	colourOf: (i: number) => readonly [number, number, number],
): void {
	canvas.width = width;
	canvas.height = height;
	const context = canvas.getContext('2d')!;
	const image = context.createImageData(width, height);
	for (let i = 0; i < width * height; i++) image.data.set([...colourOf(i), 255], 4 * i);
	context.putImageData(image, 0, 0);
}

export function paintPicture(canvas: HTMLCanvasElement, pixels: Uint8Array): void {
	paint(canvas, SIDE, SIDE, (i) => [pixels[3 * i]!, pixels[3 * i + 1]!, pixels[3 * i + 2]!]);
}

/** A map over the grey picture: red speaks for the class, blue against it. */
export function paintMap(canvas: HTMLCanvasElement, map: ArrayLike<number>, pixels: Uint8Array): void {
	let most = 1e-12;
	for (let i = 0; i < map.length; i++) most = Math.max(most, Math.abs(map[i]!));
	paint(canvas, SIDE, SIDE, (i) => {
		const grey = 0.25 * (pixels[3 * i]! + pixels[3 * i + 1]! + pixels[3 * i + 2]!) * (1 / 3) + 150;
		const share = Math.sqrt(Math.abs(map[i]!) / most);
		const colour = map[i]! > 0 ? [214, 40, 40] : [30, 90, 220];
		return colour.map((part) => grey + (part - grey) * share) as [number, number, number];
	});
}

/** Tiles of `side` x `side` numbers side by side, `columns` in a row, each from its least to its greatest value. `channels`: 1 or 3 colours. */
export function paintTiles(
	canvas: HTMLCanvasElement,
	values: ArrayLike<number>,
	side: number,
	channels: 1 | 3,
	columns: number,
): void {
	const size = channels * side * side;
	const count = values.length / size;
	const [width, height] = [columns * (side + 1) - 1, Math.ceil(count / columns) * (side + 1) - 1];
	const ranges = Array.from({ length: count }, (_, tile) => {
		const own = Array.from({ length: size }, (_, i) => values[tile * size + i]!);
		const low = Math.min(...own);
		return { low, span: Math.max(...own) - low || 1 };
	});
	paint(canvas, width, height, (i) => {
		const [x, y] = [i % width, Math.floor(i / width)];
		const [column, row] = [Math.floor(x / (side + 1)), Math.floor(y / (side + 1))];
		const [u, v] = [x % (side + 1), y % (side + 1)];
		const tile = row * columns + column;
		if (u === side || v === side || tile >= count) return [128, 128, 128];
		const { low, span } = ranges[tile]!;
		const level = (c: number) => (255 * (values[tile * size + c * side * side + v * side + u]! - low)) / span;
		return channels === 3 ? [level(0), level(1), level(2)] : [level(0), level(0), level(0)];
	});
}
