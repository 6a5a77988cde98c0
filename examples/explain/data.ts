/** Pictures of coloured shapes on coloured ground, which the page draws itself. */
import { type Device, type Tensor, tensor } from 'wgrad';
import { Canvas, Dice, hsv, SHAPES } from '../shapes';

export const SIDE = 32;
export const CLASSES = SHAPES;
const PIXELS = SIDE * SIDE;

export interface Pictures {
	/** Red, green and blue of each pixel, row by row, for each picture. */
	readonly pixels: readonly Uint8Array[];
	/** Indices into CLASSES. */
	readonly labels: readonly number[];
}

/** Draws pictures from a seed. Shapes are small and turned, and the ground is noisy, so that some are hard. */
export function drawPictures(count: number, seed: number): Pictures {
	const dice = new Dice(seed);
	const pixels: Uint8Array[] = [];
	const labels: number[] = [];
	for (let i = 0; i < count; i++) {
		const label = i % CLASSES.length;
		const hue = dice.uniform(0, 360);
		const ground = () => hsv(hue + dice.uniform(100, 260), dice.uniform(0.1, 0.6), dice.uniform(0.2, 0.9));
		const canvas = new Canvas(SIDE, SIDE, ground(), ground());
		const radius = dice.uniform(4.5, 11);
		const place = () => dice.uniform(radius, SIDE - radius);
		canvas.draw(
			CLASSES[label]!,
			{ x: place(), y: place(), radius, angle: dice.uniform(-0.5, 0.5) },
			hsv(hue, dice.uniform(0.5, 1), dice.uniform(0.5, 1)),
		);
		pixels.push(canvas.finish(14, dice).data as Uint8Array);
		labels.push(label);
	}
	return { pixels, labels };
}

/** Some pictures as a batch [N, 3, 32, 32], from -1 to 1. */
export function batchOf({ pixels }: Pictures, indices: readonly number[], device: Device): Tensor {
	const values = new Float32Array(indices.length * 3 * PIXELS);
	indices.forEach((index, n) => {
		const own = pixels[index]!;
		for (let c = 0; c < 3; c++) for (let i = 0; i < PIXELS; i++) values[(n * 3 + c) * PIXELS + i] = own[3 * i + c]! / 127.5 - 1;
	});
	return tensor(values, { shape: [indices.length, 3, SIDE, SIDE], device });
}
