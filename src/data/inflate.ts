/** Decompression with a limit, because a file of a megabyte may unpack to a gigabyte. */

/** The largest ratio of deflate, which can encode 258 bytes in two bits. */
export const MOST_INFLATION = 1032;

/** The first bytes of the decompressed data. */
interface Inflated {
	readonly data: Uint8Array<ArrayBuffer>;
	/** Whether there are more than `limit` bytes. If so, the rest was not checked for damage. */
	readonly more: boolean;
}

/**
 * Decompresses up to `limit` bytes, then stops. Allocates memory for `expected` bytes at once. Rejects if the data are damaged or
 * truncated.
 */
export async function inflate(
	parts: readonly Uint8Array[],
	format: 'gzip' | 'deflate',
	limit: number,
	expected: number,
): Promise<Inflated> {
	const stream = new Blob(parts as Uint8Array<ArrayBuffer>[]).stream().pipeThrough(new DecompressionStream(format));
	const reader = stream.getReader();
	let data = new Uint8Array(Math.min(expected, limit));
	let length = 0;
	for (;;) {
		const { done, value } = await reader.read();
		if (done) return { data: length === data.length ? data : data.slice(0, length), more: false };
		if (length + value.length > data.length) {
			const longer = new Uint8Array(Math.min(limit, Math.max(length + value.length, 2 * data.length)));
			longer.set(data.subarray(0, length));
			data = longer;
		}
		const room = data.length - length;
		data.set(value.length > room ? value.subarray(0, room) : value, length);
		length += Math.min(value.length, room);
		if (value.length > room) {
			await reader.cancel();
			return { data, more: true };
		}
	}
}
