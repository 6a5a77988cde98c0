/** Ten classes of small colour images: five shapes, each in a warm or cool colour, among clutter of both colours. */
import { Canvas, type Colour, Dice, hsv, SHAPES, type Shape } from '../shapes';

export const SIDE = 32;

const HUES = { warm: [-30, 50], cool: [170, 250] } as const;
type Tone = keyof typeof HUES;

export const CLASSES: readonly string[] = SHAPES.flatMap((shape) => [`warm ${shape}`, `cool ${shape}`]);

const CLUTTER = 5;
const NOISE = 20;

function colour(tone: Tone, dice: Dice): Colour {
	return hsv(dice.uniform(...HUES[tone]), dice.uniform(0.5, 1), dice.uniform(0.6, 1));
}

/** Draws spots and bars in both tones, too small to be mistaken for shapes. */
function clutter(canvas: Canvas, dice: Dice): void {
	for (let i = 0; i < CLUTTER; i++) {
		const place = {
			x: dice.uniform(0, SIDE),
			y: dice.uniform(0, SIDE),
			radius: dice.uniform(1, 3),
			angle: dice.uniform(0, 2 * Math.PI),
		};
		canvas.draw(dice.pick(SHAPES), place, colour(dice.pick(['warm', 'cool']), dice));
	}
}

function picture(shape: Shape, tone: Tone, dice: Dice): Uint8Array {
	const grey = () => hsv(dice.uniform(0, 360), dice.uniform(0, 0.35), dice.uniform(0.1, 0.6));
	const canvas = new Canvas(SIDE, SIDE, grey(), grey());
	const place = {
		x: dice.uniform(11, SIDE - 11),
		y: dice.uniform(11, SIDE - 11),
		radius: dice.uniform(7, 12),
		angle: dice.uniform(0, 2 * Math.PI),
	};
	canvas.draw(shape, place, colour(tone, dice));
	clutter(canvas, dice);
	return canvas.finish(NOISE, dice).data;
}

interface ColourSet {
	/** Bytes of images [N, 3, 32, 32]. */
	readonly pixels: Uint8Array;
	readonly labels: Uint8Array;
}

/** Draws `count` images, with equal numbers per class. */
export function colourSet(count: number, seed: number): ColourSet {
	const dice = new Dice(seed);
	const area = SIDE * SIDE;
	const pixels = new Uint8Array(count * 3 * area);
	const labels = Uint8Array.from({ length: count }, (_, n) => n % CLASSES.length);
	for (let n = 0; n < count; n++) {
		const label = labels[n]!;
		const values = picture(SHAPES[label >> 1]!, label % 2 === 0 ? 'warm' : 'cool', dice);
		for (let i = 0; i < values.length; i++) pixels[(n * 3 + (i % 3)) * area + Math.floor(i / 3)] = values[i]!;
	}
	return { pixels, labels };
}
