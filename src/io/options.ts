/** The options that all readers of large files share. */
import { requireFunction, requireInstance, wrongArgument } from '../core/checks';
import type { Global } from '../core/globals';

/** The progress of a call, in bytes of files. */
export interface Progress {
	readonly loaded: number;
	readonly total: number;
}

export interface OpenOptions {
	/** Called after each part, with the bytes of all files together. Without it, Node shows downloads in a terminal. */
	readonly onProgress?: (progress: Progress) => void;
	/** Ends the call: it rejects with the signal's reason. */
	readonly signal?: Global<'AbortSignal'>;
	/**
	 * Whether to keep downloads, or in which folder: on disk in Node, by default in `~/.cache/wgrad`; in the origin's private file system in
	 * browsers. Default false. An interrupted download resumes where it stopped; damaged parts are fetched again.
	 */
	readonly cache?: boolean | string;
}

export function checkOpenOptions(operation: string, { onProgress, signal, cache = false }: OpenOptions): void {
	if (onProgress !== undefined) requireFunction(operation, 'onProgress', onProgress);
	if (signal !== undefined) requireInstance(operation, 'signal', signal, AbortSignal, 'that of an AbortController');
	if (typeof cache !== 'boolean' && typeof cache !== 'string')
		throw wrongArgument(operation, 'cache', 'true, false or the name of a folder', cache);
}
