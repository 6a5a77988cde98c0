/** Enlarges a picture by a network, tile by tile. */
import { type Device, noGrad, type Tensor, tensor, tidy } from 'wgrad';

/** The network's output has this many pixels for one of its input, in each direction. */
export const FACTOR = 2;
/** Pixels of a tile's side, without its margin. */
const TILE = 96;
/** What the network sees around a pixel: the radii of its convolutions add up to less. */
const MARGIN = 12;

/** Takes and gives pictures of shape [1, height, width, 3], with values from 0 to 255. */
export interface Network {
	forward(x: Tensor): Tensor;
}

export interface Tile {
	/** The tile of the result, and its place there. */
	readonly pixels: ImageData;
	readonly left: number;
	readonly top: number;
	/** The share of the picture that is done. */
	readonly done: number;
}

/** The tiles of the enlarged picture, one after another. `read` gives a part of the picture. */
export async function* enlarge(
	network: Network,
	{ width, height }: { readonly width: number; readonly height: number },
	read: (left: number, top: number, width: number, height: number) => ImageData,
	device: Device,
): AsyncGenerator<Tile> {
	const [columns, rows] = [Math.ceil(width / TILE), Math.ceil(height / TILE)];
	for (let index = 0; index < rows * columns; index++) {
		const [left, top] = [(index % columns) * TILE, Math.floor(index / columns) * TILE];
		const [right, bottom] = [Math.min(width, left + TILE), Math.min(height, top + TILE)];
		const [outerLeft, outerTop] = [Math.max(0, left - MARGIN), Math.max(0, top - MARGIN)];
		const outerWidth = Math.min(width, right + MARGIN) - outerLeft;
		const outerHeight = Math.min(height, bottom + MARGIN) - outerTop;
		const given = read(outerLeft, outerTop, outerWidth, outerHeight);
		const [from, to] = [(left - outerLeft) * FACTOR, (right - outerLeft) * FACTOR];
		const [first, last] = [(top - outerTop) * FACTOR, (bottom - outerTop) * FACTOR];
		const colours = tidy(() =>
			noGrad(() => {
				const x = tensor(given, { device }).slice(2, 0, 3).to('float32').unsqueeze(0);
				const y = network.forward(x).squeeze(0).slice(0, first, last).slice(1, from, to);
				return y.round().clamp(0, 255).contiguous();
			}),
		);
		const values = await colours.data();
		colours.dispose();
		const pixels = new ImageData(to - from, last - first);
		for (let i = 0; i < pixels.width * pixels.height; i++) {
			for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = values[3 * i + c]!;
			pixels.data[4 * i + 3] = 255;
		}
		yield { pixels, left: left * FACTOR, top: top * FACTOR, done: (index + 1) / (rows * columns) };
	}
}
