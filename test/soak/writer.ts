/**
 * A program that writes one file repeatedly, for writers.ts to kill: `writer.mjs PATH BYTES`. Each version repeats a single byte.
 */
import { FileStore } from 'wgrad/train';

const [path, bytes] = [process.argv[2]!, Number(process.argv[3])];
const store = new FileStore();
for (let version = process.pid; ; version++) {
	await store.write(path, new Uint8Array(bytes).fill(version));
	process.stdout.write('.');
}
