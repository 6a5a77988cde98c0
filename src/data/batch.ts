/** Samples and batches, which are lists of tensors: collating, moving and disposing. */
import type { DeviceName } from '../backends/contract';
import { describe, requireList } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { sameShape } from '../core/shape';
import { to } from '../ops/elementwise';
import { stack } from '../ops/layout';
import { Tensor } from '../tensor';

/** One sample or one batch: inputs first, target last, as `fit` takes them. */
export type TensorList = readonly Tensor[];

/** A value, or a promise if it is not ready: awaiting a promise costs a turn of the event loop. */
export type MaybePromise<T> = T | Promise<T>;

/** Calls `next(value)`, immediately if the value is ready. Calls `failed` if the value or the result of `next` rejects. */
export function whenReady<T, R>(
	value: MaybePromise<T>,
	next: (value: T) => MaybePromise<R>,
	failed?: () => void,
): MaybePromise<R> {
	if (!(value instanceof Promise)) return next(value);
	return value.then(next).catch((error) => {
		failed?.();
		throw error;
	});
}

/** Disposes of all `tensors` that are not in `survivors`. */
export function disposeExcept(tensors: readonly Tensor[], survivors: readonly Tensor[]): void {
	for (const tensor of tensors) if (!survivors.includes(tensor)) tensor.dispose();
}

/** Disposes of unused fields, including those still being made. */
export function discard(fields: MaybePromise<TensorList | null>): void {
	if (fields instanceof Promise) fields.then(discard, () => {});
	else if (fields !== null) disposeExcept(fields, []);
}

/** A promise that a loop should await before it takes this batch: see `Backend.pace`. */
export function paceOf(fields: TensorList): Promise<void> | undefined {
	return fields[0]!.backend.pace();
}

/** Throws unless `fields` is a list of tensors. `source` names its maker in the message. */
export function requireTensorList(source: string, fields: unknown): asserts fields is TensorList {
	if (!Array.isArray(fields) || fields.length === 0 || !fields.every((field) => field instanceof Tensor)) {
		throw new ArgumentError(
			`DataLoader: ${source} must return a list of tensors, such as [input, target], not ${describe(fields)}${fields instanceof Tensor ? '. Put it into brackets' : ''}`,
		);
	}
}

/**
 * Makes a batch by stacking each field along a new first dim: samples [C, H, W] become [N, C, H, W], scalars become [N]. All samples must
 * have the same number of fields and the same shapes. As PyTorch's `default_collate`.
 */
export function defaultCollate(samples: readonly TensorList[]): TensorList {
	requireList('defaultCollate', 'samples', samples);
	const first = samples[0];
	if (first === undefined) throw new ArgumentError('defaultCollate: there are no samples to make a batch of');
	samples.forEach((sample, i) => {
		requireTensorList(`sample ${i} of the batch`, sample);
		if (sample.length !== first.length) {
			throw new ArgumentError(
				`defaultCollate: sample ${i} of the batch has ${sample.length} fields, but sample 0 has ${first.length}`,
			);
		}
		sample.forEach((field, j) => {
			if (!sameShape(field.shape, first[j]!.shape)) {
				throw new ShapeError(
					`defaultCollate: field ${j} has shape ${formatShape(first[j]!.shape)} in sample 0 of the batch and ${formatShape(field.shape)} in sample ${i}. Give all samples the same shape, or pass a collate function that pads them`,
				);
			}
		});
	});
	return first.map((_, j) => stack(samples.map((sample) => sample[j]!)));
}

/** Moves the fields to `device` and disposes of the originals that had to move. */
export function moveToDevice(fields: TensorList, device: DeviceName | undefined): MaybePromise<TensorList> {
	if (device === undefined || fields.every((field) => field.device === device)) return fields;
	const copies = fields.map((field) => {
		const copy = to(field, device);
		if (copy === field) return field;
		if (copy instanceof Promise) return copy.finally(() => field.dispose());
		field.dispose();
		return copy;
	});
	return copies.some((copy) => copy instanceof Promise) ? Promise.all(copies) : (copies as Tensor[]);
}
