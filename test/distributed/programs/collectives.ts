/**
 * Random programs of collective calls. Each rank draws the same program, and knows from it what every rank puts in: so it computes alone
 * what it must get, by plain loops, and compares to the bit. All values are small multiples of 1/8, whose sums and products are exact.
 */
import { type DType, init, type Tensor, tensor } from 'wgrad';
import {
	allGather,
	allGatherObject,
	allReduce,
	barrier,
	broadcast,
	broadcastObject,
	initProcessGroup,
	type ReduceOp,
	recv,
	reduceScatter,
	send,
} from 'wgrad/distributed';
import { type Draw, drawFrom } from './draw';

type DeviceName = 'cpu' | 'webgpu';

const OPS: readonly ReduceOp[] = ['sum', 'mean', 'prod', 'max', 'min'];

interface Job {
	readonly rank: number;
	readonly size: number;
	readonly device: DeviceName;
	readonly draw: Draw;
}

/** Runs `count` programs of up to eight calls each. Prints how many calls were right. */
export async function randomPrograms(count: string, seed: string, device: DeviceName): Promise<void> {
	const { rank, worldSize: size, engine } = await initProcessGroup({ timeout: 60_000 });
	if (device === 'webgpu') await init({ device });
	let calls = 0;
	for (let i = 0; i < Number(count); i++) {
		const draw = drawFrom(Number(seed) + i);
		const job = { rank, size, device, draw };
		// Several calls may be under way at once.
		const steps = Array.from({ length: draw.integer(1, 8) }, () => () => drawCall(job));
		if (draw.integer(0, 1) === 0) for (const step of steps) await step();
		else await Promise.all(steps.map((step) => step()));
		calls += steps.length;
	}
	await barrier();
	console.log(`rank ${rank} of ${size}: ${calls} calls of ${count} programs are right (${engine})`);
}

/** Draws a call, makes it, and compares. All draws happen before the first wait. */
function drawCall(job: Job): Promise<void> {
	const { draw, size } = job;
	const kind = draw.integer(0, size > 1 ? 7 : 6);
	const dtype = draw.one<DType>([
		'float32',
		'float32',
		'int32',
		'float16',
		'bfloat16',
		'bool',
		'uint8',
		...(job.device === 'cpu' ? (['float64'] as const) : []),
	]);
	const shape = Array.from({ length: draw.integer(0, 3) }, () => draw.one([0, 1, 2, 3, 5, 17]));
	const op =
		dtype === 'bool'
			? draw.one<ReduceOp>(['max', 'min'])
			: draw.one(isFloatingName(dtype) ? OPS : OPS.filter((op) => op !== 'mean'));
	const src = draw.integer(0, size - 1);
	// The values of each rank.
	const valuesFor = (shape: readonly number[]) =>
		Array.from({ length: size }, () => Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => drawValue(dtype, draw)));
	const isStrided = shape.length === 2 && draw.integer(0, 1) === 1;
	if (kind === 0 || kind === 1) {
		const all = valuesFor(shape);
		const x = place(job, all, shape, dtype, isStrided);
		return allReduce(x, { op }).then((y) => check(job, 'allReduce', y, reduced(all, op, dtype), shape));
	}
	if (kind === 2) {
		const all = valuesFor(shape);
		const x = place(job, all, shape, dtype, isStrided);
		return broadcast(x, { src }).then((y) => check(job, 'broadcast', y, all[src]!, shape));
	}
	if (kind === 3) {
		const all = valuesFor(shape);
		const x = place(job, all, shape, dtype, isStrided);
		return allGather(x).then((y) => check(job, 'allGather', y, all.flat(), [size, ...shape]));
	}
	if (kind === 4) {
		const part = [draw.integer(0, 3), ...shape.slice(1)];
		const whole = [part[0]! * size, ...part.slice(1)];
		const all = valuesFor(whole);
		const length = part.reduce((a, b) => a * b, 1);
		const x = place(job, all, whole, dtype, false);
		const expected = reduced(all, op, dtype).slice(job.rank * length, (job.rank + 1) * length);
		return reduceScatter(x, { op }).then((y) => check(job, 'reduceScatter', y, expected, part));
	}
	if (kind === 5) return barrier();
	if (kind === 6) {
		const values = Array.from({ length: size }, () => ({ text: 'ä'.repeat(draw.integer(0, 9)), number: draw.integer(-9, 9) }));
		return Promise.all([allGatherObject(values[job.rank]!), broadcastObject(values[job.rank]!, { src })]).then(([all, one]) => {
			if (JSON.stringify([all, one]) !== JSON.stringify([values, values[src]])) throw new Error('objects differ');
		});
	}
	// A ring: each sends to the next one.
	const all = valuesFor(shape);
	const before = (job.rank + size - 1) % size;
	const tag = draw.integer(0, 99);
	const x = place(job, all, shape, dtype, false);
	const y = place(job, all, shape, dtype, isStrided);
	return Promise.all([send(x, (job.rank + 1) % size, { tag }), recv(y, before, { tag })]).then(async () => {
		x.dispose();
		await check(job, 'recv', y, all[before]!, shape);
	});
}

function isFloatingName(dtype: DType): boolean {
	return dtype.includes('float');
}

function drawValue(dtype: DType, draw: Draw): number {
	if (dtype === 'bool') return draw.integer(0, 1);
	if (dtype === 'uint8') return draw.integer(0, 3);
	if (dtype === 'int32') return draw.integer(-9, 9);
	// Products and sums of four of them have few bits: exact in bfloat16 too.
	return draw.one([-2, -1, -0.5, 0.5, 1, 1.5, 2]);
}

/** This rank's values as a tensor on its device, contiguous or as the transpose of one. */
function place({ rank, device }: Job, all: number[][], shape: readonly number[], dtype: DType, isStrided: boolean): Tensor {
	const values = all[rank]!;
	if (!isStrided) return tensor(values, { shape, dtype, device });
	const [rows, columns] = shape as [number, number];
	const turned = values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
	return tensor(turned, { shape: [columns, rows], dtype, device }).transpose(0, 1);
}

/** The reduction over the ranks, element by element. */
function reduced(all: readonly number[][], op: ReduceOp, dtype: DType): number[] {
	return all[0]!.map((_, i) => {
		const values = all.map((own) => own[i]!);
		if (op === 'max') return Math.max(...values);
		if (op === 'min') return Math.min(...values);
		if (op === 'prod') return values.reduce((a, b) => a * b, 1);
		const total = values.reduce((a, b) => a + b, 0);
		if (op === 'sum') return total;
		// Rounded once to float32 and then, on arrival, to the dtype.
		return dtype === 'float64' ? total / values.length : Math.fround(total / values.length);
	});
}

async function check(
	{ rank, device }: Job,
	what: string,
	y: Tensor,
	expected: readonly number[],
	shape: readonly number[],
): Promise<void> {
	if (y.device !== device || String(y.shape) !== String(shape))
		throw new Error(`rank ${rank}: ${what} gave ${y.device} [${y.shape}], not ${device} [${shape}]`);
	// Rounds to the dtype as every upload does.
	const wanted = tensor([...expected], { shape, dtype: y.dtype, device: 'cpu' });
	const [values, right] = await Promise.all([y.data(), wanted.data()]);
	for (const [i, value] of values.entries())
		if (value !== right[i])
			throw new Error(`rank ${rank}: ${what} of ${y.dtype} [${shape}] gave ${value} at ${i}, not ${right[i]}`);
	y.dispose();
	wanted.dispose();
}
