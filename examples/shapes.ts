/** Draws coloured shapes, for examples that make their own images. */
import type { Image } from 'wgrad/data';

/** Random numbers that depend only on the seed: Mulberry32, by Tommy Ettinger. */
export class Dice {
	#state: number;

	constructor(seed: number) {
		this.#state = seed >>> 0;
	}

	/** Uniform in [low, high). */
	uniform(low = 0, high = 1): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let word = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
		word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
		return low + (high - low) * (((word ^ (word >>> 14)) >>> 0) / 2 ** 32);
	}

	/** One of `items`. */
	pick<T>(items: readonly T[]): T {
		return items[Math.floor(this.uniform(0, items.length))]!;
	}

	/** A standard normal number by the Box-Muller transform. */
	normal(): number {
		return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
	}
}

export type Colour = readonly [red: number, green: number, blue: number];

/** Converts hue (degrees), saturation and value (0 to 1) to RGB from 0 to 255. */
export function hsv(hue: number, saturation: number, value: number): Colour {
	const part = (n: number) => {
		const k = (n + (((hue % 360) + 360) % 360) / 60) % 6;
		return 255 * value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)));
	};
	return [part(5), part(3), part(1)];
}

/** Signed distances of a point from shapes of radius 1 around the origin, exact near the edge; negative inside. */
const DISTANCES = {
	circle: (u, v) => Math.hypot(u, v) - 0.9,
	square: (u, v) => Math.max(Math.abs(u), Math.abs(v)) - 0.8,
	triangle: (u, v) => Math.max(v, -0.866 * u - 0.5 * v, 0.866 * u - 0.5 * v) - 0.55,
	cross: (u, v) => {
		const [long, short] = [Math.max(Math.abs(u), Math.abs(v)), Math.min(Math.abs(u), Math.abs(v))];
		return Math.max(long - 1, short - 0.32);
	},
	ring: (u, v) => Math.abs(Math.hypot(u, v) - 0.75) - 0.22,
} as const satisfies Record<string, (u: number, v: number) => number>;

export type Shape = keyof typeof DISTANCES;

export const SHAPES = Object.keys(DISTANCES) as readonly Shape[];

export interface Place {
	readonly x: number;
	readonly y: number;
	readonly radius: number;
	/** In radians. */
	readonly angle: number;
}

/** An image being drawn: RGB values, not yet clipped to 0 to 255. */
export class Canvas {
	readonly #pixels: Float64Array;

	/** Fills the canvas with a gradient from left to right. */
	constructor(
		readonly width: number,
		readonly height: number,
		left: Colour,
		right: Colour,
	) {
		this.#pixels = new Float64Array(width * height * 3);
		for (let i = 0; i < this.#pixels.length; i++) {
			const share = (Math.floor(i / 3) % width) / width;
			this.#pixels[i] = left[i % 3]! * (1 - share) + right[i % 3]! * share;
		}
	}

	/** Draws a shape with soft edges. */
	draw(shape: Shape, { x, y, radius, angle }: Place, colour: Colour): void {
		const [cosine, sine] = [Math.cos(angle) / radius, Math.sin(angle) / radius];
		for (let row = 0; row < this.height; row++) {
			for (let column = 0; column < this.width; column++) {
				const [dx, dy] = [column + 0.5 - x, row + 0.5 - y];
				const distance = radius * DISTANCES[shape](cosine * dx + sine * dy, cosine * dy - sine * dx);
				const cover = Math.min(1, Math.max(0, 0.5 - distance));
				if (cover === 0) continue;
				for (let c = 0; c < 3; c++) {
					const i = (row * this.width + column) * 3 + c;
					this.#pixels[i] = this.#pixels[i]! * (1 - cover) + colour[c]! * cover;
				}
			}
		}
	}

	/** Returns the image with normal noise of this standard deviation on every value. */
	finish(noise: number, dice: Dice): Image {
		const data = Uint8Array.from(this.#pixels, (value) => Math.min(255, Math.max(0, Math.round(value + noise * dice.normal()))));
		return { data, width: this.width, height: this.height, channels: 3 };
	}
}
