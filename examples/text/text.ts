/** Loads the text of the programs: a file, or Moby Dick. */
import { readFile } from 'node:fs/promises';
import { WrongOption } from '../program';
import { mobyDick } from './mobyDick';

/** Returns the text of a file, or Moby Dick. A tenth of it must be longer than a passage of `length` characters. */
export async function readText(file: string | undefined, length: number): Promise<string> {
	if (file === undefined) return mobyDick();
	const text = await readFile(file, 'utf8').catch((error: Error) => {
		throw new WrongOption(`--text: ${error.message}`);
	});
	const least = 10 * (length + 1);
	if (text.length < least)
		throw new WrongOption(`--text: ${file} has ${text.length} characters; passages of ${length} need at least ${least}`);
	return text;
}
