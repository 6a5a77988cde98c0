/** The readers of whole files, with paths of the machine's file system. */
import { readFile } from 'node:fs/promises';
import { withFileErrors } from '../../core/fileError';
import { type Readers, readersWith } from '../readers';
import { type Load, loadBytes, sourceName, unzipped } from '../sources';

/**
 * Strings that are not URLs are file paths.
 *
 * @internal
 */
export const loadFile: Load = async (source, reader) => {
	const isPath = typeof source === 'string' ? !/^https?:\/\//.test(source) : source instanceof URL && source.protocol === 'file:';
	if (!isPath) return loadBytes(source, reader);
	const bytes = await withFileErrors(reader, 'read', sourceName(source), () => readFile(source as string | URL));
	return unzipped(new Uint8Array(bytes), source);
};

export const { readIdx, readCifar10, readCifar100, readCsv, readText }: Readers = readersWith(loadFile);
