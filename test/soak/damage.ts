/** Damages files and checks how readers handle them. */
import * as assert from 'uvu/assert';
import { WgradError } from 'wgrad';
import { below, pick, type Random } from './campaign';

const EDGES = [0, 1, 0x7f, 0x80, 0xfe, 0xff];

/** Returns a copy with a few bytes changed, removed or repeated, or truncated. */
export function damaged(random: Random, file: Uint8Array): Uint8Array {
	let bytes = [...file];
	for (let n = 1 + below(random, 4); n > 0; n--) {
		const at = below(random, bytes.length + 1);
		const count = 1 + below(random, 8);
		const change = below(random, 6);
		if (change === 0) bytes.splice(at, count);
		else if (change === 1) bytes.splice(at, 0, ...bytes.slice(below(random, bytes.length + 1)).slice(0, count));
		else if (change === 2) bytes.splice(at, count, ...Array.from({ length: count }, () => pick(random, EDGES)));
		else if (change === 3 && random() < 0.3) bytes = bytes.slice(0, at);
		else if (at < bytes.length) bytes[at] = change === 4 ? below(random, 256) : bytes[at]! ^ (1 << below(random, 8));
	}
	return Uint8Array.from(bytes);
}

/** Long enough for a busy machine, and far below the time of a decompression bomb. */
const SLOW = 10_000;

/**
 * Whether `read` accepts the file. It may throw one of the library's errors, and must finish soon. Any other error names the
 * file.
 */
export async function takes(file: Uint8Array, read: () => unknown): Promise<boolean> {
	const start = performance.now();
	let taken = true;
	try {
		await read();
	} catch (error) {
		taken = false;
		if (!(error instanceof WgradError)) {
			throw new Error(`of a file ${Buffer.from(file).toString('base64')}`, { cause: error });
		}
	}
	assert.ok(performance.now() - start < SLOW, `slow for a file ${Buffer.from(file).toString('base64')}`);
	return taken;
}

/** Tries again and again until the deadline, and then asserts that memory has not grown. */
export async function until(deadline: number, attempt: () => Promise<void>): Promise<number> {
	const before = process.memoryUsage().rss;
	let tries = 0;
	do {
		await attempt();
		tries++;
	} while (performance.now() < deadline);
	const grown = process.memoryUsage().rss - before;
	assert.ok(grown < 2 ** 30, `${grown} bytes more are in use after ${tries} tries`);
	return tries;
}
