/** Trains the network of the plane, step by step, and looks at the whole plane. */
import {
	binaryCrossEntropyWithLogits,
	type Device,
	manualSeed,
	type nn,
	noGrad,
	randperm,
	sigmoid,
	type Tensor,
	tensor,
	tidy,
} from 'wgrad';
import { activations } from 'wgrad/interpret';
import { type Points, points, RANGE } from './data';
import { network, OPTIMIZERS, type Settings } from './model';

/** Columns and rows of the picture of the plane. */
export const GRID = 56;

/** The most units that the page shows. */
export const UNITS = 8;

/** Steps that the GPU runs ahead of the loss that the host waits for. */
const AHEAD = 4;

export interface View {
	/** The probability of class 1 at each place of the grid, row by row from the top. */
	readonly plane: ArrayLike<number>;
	/** The outputs of units of the last hidden layer there, [GRID * GRID, width], and how many units there are. */
	readonly units: ArrayLike<number>;
	readonly width: number;
	readonly testLoss: number;
	readonly testAccuracy: number;
}

export class Training {
	readonly train: Points;
	readonly test: Points;
	readonly model: nn.Sequential;
	readonly #optimizer: { zeroGrad(): void; step(): void };
	readonly #grid: Float32Array;

	constructor(
		readonly settings: Settings,
		readonly device: Device,
	) {
		const { shape, noise, seed, lr, l2, l1 } = settings;
		const count = settings.points >> 1;
		this.train = points(shape, count, noise, seed);
		this.test = points(shape, count, noise, seed + 1);
		manualSeed(seed);
		this.model = network(settings);
		this.#optimizer = OPTIMIZERS[settings.optimizer](this.model.parameters(), { lr, weightDecay: l2, l1 });
		this.#grid = new Float32Array(2 * GRID * GRID);
		const place = (i: number) => RANGE * ((2 * i + 1) / GRID - 1);
		for (let i = 0; i < GRID * GRID; i++) this.#grid.set([place(i % GRID), -place(Math.floor(i / GRID))], 2 * i);
	}

	/** Yields the loss of each step. */
	async *steps(): AsyncGenerator<number> {
		const { steps, batchSize } = this.settings;
		const ahead: Promise<number>[] = [];
		const count = this.train.classes.length;
		let order: ArrayLike<number> = [];
		let next = count;
		for (let step = 0; step < steps; step++) {
			if (next >= count) {
				order = await randperm(count, { device: 'cpu' }).data();
				next = 0;
			}
			ahead.push(this.#step(Array.from(order).slice(next, next + batchSize)));
			next += batchSize;
			if (ahead.length > AHEAD) yield await ahead.shift()!;
			// Readbacks on the CPU do not yield to the page.
			if (this.device === 'cpu') await new Promise((resolve) => setTimeout(resolve));
		}
		while (ahead.length > 0) yield await ahead.shift()!;
	}

	#step(batch: readonly number[]): Promise<number> {
		const loss = tidy(() => {
			const { x, y } = this.#batch(this.train, batch);
			const loss = binaryCrossEntropyWithLogits(this.model.forward(x), y);
			this.#optimizer.zeroGrad();
			loss.backward();
			this.#optimizer.step();
			return loss.detach();
		});
		const read = loss.item();
		loss.dispose();
		// If the caller stops, nobody awaits this; its error must not become an unhandled rejection.
		read.catch(() => {});
		return read;
	}

	#batch({ places, classes }: Points, batch: readonly number[]): { x: Tensor; y: Tensor } {
		const x = Float32Array.from(batch.flatMap((i) => [places[2 * i]!, places[2 * i + 1]!]));
		const { device } = this;
		return {
			x: tensor(x, { shape: [batch.length, 2], device }),
			y: tensor(
				Float32Array.from(batch, (i) => classes[i]!),
				{ shape: [batch.length, 1], device },
			),
		};
	}

	/** Looks at the whole plane, at the units of the last hidden layer, and at the points of the test. */
	async look(): Promise<View> {
		const { layers, width } = this.settings;
		const [plane, units, loss, hits] = noGrad(() =>
			tidy(() => {
				const grid = tensor(this.#grid, { shape: [GRID * GRID, 2], device: this.device });
				const probabilities = sigmoid(this.model.forward(grid));
				const last = String(2 * layers - 1);
				const hidden = layers === 0 ? grid : activations(this.model, [last], grid)[last]!;
				const all = Array.from(this.test.classes.keys());
				const { x, y } = this.#batch(this.test, all);
				const logits = this.model.forward(x);
				return [probabilities, hidden, binaryCrossEntropyWithLogits(logits, y), logits.gt(0).eq(y).sum()] as const;
			}),
		);
		const read = await Promise.all([plane.data(), units.data(), loss.item(), hits.item()]);
		for (const each of [plane, units, loss, hits]) each.dispose();
		return {
			plane: read[0],
			units: read[1],
			width: layers === 0 ? 2 : width,
			testLoss: read[2],
			testAccuracy: read[3] / this.test.classes.length,
		};
	}
}
