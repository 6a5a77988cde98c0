/** Long training loops of every habit, and what they hold as they go: memory must end where it began. */
import { readFileSync } from 'node:fs';
import { crossEntropy, memory, nn, optim, type Tensor, tidy } from 'wgrad';
import { ArrayDataset, DataLoader, type Fields, MapDataset } from 'wgrad/data';

/** What a loop holds after so many steps. */
export interface Held {
	readonly step: number;
	readonly seconds: number;
	readonly tensors: number;
	/** Bytes of tensors on the device, and those with the pool's. */
	readonly live: number;
	readonly allocated: number;
	/** Of the process; 0 where it does not tell. */
	readonly rss: number;
	readonly maps: number;
}

const BATCHES = 1000;
const BATCH = 8;
const INPUTS = 16;

/** The ways in which programs treat the tensors of a step. */
export const habits = {
	/** As the README recommends. */
	tidy: (steps: number, note: Note) => overBatches(steps, note, (train, x, y) => tidy(() => void train(x, y)), dispose),
	/** Everything is dropped. */
	dropped: (steps: number, note: Note) => overBatches(steps, note, (train, x, y) => void train(x, y)),
	/** The losses of all steps stay; their tensors are all that may grow. */
	losses: (steps: number, note: Note) => {
		const losses: Tensor[] = [];
		return overBatches(steps, note, (train, x, y) => void losses.push(train(x, y).detach()));
	},
	/** Each step takes the first batch of a new iterator, which is dropped with the batches that it has made ahead. */
	iterators: abandonedIterators,
} as const;

type Train = (x: Tensor, y: Tensor) => Tensor;
type Note = (step: number) => void | Promise<void>;

/** Runs a loop and tells what it holds at each of `marks`, in rising order; the last is its length. */
export async function runLoop(
	habit: keyof typeof habits,
	marks: readonly number[],
	onHeld: (held: Held) => void = () => {},
): Promise<Held[]> {
	const start = performance.now();
	const all: Held[] = [];
	await habits[habit](marks.at(-1)!, async (step) => {
		if (!marks.includes(step)) return;
		const held = holding(step, (performance.now() - start) / 1000);
		all.push(held);
		onHeld(held);
	});
	return all;
}

function holding(step: number, seconds: number): Held {
	const { tensors, gpu } = memory();
	const { rss } = process.memoryUsage();
	return { step, seconds, tensors, live: gpu?.live ?? 0, allocated: gpu?.allocated ?? 0, rss, maps: countMaps() };
}

/** Memory maps of the process: Linux allows 65,530. */
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
	steps: number,
	note: Note,
	body: (train: Train, x: Tensor, y: Tensor) => void,
	after: (x: Tensor, y: Tensor) => void = () => {},
): Promise<void> {
	const train = trainer();
	const loader = new DataLoader(samples(BATCHES), { batchSize: BATCH, shuffle: true, seed: 1 });
	for (let step = 0; step < steps; ) {
		for await (const [x, y] of loader) {
			body(train, x!, y!);
			after(x!, y!);
			await note(++step);
			if (step === steps) break;
		}
	}
}

async function abandonedIterators(steps: number, note: Note): Promise<void> {
	const train = trainer();
	const dataset = new MapDataset(samples(10), async (fields: Fields) => {
		await Promise.resolve();
		return fields;
	});
	const loader = new DataLoader(dataset, { batchSize: 2, shuffle: true, seed: 1 });
	for (let step = 1; step <= steps; step++) {
		const { value } = await loader[Symbol.asyncIterator]().next();
		train(value[0], value[1]);
		await note(step);
	}
}
