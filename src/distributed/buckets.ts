/** Gradients in buckets: one read, one reduction and one upload for many parameters. */
import { noGrad } from '../autograd/modes';
import { hostBytes } from '../core/dtype';
import { tensor, zerosLike } from '../ops/creation';
import { copy_ } from '../ops/inplace';
import { cat, narrow, reshape } from '../ops/layout';
import type { Tensor } from '../tensor';
import { keep, tidy } from '../tidy';
import type { Values } from './communicator';

/** Tensors of one device and dtype. */
export interface Bucket {
	readonly tensors: readonly Tensor[];
	readonly size: number;
}

/**
 * Groups tensors, in their order, into buckets of at most `capacity` bytes; a larger tensor is alone. `kindOf` adds a reason to keep tensors
 * apart.
 */
export function bucketsOf(tensors: readonly Tensor[], capacity: number, kindOf: (x: Tensor) => unknown = () => null): Bucket[] {
	const open = new Map<string, { tensors: Tensor[]; size: number; bytes: number }>();
	const all: { tensors: Tensor[]; size: number; bytes: number }[] = [];
	for (const x of tensors) {
		const key = `${x.device} ${x.dtype} ${String(kindOf(x))}`;
		const bytes = x.size * hostBytes(x.dtype);
		let bucket = open.get(key);
		if (bucket === undefined || bucket.bytes + bytes > capacity) {
			bucket = { tensors: [], size: 0, bytes: 0 };
			open.set(key, bucket);
			all.push(bucket);
		}
		bucket.tensors.push(x);
		bucket.size += x.size;
		bucket.bytes += bytes;
	}
	return all;
}

/** Reads the tensors that `pick` names for those of a bucket, as one flat array; zeros where it gives null. */
export async function readFlat(bucket: Bucket, pick: (x: Tensor) => Tensor | null = (x) => x): Promise<Values> {
	const flat = noGrad(() => tidy(() => cat(bucket.tensors.map((x) => reshape(pick(x) ?? zerosLike(x), [-1])))));
	keep(flat);
	try {
		return (await flat.data()) as Values;
	} finally {
		flat.dispose();
	}
}

/** Writes a flat array into the tensors that `pick` names for those of a bucket; skips null. */
export function writeFlat(bucket: Bucket, values: Values, pick: (x: Tensor) => Tensor | null = (x) => x): void {
	const [first] = bucket.tensors;
	if (first === undefined) return;
	noGrad(() =>
		tidy(() => {
			const flat = tensor(values, { dtype: first.dtype, device: first.device });
			let start = 0;
			for (const x of bucket.tensors) {
				const target = pick(x);
				if (target !== null) copy_(target, reshape(narrow(flat, 0, start, x.size), x.shape));
				start += x.size;
			}
		}),
	);
}
