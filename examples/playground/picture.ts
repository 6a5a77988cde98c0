/** Pictures of the plane: fields of numbers in colours, points, and paths. */
import type { Points } from './data';
import { RANGE } from './data';

export type Colour = readonly [red: number, green: number, blue: number];

const ORANGE: Colour = [232, 119, 34];
const BLUE: Colour = [48, 110, 220];
const PAPER: Colour = [244, 244, 246];

/** Mixes two colours; share 0 is the first. */
export function mix(a: Colour, b: Colour, share: number): Colour {
	const part = (i: 0 | 1 | 2) => a[i] + (b[i] - a[i]) * share;
	return [part(0), part(1), part(2)];
}

/** Orange for 0, paper for 1/2, blue for 1. */
export function ofClass(probability: number): Colour {
	const strength = 0.75 * Math.min(1, Math.abs(2 * probability - 1));
	return mix(PAPER, probability > 0.5 ? BLUE : ORANGE, strength);
}

/** Fills the canvas with a square field of colours, smoothly. */
export function paintField(canvas: HTMLCanvasElement, side: number, colourOf: (i: number) => Colour): CanvasRenderingContext2D {
	const small = new OffscreenCanvas(side, side);
	const painter = small.getContext('2d')!;
	const image = painter.createImageData(side, side);
	for (let i = 0; i < side * side; i++) image.data.set([...colourOf(i), 255], 4 * i);
	painter.putImageData(image, 0, 0);
	const context = canvas.getContext('2d')!;
	context.drawImage(small, 0, 0, canvas.width, canvas.height);
	return context;
}

/** Draws points: full dots for training, rings for testing. */
export function paintPoints(context: CanvasRenderingContext2D, { places, classes }: Points, ring: boolean): void {
	const { width } = context.canvas;
	const at = (value: number) => ((value + RANGE) / (2 * RANGE)) * width;
	for (let i = 0; i < classes.length; i++) {
		const [red, green, blue] = classes[i] === 1 ? BLUE : ORANGE;
		context.beginPath();
		context.arc(at(places[2 * i]!), at(-places[2 * i + 1]!), ring ? 4 : 5, 0, 2 * Math.PI);
		context.fillStyle = ring ? 'white' : `rgb(${red} ${green} ${blue})`;
		context.strokeStyle = ring ? `rgb(${red} ${green} ${blue})` : 'white';
		context.lineWidth = ring ? 2.5 : 1.5;
		context.fill();
		context.stroke();
	}
}
