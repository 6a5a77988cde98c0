/** Surfaces with minima, and optimizers that descend them side by side. */
import { cat, type Device, nn, noGrad, type Tensor, tensor, tidy } from 'wgrad';
import { OPTIMIZERS } from './model';

interface Surface {
	/** The part of the plane that the picture shows. */
	readonly x: readonly [low: number, high: number];
	readonly y: readonly [low: number, high: number];
	/** Where a race begins. */
	readonly start: readonly [x: number, y: number];
	/** The heights at x and y, [N] each. */
	height(x: Tensor, y: Tensor): Tensor;
	/** Learning rates that fit. */
	readonly rates: Readonly<Record<Racer, number>>;
}

export type Racer = keyof typeof OPTIMIZERS;
export const RACERS = Object.keys(OPTIMIZERS) as readonly Racer[];

export const SURFACES = {
	// Rosenbrock 1960: a curved valley that is easy to find and slow to follow. Minimum 0 at (1, 1).
	valley: {
		x: [-2, 2],
		y: [-1, 3],
		start: [-1.5, 2],
		height: (x, y) => x.neg().add(1).square().add(y.sub(x.square()).square().mul(100)),
		rates: { sgd: 0.0004, momentum: 0.0002, rmsprop: 0.02, adam: 0.1 },
	},
	// Himmelblau 1972: four minima of height 0.
	basins: {
		x: [-5, 5],
		y: [-5, 5],
		start: [0, -4.5],
		height: (x, y) => x.square().add(y).sub(11).square().add(x.add(y.square()).sub(7).square()),
		rates: { sgd: 0.005, momentum: 0.002, rmsprop: 0.06, adam: 0.25 },
	},
	// A saddle at (0, 0) between two minima at y = ±2.
	saddle: {
		x: [-3, 3],
		y: [-3, 3],
		start: [2.5, 0.02],
		height: (x, y) => x.square().mul(2).add(y.square().square().div(8)).sub(y.square()).add(2),
		rates: { sgd: 0.03, momentum: 0.015, rmsprop: 0.03, adam: 0.1 },
	},
	// A long bowl, 30 times as steep across as along.
	ravine: {
		x: [-5, 5],
		y: [-5, 5],
		start: [-4.5, 3],
		height: (x, y) => x.square().add(y.square().mul(30)).div(10),
		rates: { sgd: 0.25, momentum: 0.08, rmsprop: 0.08, adam: 0.3 },
	},
} as const satisfies Record<string, Surface>;

export type SurfaceName = keyof typeof SURFACES;

/** Heights at the places of a grid over the picture, row by row from the top. */
export async function heights(name: SurfaceName, grid: number, device: Device): Promise<ArrayLike<number>> {
	const { x, y, height } = SURFACES[name];
	const along = ([low, high]: readonly [number, number], i: number) => low + ((i + 0.5) / grid) * (high - low);
	const all = Array.from({ length: grid * grid }, (_, i) => i);
	using found = noGrad(() =>
		tidy(() => {
			const xs = tensor(
				Float32Array.from(all, (i) => along(x, i % grid)),
				{ device },
			);
			const ys = tensor(
				Float32Array.from(all, (i) => along(y, grid - 1 - Math.floor(i / grid))),
				{ device },
			);
			return height(xs, ys);
		}),
	);
	return await found.data();
}

export interface RaceStep {
	/** x and y of each racer. */
	readonly places: readonly (readonly [x: number, y: number])[];
	readonly heights: ArrayLike<number>;
}

export class Race {
	readonly #racers: readonly { parameter: nn.Parameter; optimizer: { zeroGrad(): void; step(): void } }[];
	readonly #surface: Surface;

	/** All begin at one place. `factor` multiplies every learning rate. */
	constructor(name: SurfaceName, start: readonly [number, number], factor: number, device: Device) {
		this.#surface = SURFACES[name];
		this.#racers = RACERS.map((racer) => {
			const parameter = new nn.Parameter(tensor(Float32Array.from(start), { shape: [1, 2], device }));
			return { parameter, optimizer: OPTIMIZERS[racer]([parameter], { lr: factor * this.#surface.rates[racer] }) };
		});
	}

	/** Where the racers are and how high; then they take a step. */
	async step(): Promise<RaceStep> {
		const [places, found] = tidy(() => {
			// One pass for all: the gradient of the sum by each place is that of its own height.
			const places = cat(
				this.#racers.map(({ parameter }) => parameter),
				0,
			);
			const heights = this.#surface.height(places.select(1, 0), places.select(1, 1));
			for (const { optimizer } of this.#racers) optimizer.zeroGrad();
			heights.sum().backward();
			for (const { optimizer } of this.#racers) optimizer.step();
			return [places.detach(), heights.detach()] as const;
		});
		const read = await Promise.all([places.data(), found.data()]);
		places.dispose();
		found.dispose();
		return { places: RACERS.map((_, i) => [read[0][2 * i]!, read[0][2 * i + 1]!] as const), heights: read[1] };
	}
}
