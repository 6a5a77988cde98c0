/**
 * The operation database: the type of its entries. The proofs (gradients, parity, golden, refusals) and the microbenchmarks loop
 * over the entries of `test/ops/<family>.ts`. Test by hand only what an entry cannot express.
 */
import { type Device, type DType, type Tensor, tensor } from 'wgrad';

type Family =
	| 'elementwise'
	| 'reduce'
	| 'matmul'
	| 'conv'
	| 'pool'
	| 'sample'
	| 'softmax'
	| 'norm'
	| 'attention'
	| 'rnn'
	| 'embedding'
	| 'indexing'
	| 'layout'
	| 'quantized'
	| 'random'
	| 'loss'
	| 'optimizer';

/** The memory layout of an input. All layouts have the same values at each index. */
export type Layout =
	| 'contiguous'
	/** Stored with the dims reversed. */
	| 'transposed'
	/** Every second element of a longer last dim, after an offset. */
	| 'strided'
	/** The first dim repeated with stride 0 (all its entries have equal values). */
	| 'expanded';

export interface InputSpec {
	readonly shape: readonly number[];
	/** Default float32; in proofs that run in float64, float32 becomes float64. */
	readonly dtype?: DType;
	/** Range of the random values: [low, high) for floats and ints. Default [-2, 2). */
	readonly low?: number;
	readonly high?: number;
	/** Values in row-major order, instead of random ones. */
	readonly values?: readonly number[];
	/** Random values keep a distance of 0.05 from these kinks. */
	readonly avoid?: readonly number[];
	/** All random values differ by at least 0.01, for operations with a choice that flips at ties. */
	readonly distinct?: boolean;
	readonly layout?: Layout;
	/** Whether to check the gradient for this input. By default floating inputs are checked. */
	readonly gradient?: boolean;
}

export type Options = Readonly<Record<string, unknown>>;

export interface Sample {
	/** Its special property: 'odd sizes', 'broadcast', 'empty', 'transposed'. */
	readonly label: string;
	readonly inputs: readonly InputSpec[];
	/** The options of `call`. */
	readonly options?: Options;
	/** False for values where the derivative does not exist or explodes (extremes): tests only forward parity. Default true. */
	readonly gradient?: boolean;
	/** Replaces the entry's tolerance. */
	readonly tolerance?: Tolerance;
}

export interface Tolerance {
	readonly relative: number;
	readonly absolute: number;
	/** Why this figure is right. */
	readonly reason: string;
}

export interface Refusal {
	readonly label: string;
	/** Makes the wrong call with tensors on `device`. */
	call(device: Device): unknown;
	readonly message: RegExp;
}

/** A call with an index, class or length out of range. */
export function outOfRange(index: readonly number[], run: (index: Tensor) => unknown, message: RegExp): Refusal {
	return {
		label: `out of range: ${index.join(', ')} for ${message.source}`,
		call: (device) => run(tensor(index, { dtype: 'int32', device })),
		message,
	};
}

export interface OpEntry {
	/** The public name. */
	readonly name: string;
	readonly family: Family;
	call(inputs: readonly Tensor[], options: Options): Tensor | readonly Tensor[];
	/** If `call` first prepares the inputs with other operations, for example to make a matrix invertible: the two steps. */
	readonly steps?: {
		prepare(inputs: readonly Tensor[], options: Options): readonly Tensor[];
		call(inputs: readonly Tensor[], options: Options): Tensor | readonly Tensor[];
	};
	readonly samples: readonly Sample[];
	/** 'yes', or the reason why the operation has no gradient. */
	readonly gradient: 'yes' | { readonly none: string };
	/** Default: as `gradient`. */
	readonly secondGradient?: { readonly none: string };
	/** Tolerance of WebGPU's float32 against the CPU's float64, forward and gradient. Default: relative 2e-5, absolute 2e-6. */
	readonly tolerance?: Tolerance;
	readonly refusals: readonly Refusal[];
	/** The same in PyTorch, as a Python expression over `x[0]`, `x[1]`, ... with `torch` and `F`; null if PyTorch 1.13 lacks it. */
	torch: ((options: Options) => string) | null;
}

/** A deterministic stream in [0, 1): mulberry32, seeded by text, unrelated to the engine's own generator. */
export function stream(seed: string): () => number {
	let state = 2166136261;
	for (let i = 0; i < seed.length; i++) state = Math.imul(state ^ seed.charCodeAt(i), 16777619);
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

/**
 * The values of input `index` of a sample in row-major order. float32 represents them exactly, so that all precisions start
 * equal.
 */
export function inputValues(entry: OpEntry, sample: Sample, index: number): number[] {
	const spec = sample.inputs[index]!;
	const size = spec.shape.reduce((a, b) => a * b, 1);
	if (spec.values !== undefined) return [...spec.values];
	const next = stream(`${entry.name}/${sample.label}/${index}`);
	const { low = -2, high = 2, dtype = 'float32' } = spec;
	const draw = () => {
		if (dtype === 'bool') return next() < 0.5 ? 0 : 1;
		if (dtype === 'int32' || dtype === 'uint8' || dtype === 'int8') return Math.floor(low + next() * (high - low));
		let value = low + next() * (high - low);
		for (const kink of spec.avoid ?? []) if (Math.abs(value - kink) < 0.05) value = kink + (value < kink ? -0.05 : 0.05);
		return Math.fround(value);
	};
	const values = Array.from({ length: size }, draw);
	if (spec.distinct) {
		const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
		const step = (high - low) / Math.max(size, 1);
		order.forEach((position, rank) => {
			values[position] = Math.fround(low + (rank + 0.25 + 0.5 * next()) * step);
		});
	}
	if (spec.layout === 'expanded' && spec.shape.length > 0) {
		const row = size / Math.max(spec.shape[0]!, 1);
		return values.map((_, i) => values[i % row]!);
	}
	return values;
}

/** Makes the inputs of a sample on a device; `precision` replaces float32. The sample says which leaves require gradients. */
export function makeInputs(entry: OpEntry, sample: Sample, device: Device, precision: DType = 'float32'): Tensor[] {
	return sample.inputs.map((spec, index) => {
		const dtype = spec.dtype === undefined || spec.dtype === 'float32' ? precision : spec.dtype;
		const values = inputValues(entry, sample, index);
		const input = layOut(values, spec, dtype, device);
		const floating = dtype.includes('float');
		return floating && entry.gradient === 'yes' && spec.gradient !== false ? input.requiresGrad_() : input;
	});
}

function layOut(values: readonly number[], spec: InputSpec, dtype: DType, device: Device): Tensor {
	const shape = [...spec.shape];
	const rank = shape.length;
	const size = values.length;
	switch (rank === 0 || size === 0 ? 'contiguous' : (spec.layout ?? 'contiguous')) {
		case 'contiguous':
			return tensor(values, { shape, dtype, device });
		case 'transposed': {
			const reversed = [...shape].reverse();
			const stored = new Array<number>(size);
			const index = new Array<number>(rank).fill(0);
			for (let i = 0; i < size; i++) {
				let position = 0;
				for (let d = rank - 1; d >= 0; d--) position = position * shape[d]! + index[d]!;
				stored[position] = values[i]!;
				for (let d = rank - 1; d >= 0 && ++index[d]! === shape[d]; d--) index[d] = 0;
			}
			return tensor(stored, { shape: reversed, dtype, device }).permute(reversed.map((_, i) => rank - 1 - i));
		}
		case 'strided': {
			const last = shape[rank - 1]!;
			const stored: number[] = [];
			for (let row = 0; row < size / last; row++) {
				stored.push(7);
				for (let i = 0; i < last; i++) stored.push(values[row * last + i]!, 7);
			}
			return tensor(stored, { shape: [...shape.slice(0, -1), 2 * last + 1], dtype, device }).slice(-1, 1, 2 * last + 1, 2);
		}
		case 'expanded':
			return tensor(values.slice(0, size / shape[0]!), { shape: [1, ...shape.slice(1)], dtype, device }).expand(shape);
	}
}
