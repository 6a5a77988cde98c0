/** Sequences of different lengths without padding between them, as `torch.nn.utils.rnn` packs them. */
import { requireFinite, requireInteger } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { composed } from '../ops/composed';
import { full, tensor } from '../ops/creation';
import { indexSelect } from '../ops/indexing';
import { cat, reshape, transpose } from '../ops/layout';
import type { Tensor } from '../tensor';
import { requireRank, requireTensor } from '../tensorChecks';
import { padSequence } from './vectors';

/** What `packPaddedSequence` and `packSequence` return. `forwardPacked` of recurrent layers takes it and returns one. */
export class PackedSequence {
	/** @internal */
	constructor(
		/** The elements of all sequences, [sum of lengths, ...]: those of step 0, longest sequence first, then those of step 1, and so on. */
		readonly data: Tensor,
		/** The number of sequences that reach each step. */
		readonly batchSizes: readonly number[],
		/** The sequence at each place of a step; null if they came sorted. */
		readonly sortedIndices: readonly number[] | null,
		/** The place of each sequence within a step; null if they came sorted. */
		readonly unsortedIndices: readonly number[] | null,
	) {}

	/** The length of each sequence, in the order in which they came. */
	get lengths(): number[] {
		const rows = this.batchSizes[0]!;
		const sorted = Array.from({ length: rows }, (_, place) => this.batchSizes.filter((size) => size > place).length);
		return this.unsortedIndices?.map((place) => sorted[place]!) ?? sorted;
	}
}

export interface PackSequenceOptions {
	/** Throw unless the longest sequence comes first and none is longer than the one before. Default true. */
	readonly enforceSorted?: boolean;
}

export interface PackPaddedSequenceOptions extends PackSequenceOptions {
	/** Whether the input is [B, T, ...] instead of [T, B, ...]. Default false. */
	readonly batchFirst?: boolean;
}

/**
 * Packs the sequences of a padded batch [T, B, ...], of which the first `lengths[b]` elements count. Differentiable. As
 * `torch.nn.utils.rnn.pack_padded_sequence`.
 */
export function packPaddedSequence(
	input: Tensor,
	lengths: ArrayLike<number>,
	options: PackPaddedSequenceOptions = {},
): PackedSequence {
	const name = 'packPaddedSequence';
	const { batchFirst = false, enforceSorted = true } = checkOptions(name, options, ['batchFirst', 'enforceSorted']);
	requireTensor(name, input);
	requireRank(name, 'input', input, batchFirst ? '[B, T, ...]' : '[T, B, ...]', 2, 8);
	const [steps, rows] = (batchFirst ? [input.shape[1], input.shape[0]] : input.shape) as [number, number];
	const list = listOf(name, lengths, rows, steps, formatShape(input.shape));
	const order = list.map((_, row) => row).sort((a, b) => list[b]! - list[a]! || a - b);
	const isSorted = list.every((length, row) => row === 0 || length <= list[row - 1]!);
	if (enforceSorted && !isSorted)
		throw new ArgumentError(`${name}: lengths ${list.join(', ')} must not rise. Sort the batch, or pass enforceSorted: false`);
	const batchSizes = Array.from({ length: Math.max(...list) }, (_, t) => list.filter((length) => length > t).length);
	const places = batchSizes.flatMap((size, t) =>
		order.slice(0, size).map((row) => (batchFirst ? row * steps + t : t * rows + row)),
	);
	const data = composed(name, () => rowsAt(reshape(input, [steps * rows, ...input.shape.slice(2)]), places));
	return new PackedSequence(
		data,
		batchSizes,
		enforceSorted ? null : order,
		enforceSorted ? null : order.map((_, row) => order.indexOf(row)),
	);
}

function listOf(name: string, lengths: ArrayLike<number>, rows: number, steps: number, shape: string): number[] {
	if (lengths === null || typeof lengths !== 'object' || typeof lengths.length !== 'number')
		throw new ArgumentError(`${name}: lengths must be an array of numbers: read those of a tensor with await lengths.data()`);
	const list = Array.from(lengths);
	if (list.length !== rows || rows === 0)
		throw new ShapeError(`${name}: there are ${list.length} lengths for the ${rows} sequences of ${shape}`);
	for (const length of list) {
		requireInteger(name, 'each length', length, 1);
		if (length > steps) throw new ArgumentError(`${name}: length ${length} exceeds the ${steps} steps of ${shape}`);
	}
	return list;
}

function rowsAt(x: Tensor, places: readonly number[]): Tensor {
	return indexSelect(x, 0, tensor(Int32Array.from(places), { device: x.device }));
}

export interface PadPackedSequenceOptions {
	/** Whether the result is [B, T, ...] instead of [T, B, ...]. Default false. */
	readonly batchFirst?: boolean;
	/** Default 0. */
	readonly paddingValue?: number;
	/** The steps of the result. Default: those of the longest sequence. */
	readonly totalLength?: number;
}

/**
 * The padded batch [T, B, ...] and the lengths of its sequences, in the order in which they were packed. Differentiable. As
 * `torch.nn.utils.rnn.pad_packed_sequence`.
 */
export function padPackedSequence(
	sequence: PackedSequence,
	options: PadPackedSequenceOptions = {},
): [padded: Tensor, lengths: number[]] {
	const name = 'padPackedSequence';
	const {
		batchFirst = false,
		paddingValue = 0,
		totalLength,
	} = checkOptions(name, options, ['batchFirst', 'paddingValue', 'totalLength']);
	requireFinite(name, 'paddingValue', paddingValue);
	if (!(sequence instanceof PackedSequence))
		throw new ArgumentError(`${name}: it takes a PackedSequence, as packPaddedSequence and forwardPacked return it`);
	const { data, batchSizes, lengths, unsortedIndices } = sequence;
	if (totalLength !== undefined) requireInteger(name, 'totalLength', totalLength, batchSizes.length);
	const steps = totalLength ?? batchSizes.length;
	const rows = lengths.length;
	// Where each step begins in the data.
	const starts = batchSizes.map((_, t) => batchSizes.slice(0, t).reduce((sum, size) => sum + size, 0));
	const total = data.shape[0]!;
	const places = Array.from({ length: steps * rows }, (_, i) => {
		const [t, row] = [Math.floor(i / rows), i % rows];
		return t < lengths[row]! ? starts[t]! + (unsortedIndices?.[row] ?? row) : total;
	});
	const padded = composed(name, () => {
		const rest = data.shape.slice(1);
		const padding = full([1, ...rest], paddingValue, { dtype: data.dtype, device: data.device });
		const all = reshape(rowsAt(cat([data, padding], 0), places), [steps, rows, ...rest]);
		return batchFirst ? transpose(all, 0, 1) : all;
	});
	return [padded, lengths];
}

/** Packs sequences [T, ...] of different lengths. Differentiable. As `torch.nn.utils.rnn.pack_sequence`. */
export function packSequence(sequences: readonly Tensor[], options: PackSequenceOptions = {}): PackedSequence {
	checkOptions('packSequence', options, ['enforceSorted']);
	const padded = padSequence(sequences);
	return packPaddedSequence(
		padded,
		sequences.map(({ shape }) => shape[0]!),
		options,
	);
}
