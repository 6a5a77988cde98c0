/** Long training loops in every style. The memory that they hold must not grow. */
import { readFileSync } from 'node:fs';
import { crossEntropy, memory, nn, optim, type Tensor, tidy } from 'wgrad';
import { ArrayDataset, DataLoader, MapDataset, type TensorList } from 'wgrad/data';
import { type Counts, pick, type Random } from './campaign';

/** The memory that a loop holds after some steps. */
interface Held {
	readonly step: number;
	readonly seconds: number;
	readonly tensors: number;
	/** Bytes of tensors on the device, and together with those of the pool. */
	readonly live: number;
	readonly allocated: number;
	/** Resident bytes of the process; 0 if unknown. */
	readonly rss: number;
	readonly maps: number;
}

const BATCHES = 1000;
const BATCH = 8;
const INPUTS = 16;

/** The ways in which programs handle the tensors of a step. */
export const habits = {
	/** As the README recommends. */
	tidy: (note: Note) => overBatches(note, (train, x, y) => tidy(() => void train(x, y)), dispose),
	/** The program only drops its tensors. */
	dropped: (note: Note) => overBatches(note, (train, x, y) => void train(x, y)),
	/** The losses of all steps stay; only their tensors may add up. */
	losses: (note: Note) => {
		const losses: Tensor[] = [];
		return overBatches(note, (train, x, y) => void losses.push(train(x, y).detach()));
	},
	/** Each step takes the first batch of a new iterator, and drops the iterator with its prefetched batches. */
	iterators: abandonedIterators,
} as const;

export type Habit = keyof typeof habits;

type Train = (x: Tensor, y: Tensor) => Tensor;
/** Called after every step; returns whether the loop continues. */
type Note = (step: number) => boolean;

/**
 * Runs a loop and records what it holds at each of `marks`, in rising order. The loop ends at the last mark, or, after the first
 * mark, at `deadline`, a time of `performance.now()`.
 */
export async function runLoop(
	habit: Habit,
	marks: readonly number[],
	{ deadline = Number.POSITIVE_INFINITY, onHeld }: { deadline?: number; onHeld?: (held: Held) => void } = {},
): Promise<Held[]> {
	const start = performance.now();
	const all: Held[] = [];
	await habits[habit]((step) => {
		const ends = step === marks.at(-1) || (all.length > 0 && performance.now() > deadline);
		if (ends || marks.includes(step)) {
			const held = holding(step, (performance.now() - start) / 1000);
			all.push(held);
			onHeld?.(held);
		}
		return !ends;
	});
	return all;
}

/** Throws unless a loop holds about as much at its last mark as at its first, apart from losses that it keeps. */
export function requireFlat(habit: Habit, all: readonly Held[]): void {
	const [first, last] = [all[0]!, all.at(-1)!];
	const kept = habit === 'losses' ? last.step - first.step : 0;
	const grown = {
		tensors: last.tensors - first.tensors > kept + 5000,
		live: last.live - first.live > kept * 256 + 8 * 2 ** 20,
		maps: last.maps - first.maps > 6000,
	};
	if (Object.values(grown).some(Boolean))
		throw new Error(`the loop '${habit}' holds ever more: ${JSON.stringify(first)}, then ${JSON.stringify(last)}`);
}

/** One loop of a random habit. */
export async function longLoop(random: Random, deadline: number): Promise<Counts> {
	const habit = pick(random, Object.keys(habits) as Habit[]);
	const held = await runLoop(habit, [500, 1_000_000], { deadline });
	requireFlat(habit, held);
	return { steps: held.at(-1)!.step };
}

function holding(step: number, seconds: number): Held {
	const { tensors, gpu } = memory();
	const { rss } = process.memoryUsage();
	return { step, seconds, tensors, live: gpu?.live ?? 0, allocated: gpu?.allocated ?? 0, rss, maps: countMaps() };
}

/** The number of memory maps of the process; Linux allows 65,530. */
function countMaps(): number {
	try {
		return readFileSync('/proc/self/maps', 'utf8').split('\n').length;
	} catch {
		return 0;
	}
}

function samples(batches: number): ArrayDataset {
	const count = BATCH * batches;
	const inputs = Float32Array.from({ length: count * INPUTS }, (_, i) => Math.sin(i));
	return new ArrayDataset(
		{ data: inputs, shape: [count, INPUTS] },
		{ data: Int32Array.from({ length: count }, (_, i) => i % 4) },
	);
}

function trainer(): Train {
	const model = new nn.Sequential(new nn.Linear(INPUTS, 32), new nn.ReLU(), new nn.Linear(32, 4));
	const optimizer = new optim.SGD(model.parameters(), { lr: 1e-3 });
	return (x, y) => {
		const loss = crossEntropy(model.forward(x), y);
		optimizer.zeroGrad();
		loss.backward();
		optimizer.step();
		return loss;
	};
}

function dispose(x: Tensor, y: Tensor): void {
	x.dispose();
	y.dispose();
}

async function overBatches(
	note: Note,
	body: (train: Train, x: Tensor, y: Tensor) => void,
	after: (x: Tensor, y: Tensor) => void = () => {},
): Promise<void> {
	const train = trainer();
	const loader = new DataLoader(samples(BATCHES), { batchSize: BATCH, shuffle: true, seed: 1 });
	let step = 0;
	for (;;) {
		for await (const [x, y] of loader) {
			body(train, x!, y!);
			after(x!, y!);
			if (!note(++step)) return;
		}
	}
}

async function abandonedIterators(note: Note): Promise<void> {
	const train = trainer();
	const dataset = new MapDataset(samples(10), async (fields: TensorList) => {
		await Promise.resolve();
		return fields;
	});
	const loader = new DataLoader(dataset, { batchSize: 2, shuffle: true, seed: 1 });
	let step = 0;
	do {
		const { value } = await loader[Symbol.asyncIterator]().next();
		train(value[0], value[1]);
	} while (note(++step));
}
