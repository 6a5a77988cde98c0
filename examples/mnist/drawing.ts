/** The box for drawing a digit with mouse, pen or finger. */
import { centreDigit } from './digit';
import { PIXELS, SIDE } from './images';

/** Width of the pen as a fraction of the box. A digit of usual size then has strokes as thick as MNIST's. */
const PEN = 0.085;

export class DrawingBox {
	readonly #canvas: HTMLCanvasElement;
	readonly #context: CanvasRenderingContext2D;
	readonly #onChange: () => void;
	/** An image that is shown, not drawn. The next stroke starts with an empty box. */
	#shown: Uint8Array | null = null;
	#last: { x: number; y: number } | null = null;

	/** Calls `onChange` after each piece of a stroke, but not in `clear` and `show`. */
	constructor(canvas: HTMLCanvasElement, onChange: () => void) {
		this.#canvas = canvas;
		this.#context = canvas.getContext('2d', { willReadFrequently: true })!;
		this.#onChange = onChange;
		canvas.addEventListener('pointerdown', (event) => this.#begin(event));
		canvas.addEventListener('pointermove', (event) => this.#continue(event));
		for (const end of ['pointerup', 'pointercancel'] as const) canvas.addEventListener(end, () => (this.#last = null));
	}

	/** Returns the network's input: 28 x 28 bytes, or null if the box is empty. */
	image(): Uint8Array | null {
		if (this.#shown !== null) return this.#shown;
		const { width, height } = this.#canvas;
		const { data } = this.#context.getImageData(0, 0, width, height);
		const levels = new Uint8Array(width * height);
		for (let i = 0; i < levels.length; i++) levels[i] = data[4 * i + 3]!;
		return centreDigit({ width, height, levels });
	}

	clear(): void {
		this.#shown = null;
		this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
	}

	/** Shows an image of 28 x 28 bytes. */
	show(pixels: Uint8Array): void {
		this.clear();
		this.#shown = pixels;
		const small = new OffscreenCanvas(SIDE, SIDE);
		paint(small.getContext('2d')!, pixels);
		this.#context.drawImage(small, 0, 0, this.#canvas.width, this.#canvas.height);
	}

	#begin(event: PointerEvent): void {
		if (event.button !== 0) return;
		this.#canvas.setPointerCapture(event.pointerId);
		if (this.#shown !== null) this.clear();
		this.#last = this.#position(event);
		this.#strokeTo(this.#last);
		this.#onChange();
	}

	#continue(event: PointerEvent): void {
		if (this.#last === null) return;
		const moves = event.getCoalescedEvents();
		for (const move of moves.length > 0 ? moves : [event]) this.#strokeTo(this.#position(move));
		this.#onChange();
	}

	#position({ clientX, clientY }: PointerEvent): { x: number; y: number } {
		const { left, top, width, height } = this.#canvas.getBoundingClientRect();
		return { x: ((clientX - left) / width) * this.#canvas.width, y: ((clientY - top) / height) * this.#canvas.height };
	}

	#strokeTo(end: { x: number; y: number }): void {
		const context = this.#context;
		const start = this.#last ?? end;
		context.lineWidth = PEN * this.#canvas.width;
		context.lineCap = 'round';
		context.strokeStyle = 'white';
		context.beginPath();
		context.moveTo(start.x, start.y);
		context.lineTo(end.x, end.y);
		context.stroke();
		this.#last = end;
	}
}

/** Paints an image of 28 x 28 bytes on a canvas of that size, in white ink with the level as opacity. null clears the canvas. */
export function paint(context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D, pixels: Uint8Array | null): void {
	const image = context.createImageData(SIDE, SIDE);
	image.data.fill(255);
	for (let i = 0; i < PIXELS; i++) image.data[4 * i + 3] = pixels?.[i] ?? 0;
	context.putImageData(image, 0, 0);
}
