/** Many small images as one PNG file. */
import { writeFile } from 'node:fs/promises';
import { encode } from 'fast-png';
import type { Tensor } from 'wgrad';

/** Pixels between images. */
const GAP = 2;

/** Writes images [N, C, H, W] of one or three channels, from 0 to 1, in rows of `columns`. */
export async function writeGrid(path: string, images: Tensor, columns: number): Promise<void> {
	const [count, channels, height, width] = images.shape as [number, number, number, number];
	const values = await images.data();
	const rows = Math.ceil(count / columns);
	const gridWidth = columns * (width + GAP) + GAP;
	const gridHeight = rows * (height + GAP) + GAP;
	const pixels = new Uint8Array(gridWidth * gridHeight * channels);
	for (let n = 0; n < count; n++) {
		const top = GAP + Math.floor(n / columns) * (height + GAP);
		const left = GAP + (n % columns) * (width + GAP);
		for (let c = 0; c < channels; c++) {
			for (let i = 0; i < height * width; i++) {
				const place = (top + Math.floor(i / width)) * gridWidth + left + (i % width);
				const value = values[(n * channels + c) * height * width + i]!;
				pixels[place * channels + c] = Math.round(255 * Math.min(1, Math.max(0, value)));
			}
		}
	}
	await writeFile(path, encode({ data: pixels, width: gridWidth, height: gridHeight, channels }));
}
