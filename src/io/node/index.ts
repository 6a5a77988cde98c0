/** Importing this file lets `io` and `wgrad/formats` use paths, a cache on disk and the terminal. */
import { type FileHandle, open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { withFileErrors } from '../../core/fileError';
import { writeTogether } from '../../data/node/disk';
import { sourceName } from '../../data/sources';
import { FileStore } from '../../train/node/files';
import { setPlatform } from '../platform';
import { type RandomAccess, requireWithin } from '../randomAccess';
import { showInTerminal } from './terminal';

/** The most bytes that one call of the operating system reads. */
const READ_AT_ONCE = 2 ** 30;

async function openPath(operation: string, path: string | URL): Promise<RandomAccess> {
	const name = sourceName(path);
	const { handle, size } = await withFileErrors(operation, 'read', name, async () => {
		const handle = await open(path, 'r');
		const found = await handle.stat();
		if (!found.isDirectory()) return { handle, size: found.size };
		await handle.close();
		throw Object.assign(new Error('EISDIR: the path is a folder'), { code: 'EISDIR' });
	});
	return {
		name,
		size,
		read: (begin, length, into = new Uint8Array(length)) => {
			requireWithin(name, size, begin, length);
			return withFileErrors(operation, 'read', name, () => readAt(handle, name, begin, into.subarray(0, length)));
		},
		close: () => handle.close(),
	};
}

async function readAt(
	handle: FileHandle,
	name: string,
	begin: number,
	bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
	const { length } = bytes;
	for (let filled = 0; filled < length; ) {
		const { bytesRead } = await handle.read(bytes, filled, Math.min(length - filled, READ_AT_ONCE), begin + filled);
		// Another program has shortened the file.
		if (bytesRead === 0) requireWithin(name, begin + filled, begin, length);
		filled += bytesRead;
	}
	return bytes;
}

setPlatform({
	openPath,
	writeFiles: writeTogether,
	cache: () => ({ store: new FileStore(), folder: join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'wgrad') }),
	showProgress: showInTerminal,
	isPath: (source) => !/^(https?|blob|data):/.test(source),
});
