/** Converts a drawing to an image like MNIST's, by the procedure described at http://yann.lecun.com/exdb/mnist */
import { PIXELS, SIDE } from './images';

/** Grey levels from 0 (paper) to 255 (ink), row by row. */
interface GreyImage {
	readonly width: number;
	readonly height: number;
	readonly levels: Uint8Array;
}

/** The digit's larger side, in pixels of the result. */
const DIGIT_SIDE = 20;

/** The position of the centre of mass from the left and top edges: the middle of pixel 14, as in MNIST. */
const CENTRE = 14.5;

/**
 * Scales the ink to a box of 20 x 20, averaging over the area of each pixel, and moves its centre of mass to the middle of 28 x 28. A
 * drawing without ink gives null.
 */
export function centreDigit(drawing: GreyImage): Uint8Array | null {
	const ink = measure(drawing);
	if (ink === null) return null;
	const step = ink.side / DIGIT_SIDE;
	const result = new Uint8Array(PIXELS);
	for (let row = 0; row < SIDE; row++) {
		const top = ink.y + (row - CENTRE) * step;
		for (let column = 0; column < SIDE; column++) {
			const left = ink.x + (column - CENTRE) * step;
			result[row * SIDE + column] = Math.round(mean(drawing, left, top, step));
		}
	}
	return result;
}

/** The larger side of the ink's bounding box, and its centre of mass. */
function measure({ width, height, levels }: GreyImage): { side: number; x: number; y: number } | null {
	let [left, right, top, bottom] = [width, -1, height, -1];
	let [mass, x, y] = [0, 0, 0];
	for (let row = 0; row < height; row++) {
		for (let column = 0; column < width; column++) {
			const level = levels[row * width + column]!;
			if (level === 0) continue;
			left = Math.min(left, column);
			right = Math.max(right, column);
			top = Math.min(top, row);
			bottom = row;
			mass += level;
			x += level * (column + 0.5);
			y += level * (row + 0.5);
		}
	}
	if (mass === 0) return null;
	return { side: Math.max(right - left, bottom - top) + 1, x: x / mass, y: y / mass };
}

/** The mean level in a square. Pixels at its edge count in proportion to the area inside. Outside the drawing is paper. */
function mean({ width, height, levels }: GreyImage, left: number, top: number, side: number): number {
	const [right, bottom] = [left + side, top + side];
	let sum = 0;
	for (let row = Math.max(0, Math.floor(top)); row < Math.min(height, bottom); row++) {
		const rows = Math.min(row + 1, bottom) - Math.max(row, top);
		for (let column = Math.max(0, Math.floor(left)); column < Math.min(width, right); column++) {
			sum += levels[row * width + column]! * rows * (Math.min(column + 1, right) - Math.max(column, left));
		}
	}
	return sum / (side * side);
}
