/** Copies the network and a picture from the package `@upscalerjs/default-model`. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package exports code only. */
const PACKAGE = fileURLToPath(new URL('../../node_modules/@upscalerjs/default-model/', import.meta.url));

/** @param {string} outdir */
export async function prepare(outdir) {
	for (const file of ['models/model.json', 'models/group1-shard1of1.bin', 'assets/fixture.png'])
		await copyFile(join(PACKAGE, file), join(outdir, file.replace(/.*\//, '')));
}
