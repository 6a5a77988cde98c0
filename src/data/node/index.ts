/** `wgrad/data` in Node: all of `../index.ts`, and functions that read files and folders by path. */
import { type Readers, readersWith } from '../readers';
import { type Load, loadBytes, unzipped } from '../sources';
import { readWhole } from './disk';

export * from '../index';
export { readImageFolder, writePng } from './imageFolder';

/** Strings that are not URLs are file paths. */
const loadFile: Load = async (source, reader) => {
	const isPath = typeof source === 'string' ? !/^https?:\/\//.test(source) : source instanceof URL && source.protocol === 'file:';
	return isPath ? unzipped(await readWhole(reader, source as string | URL), source) : loadBytes(source, reader);
};

// These replace the exports of ../index.ts with the same names and also take paths.
export const { readIdx, readCifar10, readCifar100, readCsv, readText }: Readers = readersWith(loadFile);
