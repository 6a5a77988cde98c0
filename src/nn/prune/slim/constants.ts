/** Finds the channels of a chain that are constant or unused. */
import { noGrad } from '../../../autograd/modes';
import type { TypedArray } from '../../../core/dtype';
import { tensor } from '../../../ops/creation';
import type { Tensor } from '../../../tensor';
import { tidy } from '../../../tidy';
import type { Linear } from '../../linear';
import type { Module } from '../../module';
import type { Branch, Chain } from './chain';
import {
	type Conv,
	convKeepsConstants,
	isConv,
	isDepthwise,
	isElementwise,
	isNorm,
	isPool,
	type Norm,
	poolKeepsConstants,
} from './layers';

/** The value of each channel in inference; NaN if it depends on the input. */
type Constants = readonly number[];

/** Channels to remove from a chain, and the terms that the layers at its ends add to their biases instead. */
export interface Removal {
	readonly gone: readonly number[];
	readonly kept: readonly number[];
	/** The reason why constant channels stay, or null. */
	readonly reason: string | null;
	readonly folds: ReadonlyMap<Module, Float64Array>;
}

export async function findRemoval({ module, next }: Chain): Promise<Removal> {
	const constants = await producedConstants(module);
	const ends = await Promise.all((await endsOf(next, constants, module.weight)).map((end) => End.read(end)));
	const channels = constants.map((_, channel) => channel);
	let gone = channels.filter((channel) => ends.every((end) => end.canLose(channel)));
	// A layer must keep at least one channel.
	if (gone.length === channels.length) gone = gone.slice(1);
	const stuck = channels.filter((channel) => !Number.isNaN(constants[channel]) && !ends.every((end) => end.canLose(channel)));
	const reason =
		stuck.length === 0
			? null
			: `${stuck.length} constant channels stay, because what follows does not keep a constant other than 0; prune their biases too`;
	const folds = new Map<Module, Float64Array>(ends.map((end) => [end.module, end.fold(gone)]));
	return { gone, kept: channels.filter((channel) => !gone.includes(channel)), reason, folds };
}

async function producedConstants({ weight, bias }: Linear | Conv): Promise<Constants> {
	const [weights, biases] = [await weight.data(), await bias?.data()];
	const rows = weight.shape[0]!;
	const length = weight.size / Math.max(1, rows);
	return Array.from({ length: rows }, (_, row) =>
		everyZero(weights.subarray(row * length, (row + 1) * length)) ? (biases?.[row] ?? 0) : Number.NaN,
	);
}

function everyZero(values: TypedArray): boolean {
	return !Array.prototype.some.call(values, (value) => value !== 0);
}

interface Arrival {
	readonly module: Linear | Conv;
	readonly spread: number;
	readonly constants: Constants;
}

/** The layers at the ends of a branch, and the constants that arrive there. */
async function endsOf(branch: Branch, constants: Constants, like: Tensor): Promise<Arrival[]> {
	const found = branch.ends.map((end): Arrival => ({ ...end, constants }));
	for (const { module, factor, next } of branch.passages)
		found.push(...(await endsOf(next, await passedConstants(module, constants, factor, like), like)));
	return found;
}

/** Maps constants through a layer that keeps channels separate. */
async function passedConstants(module: Module, constants: Constants, factor: number, like: Tensor): Promise<Constants> {
	if (isElementwise(module)) return elementwise(module, constants, like);
	if (isNorm(module)) return normalized(module, constants);
	if (isConv(module) && isDepthwise(module)) return convolved(module, constants, factor);
	if (isPool(module)) return poolKeepsConstants(module) ? constants : constants.map((value) => (value === 0 ? 0 : Number.NaN));
	// Flatten.
	return constants.flatMap((value) => new Array<number>(factor).fill(value));
}

async function elementwise(module: Module, constants: Constants, { device, dtype }: Tensor): Promise<Constants> {
	const known = constants.map((value) => (Number.isNaN(value) ? 0 : value));
	using output = noGrad(() => tidy(() => (module.forward as (x: Tensor) => Tensor)(tensor(known, { device, dtype }))));
	const values = await output.data();
	return constants.map((value, i) => (Number.isNaN(value) ? value : values[i]!));
}

async function normalized(norm: Norm, constants: Constants): Promise<Constants> {
	const { eps = 1e-5, trackRunningStats = true } = norm.options;
	const [weight, bias] = [await norm.weight?.data(), await norm.bias?.data()];
	const mean = trackRunningStats ? await norm.runningMean.data() : null;
	const variance = trackRunningStats ? await norm.runningVar.data() : null;
	return constants.map((value, i) => {
		const scale = weight?.[i] ?? 1;
		if (scale === 0) return bias?.[i] ?? 0;
		// Without running statistics, the batch's mean is the constant itself.
		const centred = mean === null || variance === null ? value - value : (value - mean[i]!) / Math.sqrt(variance[i]! + eps);
		return centred * scale + (bias?.[i] ?? 0);
	});
}

async function convolved(conv: Conv, constants: Constants, factor: number): Promise<Constants> {
	const [weights, biases] = [await conv.weight.data(), await conv.bias?.data()];
	const length = conv.weight.size / conv.outChannels;
	return Array.from({ length: conv.outChannels }, (_, row) => {
		const own = weights.subarray(row * length, (row + 1) * length);
		const bias = biases?.[row] ?? 0;
		if (everyZero(own)) return bias;
		const value = constants[Math.floor(row / factor)]!;
		if (value === 0) return bias;
		return convKeepsConstants(conv) ? bias + value * Array.from(own).reduce((sum, part) => sum + part, 0) : Number.NaN;
	});
}

/** A layer that mixes the channels of a chain. */
class End {
	readonly module: Linear | Conv;
	readonly #spread: number;
	readonly #constants: Constants;
	readonly #rows: number;
	readonly #columns: number;
	readonly #size: number;
	readonly #weights: ArrayLike<number>;
	/** Whether the column has a weight other than 0. */
	readonly #used: readonly boolean[];

	private constructor({ module, spread, constants }: Arrival, weights: ArrayLike<number>) {
		this.module = module;
		this.#spread = spread;
		this.#constants = constants;
		this.#weights = weights;
		const [rows, columns] = module.weight.shape as [number, number];
		this.#rows = rows;
		this.#columns = columns;
		this.#size = module.weight.size / Math.max(1, rows * columns);
		const used = new Array<boolean>(columns).fill(false);
		for (let i = 0; i < weights.length; i++) if (weights[i] !== 0) used[Math.floor(i / this.#size) % columns] = true;
		this.#used = used;
	}

	static async read(arrival: Arrival): Promise<End> {
		return new End(arrival, await arrival.module.weight.data());
	}

	#entries(channel: number): number[] {
		return Array.from({ length: this.#spread }, (_, i) => channel * this.#spread + i);
	}

	/** Whether the layer can lose a channel of the chain once its bias holds the channel's constant. */
	canLose(channel: number): boolean {
		const folds = !isConv(this.module) || convKeepsConstants(this.module);
		return this.#entries(channel).every((entry) => {
			const value = this.#constants[entry]!;
			return !this.#used[entry] || value === 0 || (folds && !Number.isNaN(value));
		});
	}

	/** The term that the layer's bias gains when the channels are removed. */
	fold(channels: readonly number[]): Float64Array {
		const sums = new Float64Array(this.#rows);
		for (const entry of channels.flatMap((channel) => this.#entries(channel))) {
			if (!this.#used[entry] || this.#constants[entry] === 0) continue;
			for (let row = 0; row < this.#rows; row++) {
				const start = (row * this.#columns + entry) * this.#size;
				for (let i = start; i < start + this.#size; i++) sums[row]! += this.#constants[entry]! * this.#weights[i]!;
			}
		}
		return sums;
	}
}
