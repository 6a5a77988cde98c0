/** Keys and values of earlier tokens, so that generation computes one token at a time. */
import { noGrad } from '../autograd/modes';
import type { DeviceName } from '../backends/contract';
import { deviceOfNew } from '../backends/registry';
import { requireCounts } from '../core/checks';
import { type DType, requireFloating } from '../core/dtype';
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { sameShape } from '../core/shape';
import { copy_ } from '../ops/inplace';
import { detach, narrow } from '../ops/layout';
import { empty, type Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
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
		const make = () => runOperation('KVCache', () => keep(empty(shape, dtype, device)));
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
