/** A folder of images as people have them: two classes, PNG and JPEG files of several sizes. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import jpeg from 'jpeg-js';
import { encodePng, type Image } from 'wgrad/data';
import { Canvas, Dice, hsv } from '../shapes';

const CLASSES = { circles: 'circle', squares: 'square' } as const;

const NOISE = 40;

/** One circle or square, small and noisy, that differs little from the colour behind it, and a few crosses and triangles. */
function picture(shape: 'circle' | 'square', dice: Dice): Image {
	const [width, height] = [Math.floor(dice.uniform(36, 60)), Math.floor(dice.uniform(36, 60))];
	const hue = dice.uniform(0, 360);
	const value = dice.uniform(0.2, 0.8);
	const canvas = new Canvas(width, height, hsv(hue, 0.3, value), hsv(hue + dice.uniform(-40, 40), 0.3, value));
	const place = (radius: number) => ({
		x: dice.uniform(radius, width - radius),
		y: dice.uniform(radius, height - radius),
		radius,
		angle: dice.uniform(0, 2 * Math.PI),
	});
	for (let i = 0; i < 4; i++) {
		const colour = hsv(dice.uniform(0, 360), 0.5, dice.uniform(0.2, 1));
		canvas.draw(dice.pick(['cross', 'triangle']), place(dice.uniform(3, 6)), colour);
	}
	const contrast = dice.pick([-1, 1]) * dice.uniform(0.15, 0.35);
	canvas.draw(
		shape,
		place(dice.uniform(8, 14)),
		hsv(hue + dice.uniform(-60, 60), 0.5, Math.min(1, Math.max(0, value + contrast))),
	);
	return canvas.finish(NOISE, dice);
}

/** As a JPEG file, which takes four channels. */
function encodeJpeg({ data, width, height }: Image): Uint8Array {
	const rgba = new Uint8Array(width * height * 4).fill(255);
	for (let i = 0; i < data.length; i++) rgba[Math.floor(i / 3) * 4 + (i % 3)] = data[i]!;
	return jpeg.encode({ data: rgba, width, height }, 90).data;
}

/** Writes `count` images of each class into folders below `path`: every other one is a JPEG file. */
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
