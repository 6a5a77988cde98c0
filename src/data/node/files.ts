/** Readers of whole files that also take paths. */
import { type Readers, readersWith } from '../readers';
import { type Load, loadBytes, unzipped } from '../sources';
import { readWhole } from './disk';

/**
 * Strings that are not URLs are file paths.
 *
 * @internal
 */
export const loadFile: Load = async (source, reader) => {
	const isPath = typeof source === 'string' ? !/^https?:\/\//.test(source) : source instanceof URL && source.protocol === 'file:';
	return isPath ? unzipped(await readWhole(reader, source as string | URL), source) : loadBytes(source, reader);
};

export const { readIdx, readCifar10, readCifar100, readCsv, readText }: Readers = readersWith(loadFile);
