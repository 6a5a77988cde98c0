/** Keys and values of earlier tokens, so that generation computes one token at a time. */
import { noGrad } from '../autograd/modes';
import type { DeviceName } from '../backends/contract';
import { indexingKernels } from '../backends/kernels';
import { deviceOfNew } from '../backends/registry';
import { requireCounts } from '../core/checks';
import { type DType, requireDType, requireFloating } from '../core/dtype';
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { sameShape } from '../core/shape';
import { zeros } from '../ops/creation';
import { to } from '../ops/elementwise';
import { copy_ } from '../ops/inplace';
import { detach, expand, narrow, reshape } from '../ops/layout';
import { markWritten, type Tensor } from '../tensor';
import { requireSameDevice, requireTensor } from '../tensorChecks';
import { keep } from '../tidy';

export interface KVCacheOptions {
	readonly batch: number;
	/** Heads of keys and values; fewer than query heads in grouped-query attention. */
	readonly heads: number;
	readonly headSize: number;
	/** The cache allocates memory for this many tokens at once. */
	readonly maxLength: number;
	/** Default float32 on the default device. */
	readonly dtype?: DType;
	readonly device?: DeviceName;
}

/**
 * The keys and values of one attention layer, [batch, heads, maxLength, headSize], filled from the front. Appending copies only the new
 * rows. For inference: autograd records nothing.
 */
export class KVCache {
	readonly #key: Tensor;
	readonly #value: Tensor;
	#length = 0;

	constructor(readonly options: KVCacheOptions) {
		const {
			batch,
			heads,
			maxLength,
			headSize,
			dtype = 'float32',
			device = deviceOfNew(),
		} = checkOptions('KVCache', options, ['batch', 'heads', 'maxLength', 'headSize', 'dtype', 'device']);
		requireCounts('KVCache', { batch, heads, maxLength, headSize });
		requireFloating('KVCache', dtype, 'dtype');
		const shape = [batch, heads, maxLength, headSize];
		const make = () => runOperation('KVCache', () => keep(zeros(shape, { dtype, device })));
		this.#key = make();
		this.#value = make();
	}

	/** Tokens in the cache. */
	get length(): number {
		return this.#length;
	}

	/** Appends rows [batch, heads, L, headSize]. Returns views of all rows so far, [batch, heads, length, headSize]. */
	append(key: Tensor, value: Tensor): { key: Tensor; value: Tensor } {
		const { batch, heads, maxLength, headSize } = this.options;
		requireTensor('KVCache.append', key, 'key');
		requireTensor('KVCache.append', value, 'value');
		const { dtype } = this.#key;
		if (key.dtype !== dtype || value.dtype !== dtype) {
			throw new DTypeError(
				`KVCache: it holds ${dtype}, not keys of ${key.dtype} and values of ${value.dtype}. Create it with their dtype`,
			);
		}
		const count = key.shape[2] ?? 0;
		const expected = [batch, heads, count, headSize];
		if (!sameShape(key.shape, expected) || !sameShape(value.shape, expected)) {
			throw new ShapeError(
				`KVCache: keys ${formatShape(key.shape)} and values ${formatShape(value.shape)} must be [${batch}, ${heads}, any length, ${headSize}]`,
			);
		}
		const start = this.#length;
		if (start + count > maxLength) {
			throw new ArgumentError(
				`KVCache: ${start} + ${count} tokens do not fit into maxLength ${maxLength}. Create a larger cache, or call truncate()`,
			);
		}
		return noGrad(() => {
			copy_(narrow(this.#key, 2, start, count), detach(key));
			copy_(narrow(this.#value, 2, start, count), detach(value));
			this.#length += count;
			return { key: narrow(this.#key, 2, 0, this.#length), value: narrow(this.#value, 2, 0, this.#length) };
		});
	}

	/**
	 * Writes one row, [batch, heads, 1, headSize], at `position`, int32 [1] on the cache's device, which must be the number of rows so far. Returns
	 * views of the first `span` rows, of which those after `position` are zeros or forgotten rows: mask them. Nothing on the host depends on the
	 * number of rows, so `compile` can repeat it. Call `advance()` afterwards.
	 */
	put(key: Tensor, value: Tensor, position: Tensor, span: number): { key: Tensor; value: Tensor } {
		const { batch, heads, headSize, maxLength } = this.options;
		const expected = [batch, heads, 1, headSize];
		for (const [name, row] of Object.entries({ key, value })) {
			requireTensor('KVCache.put', row, name);
			if (!sameShape(row.shape, expected))
				throw new ShapeError(`KVCache.put: ${name} ${formatShape(row.shape)} must be ${formatShape(expected)}`);
		}
		requireTensor('KVCache.put', position, 'position');
		requireDType('KVCache.put', position.dtype, ['int32'], 'position');
		requireSameDevice('KVCache.put', this.#key, key, value, position);
		if (!Number.isInteger(span) || span < 1 || span > maxLength)
			throw new ArgumentError(`KVCache.put: span ${span} must lie between 1 and maxLength ${maxLength}`);
		return noGrad(() => {
			const index = expand(reshape(position, [1, 1, 1, 1]), expected);
			for (const [all, row] of [
				[this.#key, key],
				[this.#value, value],
			] as const) {
				runOperation('KVCache', () => {
					const source = detach(row.dtype === all.dtype ? row : to(row, all.dtype));
					indexingKernels(all.backend).scatterInto({ index, source }, { y: all }, { dim: 2, unique: true });
					markWritten(all, 'KVCache.put');
				});
			}
			return { key: narrow(this.#key, 2, 0, span), value: narrow(this.#value, 2, 0, span) };
		});
	}

	/** Counts a row that `put` has written. */
	advance(): void {
		if (this.#length >= this.options.maxLength)
			throw new ArgumentError(`KVCache.advance: all ${this.#length} rows are in use. Create a larger cache, or call truncate()`);
		this.#length++;
	}

	/** Forgets all tokens from `length` on. */
	truncate(length = 0): void {
		if (!Number.isInteger(length) || length < 0 || length > this.#length) {
			throw new ArgumentError(`KVCache.truncate: length ${length} must lie between 0 and ${this.#length}, the number of tokens`);
		}
		this.#length = length;
	}

	/** Frees the memory. */
	dispose(): void {
		this.#key.dispose();
		this.#value.dispose();
	}

	[Symbol.dispose](): void {
		this.dispose();
	}
}
