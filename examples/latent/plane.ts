/** The plane of codes: pictures at the places of a grid, test images as coloured dots, and the handle that a person drags. */
import { SIDE } from '../mnist/images';
import type { Placed } from './training';

/** The plane reaches from -RANGE to RANGE, where nearly all of a standard normal distribution lies. */
export const RANGE = 3;
/** Pictures in a row and in a column. */
export const GRID = 15;
/** How far an arrow key moves the handle. */
const KEY = 0.1;

const HUES = Array.from({ length: 10 }, (_, digit) => `hsl(${digit * 36} 90% 55%)`);

/** The places of the grid, row by row from the top. */
export const GRID_PLACES = Array.from({ length: GRID * GRID }, (_, i): [number, number] => {
	const at = (n: number) => RANGE * ((2 * n + 1) / GRID - 1);
	return [at(i % GRID), -at(Math.floor(i / GRID))];
});

/** Paints an image of numbers from 0 to 1 at a place of a canvas. */
export function paintDigit(
	context: CanvasRenderingContext2D,
	values: ArrayLike<number>,
	offset: number,
	x: number,
	y: number,
): void {
	const image = context.createImageData(SIDE, SIDE);
	for (let i = 0; i < SIDE * SIDE; i++) {
		const level = 255 * values[offset + i]!;
		image.data.set([level, level, level, 255], 4 * i);
	}
	context.putImageData(image, x, y);
}

export class Plane {
	/** Called when the handle has moved. */
	onMove: (place: readonly [number, number]) => void = () => {};
	place: readonly [number, number] = [0, 0];
	/** Whether test images are shown as dots. */
	dots = true;
	readonly #canvas: HTMLCanvasElement;
	readonly #background = document.createElement('canvas');
	#placed: Placed = { places: [], digits: [] };

	constructor(canvas: HTMLCanvasElement) {
		this.#canvas = canvas;
		this.#background.width = this.#background.height = canvas.width = canvas.height = GRID * SIDE;
		canvas.addEventListener('pointerdown', (event) => {
			canvas.setPointerCapture(event.pointerId);
			this.#drag(event);
		});
		canvas.addEventListener('pointermove', (event) => {
			if (canvas.hasPointerCapture(event.pointerId)) this.#drag(event);
		});
		canvas.addEventListener('keydown', (event) => {
			const steps: Readonly<Record<string, readonly [number, number]>> = {
				ArrowLeft: [-KEY, 0],
				ArrowRight: [KEY, 0],
				ArrowUp: [0, KEY],
				ArrowDown: [0, -KEY],
			};
			const step = steps[event.key];
			if (step === undefined) return;
			event.preventDefault();
			this.move([this.place[0] + step[0], this.place[1] + step[1]]);
		});
	}

	#drag({ offsetX, offsetY }: PointerEvent): void {
		const { clientWidth, clientHeight } = this.#canvas;
		this.move([RANGE * ((2 * offsetX) / clientWidth - 1), RANGE * (1 - (2 * offsetY) / clientHeight)]);
	}

	move([x, y]: readonly [number, number]): void {
		const within = (value: number) => Math.max(-RANGE, Math.min(RANGE, Math.round(100 * value) / 100));
		this.place = [within(x), within(y)];
		this.#canvas.setAttribute('aria-valuetext', `x ${this.place[0]}, y ${this.place[1]}`);
		this.#canvas.setAttribute('aria-valuenow', String(this.place[0]));
		this.draw();
		this.onMove(this.place);
	}

	/** Takes the pictures of the grid and the places of the test images. */
	show(pictures: ArrayLike<number>, placed: Placed): void {
		const context = this.#background.getContext('2d')!;
		for (let i = 0; i < GRID * GRID; i++)
			paintDigit(context, pictures, i * SIDE * SIDE, (i % GRID) * SIDE, Math.floor(i / GRID) * SIDE);
		this.#placed = placed;
		this.draw();
	}

	draw(): void {
		const context = this.#canvas.getContext('2d')!;
		const { width } = this.#canvas;
		const at = (value: number) => ((value + RANGE) / (2 * RANGE)) * width;
		context.drawImage(this.#background, 0, 0);
		const { places, digits } = this.#placed;
		if (this.dots) {
			digits.forEach((digit, i) => {
				context.beginPath();
				context.arc(at(places[2 * i]!), at(-places[2 * i + 1]!), 3.5, 0, 2 * Math.PI);
				context.fillStyle = HUES[digit]!;
				context.fill();
			});
		}
		context.beginPath();
		context.arc(at(this.place[0]), at(-this.place[1]), 9, 0, 2 * Math.PI);
		context.strokeStyle = 'white';
		context.lineWidth = 5;
		context.stroke();
		context.strokeStyle = '#3b5bdb';
		context.lineWidth = 3;
		context.stroke();
	}
}
