/** Draws a realistic folder of images: two classes, PNG and JPEG files, several sizes. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import jpeg from 'jpeg-js';
import { encodePng, type Image } from 'wgrad/data';
import { Canvas, Dice, hsv } from '../shapes';

const CLASSES = { circles: 'circle', squares: 'square' } as const;

const NOISE = 20;

/** Draws one noisy circle or square, brighter than the background but of similar hue, and a few crosses and triangles. */
function picture(shape: 'circle' | 'square', dice: Dice): Image {
	const [width, height] = [Math.floor(dice.uniform(36, 60)), Math.floor(dice.uniform(36, 60))];
	const hue = dice.uniform(0, 360);
	const value = dice.uniform(0.15, 0.45);
	const canvas = new Canvas(width, height, hsv(hue, 0.3, value), hsv(hue + dice.uniform(-40, 40), 0.3, value));
	const place = (radius: number, turn: number) => ({
		x: dice.uniform(radius, width - radius),
		y: dice.uniform(radius, height - radius),
		radius,
		angle: dice.uniform(-turn, turn),
	});
	for (let i = 0; i < 2; i++) {
		const colour = hsv(dice.uniform(0, 360), 0.5, dice.uniform(0.2, 0.7));
		canvas.draw(dice.pick(['cross', 'triangle']), place(dice.uniform(3, 5), Math.PI), colour);
	}
	const contrast = dice.uniform(0.35, 0.55);
	canvas.draw(shape, place(dice.uniform(12, 17), 0.25), hsv(hue + dice.uniform(-60, 60), 0.5, value + contrast));
	return canvas.finish(NOISE, dice);
}

/** Encodes a JPEG file; the encoder takes four channels. */
function encodeJpeg({ data, width, height }: Image): Uint8Array {
	const rgba = new Uint8Array(width * height * 4).fill(255);
	for (let i = 0; i < data.length; i++) rgba[Math.floor(i / 3) * 4 + (i % 3)] = data[i]!;
	return jpeg.encode({ data: rgba, width, height }, 90).data;
}

/** Writes `count` images per class to folders below `path`. Every other one is a JPEG file. */
export async function makeFolder(path: string, count: number, seed: number): Promise<void> {
	const dice = new Dice(seed);
	for (const [name, shape] of Object.entries(CLASSES)) {
		await mkdir(join(path, name), { recursive: true });
		for (let n = 0; n < count; n++) {
			const image = picture(shape, dice);
			const file = join(path, name, `${n}.${n % 2 === 0 ? 'png' : 'jpg'}`);
			await writeFile(file, n % 2 === 0 ? await encodePng(image) : encodeJpeg(image));
		}
	}
}
