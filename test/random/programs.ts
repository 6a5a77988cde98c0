/**
 * Random programs of views and in-place operations, on both devices, against equivalent programs without either. There each
 * memory is a flat tensor that a write replaces: `scatter` writes at the positions of the view, and `indexSelect` reads them.
 * Values, gradients and gradients of gradients are compared.
 */
import * as w from 'wgrad';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';

/** Both compute in float64, in a different order. */
const EXACT = { relative: 1e-9, absolute: 1e-9 };
/** Numbers near 1 that pass at most 20 operations, and sums of some ten of them. */
const FLOAT32 = { relative: 1e-4, absolute: 1e-4 };

interface Where {
	readonly device: w.Device;
	readonly dtype: w.DType;
}

/** A tensor as the program without views sees it: positions in a flat memory. */
interface Twin {
	readonly memory: { flat: w.Tensor };
	readonly places: readonly number[];
	readonly shape: readonly number[];
}

interface Pair {
	readonly tensor: w.Tensor;
	readonly twin: Twin;
}

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const indices = (places: readonly number[], device: w.Device) => w.tensor([...places], { dtype: 'int32', device });

function read({ memory, places, shape }: Twin): w.Tensor {
	return memory.flat.indexSelect(0, indices(places, memory.flat.device)).reshape(shape);
}

function write({ memory, places, shape }: Twin, values: w.Tensor): void {
	const { flat } = memory;
	memory.flat = flat.scatter(0, indices(places, flat.device), values.expand(shape).reshape([places.length]));
}

function whole(tensor: w.Tensor, values: w.Tensor): Pair {
	const places = Array.from({ length: tensor.size }, (_, i) => i);
	return { tensor, twin: { memory: { flat: values.reshape([tensor.size]) }, places, shape: tensor.shape } };
}

/** The same memory through another view. */
function viewed(tensor: w.Tensor, { memory }: Twin): Pair {
	const places: number[] = [];
	const descend = (dim: number, place: number): void => {
		if (dim === tensor.ndim) places.push(place);
		else for (let i = 0; i < tensor.shape[dim]!; i++) descend(dim + 1, place + i * tensor.strides[dim]!);
	};
	descend(0, tensor.offset);
	return { tensor, twin: { memory, places, shape: tensor.shape } };
}

class Random {
	readonly #next: () => number;

	constructor(seed: string) {
		this.#next = stream(seed);
	}

	below(count: number): number {
		return Math.floor(this.#next() * count);
	}

	pick<T>(list: readonly T[]): T {
		return list[this.below(list.length)]!;
	}

	tensor(shape: readonly number[], where: Where): w.Tensor {
		const values = Array.from({ length: sizeOf(shape) }, () => Math.fround(0.5 + this.#next()));
		return w.tensor(values, { shape, ...where });
	}
}

function view(random: Random, x: w.Tensor): w.Tensor {
	if (x.ndim === 0) return x.reshape([1, 1]);
	const dim = random.below(x.ndim);
	const size = x.shape[dim]!;
	const start = random.below(size);
	switch (random.below(9)) {
		case 0:
			return x.select(dim, start);
		case 1:
		case 2:
			return x.narrow(dim, start, 1 + random.below(size - start));
		case 3:
			return x.slice(dim, start, size, 2);
		case 4:
			return x.transpose(dim, random.below(x.ndim));
		case 5:
			return x.isContiguous ? x.view([...x.shape].reverse()) : x.unsqueeze(dim);
		case 6:
			return x.isContiguous ? x.flatten() : x.squeeze();
		case 7:
			return x.ndim === 2 ? x.diagonal(random.below(2)) : x.contiguous();
		default:
			return x.movedim(dim, 0);
	}
}

const broadcasts = (from: readonly number[], to: readonly number[]) =>
	from.length <= to.length && from.every((size, d) => size === 1 || size === to[to.length - from.length + d]);

function change(random: Random, { tensor, twin }: Pair, leaves: readonly w.Tensor[], all: readonly Pair[]): void {
	const old = read(twin);
	// Saved tensors must not be written later, so factors are leaves, numbers and copies.
	const factors = leaves.filter((x) => broadcasts(x.shape, tensor.shape));
	const other = random.pick(all.filter((pair) => broadcasts(pair.tensor.shape, tensor.shape) && pair.tensor.size > 0));
	const factor = random.pick(factors);
	const alpha = random.pick([1, -0.5]);
	switch (random.below(9)) {
		case 0:
			write(twin, old.add(read(other.twin), { alpha }));
			tensor.add_(other.tensor, { alpha });
			break;
		case 1:
			write(twin, old.sub(factor, { alpha }));
			tensor.sub_(factor, { alpha });
			break;
		case 2:
		case 3:
			write(twin, old.mul(factor));
			tensor.mul_(factor);
			break;
		case 4:
			write(twin, old.div(factor));
			tensor.div_(factor);
			break;
		case 5:
			write(twin, read(other.twin));
			tensor.copy_(other.tensor);
			break;
		case 6:
			write(twin, leaves[2]!);
			tensor.fill_(leaves[2]!);
			break;
		case 7:
			write(twin, old.mul(0.75));
			tensor.mul_(0.75);
			break;
		default:
			write(twin, old.mul(0));
			tensor.zero_();
	}
}

/** The results of a program, then the gradients of the leaves, then the gradients of those. */
interface Outcome {
	readonly direct: w.Tensor[];
	readonly twin: w.Tensor[];
}

function run(seed: number, where: Where): Outcome {
	const random = new Random(`program ${seed}`);
	const leaves = [[2, 3], [3], []].map((shape) => random.tensor(shape, where).requiresGrad_());
	const pairs: Pair[] = [whole(leaves[0]!.mul(2), leaves[0]!.mul(2))];
	for (let i = 0; i < 14; i++) {
		const from = random.pick(pairs.slice(-6));
		const kind = random.below(10);
		if (kind === 0) {
			const values = random.tensor(random.pick([[2, 3], [3, 2], [3], []]), where);
			pairs.push(whole(values, values.clone()));
		} else if (kind === 1) {
			pairs.push(whole(from.tensor.clone().mul(leaves[2]!), read(from.twin).mul(leaves[2]!)));
		} else if (kind < 5) {
			const tensor = view(random, from.tensor);
			if (tensor.size === 0) continue;
			// contiguous() copies a strided tensor.
			const isView = tensor.storage === from.tensor.storage;
			pairs.push(isView ? viewed(tensor, from.twin) : whole(tensor, read(from.twin)));
		} else change(random, from, leaves, pairs);
	}
	const derive = (results: readonly w.Tensor[]): w.Tensor[] => {
		const total = (list: readonly w.Tensor[], weight: Random) =>
			list.map((x) => x.square().mul(weight.tensor(x.shape, where)).sum()).reduce((a, b) => a.add(b));
		const first = w.grad(total(results, new Random(`loss ${seed}`)), leaves, { createGraph: true, allowUnused: true });
		const filled = first.map((gradient, i) => gradient ?? w.zerosLike(leaves[i]!));
		const again = total(filled, new Random(`second ${seed}`));
		const second = again.requiresGrad ? w.grad(again, leaves, { allowUnused: true }) : leaves.map(() => null);
		return [...results, ...filled, ...second.map((gradient, i) => gradient ?? w.zerosLike(leaves[i]!))];
	};
	return { direct: derive(pairs.map(({ tensor }) => tensor)), twin: derive(pairs.map(({ twin }) => read(twin))) };
}

const valuesOf = (tensors: readonly w.Tensor[]) => Promise.all(tensors.map((tensor) => tensor.data()));

const furthest = (values: ArrayLike<number>, from: ArrayLike<number>) =>
	Array.from(values).reduce((most, value, i) => Math.max(most, Math.abs(value - from[i]!)), 0);

type Values = Awaited<ReturnType<typeof valuesOf>>;

/** Throws unless each result is within `allowed`, or within the error that `rounding` gives it. */
function compare(seed: number, actual: Values, expected: Values, allowed: typeof EXACT, rounding?: readonly number[]): void {
	actual.forEach((values, i) => {
		const right = expected[i]!;
		// A sum loses digits that are small beside its largest terms.
		const largest = Array.from(right).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
		const absolute = Math.max(allowed.absolute * largest, rounding?.[i] ?? 0);
		requireClose(`program ${seed}, result ${i}`, values, right, { relative: allowed.relative, absolute });
	});
}

/** Makes a program from the seed and compares its results on both devices; throws if they differ. */
export async function compareProgram(seed: number): Promise<void> {
	const { direct, twin } = run(seed, { device: 'cpu', dtype: 'float64' });
	const expected = await valuesOf(twin);
	compare(seed, await valuesOf(direct), expected, EXACT);
	const actual = await valuesOf(run(seed, { device: 'webgpu', dtype: 'float32' }).direct);
	try {
		compare(seed, actual, expected, FLOAT32);
	} catch {
		// Gradients that cancel keep the rounding error of much larger terms, on the CPU in float32 as on the device. Another order
		// of additions rounds a few times more.
		const rounded = await valuesOf(run(seed, { device: 'cpu', dtype: 'float32' }).direct);
		const rounding = rounded.map((values, i) => 4 * furthest(values, expected[i]!));
		compare(seed, actual, expected, FLOAT32, rounding);
	}
}
