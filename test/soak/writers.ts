/** Two programs write one file, are killed at random moments and restarted; every read finds a complete file. */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FileStore } from 'wgrad/train';
import { below, type Counts, type Random } from './campaign';
import { bundleProgram, scratchFolder, start } from './programs';

const BYTES = 1_000_000;

export async function writers(random: Random, deadline: number): Promise<Counts> {
	const scratch = scratchFolder('writers');
	const counts = { reads: 0, writes: 0, kills: 0 };
	const children = new Set<ChildProcess>();
	try {
		const program = await bundleProgram('test/soak/writer.ts', scratch);
		const folder = join(scratch, 'files');
		const path = join(folder, 'shared.bin');
		let running = true;
		const keepKilling = async () => {
			for (let first = true; first || performance.now() < deadline; first = false) {
				const { child, ended } = start(program, path, String(BYTES));
				children.add(child);
				const lasts = 1 + below(random, 20);
				let writes = 0;
				child.stdout!.on('data', (text: Buffer) => {
					writes += text.length;
					if (writes >= lasts) setTimeout(() => child.kill('SIGKILL'), random() * 10);
				});
				assert.is(await ended, false);
				counts.writes += writes;
				counts.kills++;
			}
		};
		const keepReading = async () => {
			const store = new FileStore();
			while (running) {
				const bytes = await store.read(path);
				await new Promise((resolve) => setTimeout(resolve, 1));
				if (bytes === null) continue;
				assert.is(bytes.length, BYTES, 'a file that is cut off');
				assert.ok(
					bytes.every((byte) => byte === bytes[0]),
					'a file of several versions',
				);
				counts.reads++;
			}
		};
		const writing = Promise.all([keepKilling(), keepKilling()]).finally(() => {
			running = false;
		});
		await Promise.all([writing, keepReading()]);
		// The first write of a later program removes what killed programs left.
		for (const name of readdirSync(folder)) utimesSync(join(folder, name), 0, 0);
		await new FileStore().write(path, new Uint8Array(1));
		assert.equal(readdirSync(folder), ['shared.bin']);
		return counts;
	} finally {
		// After a failure a program may still write.
		for (const child of children) child.kill('SIGKILL');
		rmSync(scratch, { recursive: true, force: true, maxRetries: 10 });
	}
}
