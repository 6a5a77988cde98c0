/** Points of two classes in the plane, drawn from a seed. */
import { Dice } from '../shapes';

/** The plane reaches from -RANGE to RANGE in both directions. */
export const RANGE = 6;

export interface Points {
	/** x and y of each point, [N, 2]. */
	readonly places: Float32Array;
	/** 0 or 1. */
	readonly classes: Float32Array;
}

type Draw = (dice: Dice, kind: 0 | 1) => readonly [x: number, y: number];

function onCircle(dice: Dice, radius: number): readonly [number, number] {
	const angle = dice.uniform(0, 2 * Math.PI);
	return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

const SHAPES = {
	circles: (dice, kind) => onCircle(dice, kind === 1 ? dice.uniform(0, 2.2) : dice.uniform(3.4, 5)),
	spirals: (dice, kind) => {
		const share = dice.uniform(0.05, 1);
		const angle = 1.75 * share * 2 * Math.PI + kind * Math.PI;
		return [5.2 * share * Math.sin(angle), 5.2 * share * Math.cos(angle)];
	},
	quarters: (dice, kind) => {
		const [x, y] = [dice.uniform(0.4, 5), dice.uniform(0.4, 5)];
		const left = dice.uniform() < 0.5;
		return [left ? -x : x, left === (kind === 1) ? -y : y];
	},
	clouds: (dice, kind) => {
		const centre = kind === 1 ? 2 : -2;
		return [centre + dice.normal(), centre + dice.normal()];
	},
} as const satisfies Record<string, Draw>;

export type Shape = keyof typeof SHAPES;

/** As many points as asked for, alternating between the classes. `noise` is the standard deviation of what is added to each place. */
export function points(shape: Shape, count: number, noise: number, seed: number): Points {
	const dice = new Dice(seed);
	const places = new Float32Array(2 * count);
	const classes = new Float32Array(count);
	for (let i = 0; i < count; i++) {
		const kind = (i % 2) as 0 | 1;
		const [x, y] = SHAPES[shape](dice, kind);
		places.set([x + noise * dice.normal(), y + noise * dice.normal()], 2 * i);
		classes[i] = kind;
	}
	return { places, classes };
}
