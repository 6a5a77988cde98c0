/** The readers of whole files, for any function that loads bytes. */
import { type LabelledArrays, parseCifar10, parseCifar100 } from './cifar';
import { type CsvOptions, type CsvTable, parseCsv } from './csv';
import { type IdxArray, parseIdx } from './idx';
import { type Load, loadBytes, parsed, type Source, sourceName } from './sources';
import { parseText } from './text';

export interface Readers {
	/** Reads the array of an IDX file, gzipped or not. */
	readIdx(source: Source): Promise<IdxArray>;
	/** Reads the images of CIFAR-10's binary files, in order. */
	readCifar10(...sources: readonly Source[]): Promise<LabelledArrays>;
	/** Reads the images of one of CIFAR-100's binary files. */
	readCifar100(source: Source, options?: { readonly coarse?: boolean }): Promise<LabelledArrays>;
	/** Reads the table of a CSV file. */
	readCsv(source: Source, options?: CsvOptions): Promise<CsvTable>;
	/** Reads UTF-8 text. */
	readText(source: Source): Promise<string>;
}

/** @internal */
export function readersWith(load: Load): Readers {
	return {
		async readIdx(source) {
			const bytes = await load(source, 'readIdx');
			return parsed(sourceName(source), () => parseIdx(bytes));
		},
		async readCifar10(...sources) {
			const files = await Promise.all(sources.map((source) => load(source, 'readCifar10')));
			return parsed(sources.map(sourceName).join(', '), () => parseCifar10(...files));
		},
		async readCifar100(source, options) {
			const bytes = await load(source, 'readCifar100');
			return parsed(sourceName(source), () => parseCifar100(bytes, options));
		},
		async readCsv(source, options) {
			const bytes = await load(source, 'readCsv');
			return parsed(sourceName(source), () => parseCsv(parseText(bytes), options));
		},
		async readText(source) {
			const bytes = await load(source, 'readText');
			return parsed(sourceName(source), () => parseText(bytes));
		},
	};
}

export const { readIdx, readCifar10, readCifar100, readCsv, readText }: Readers = readersWith(loadBytes);
