/** Stores checkpoints and logs as files. */
import { mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { withFileErrors } from '../../core/fileError';
import { codeOf, isTemporary, readWhole, writeWhole } from '../../data/node/disk';
import type { CheckpointStore, LogStore } from '../store';

/** Resolves to the result of `found`, or to `otherwise` if its path does not exist. */
async function orMissing<T>(otherwise: T, found: Promise<T>): Promise<T> {
	try {
		return await found;
	} catch (error) {
		if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return otherwise;
		throw error;
	}
}

/**
 * Stores files by path. `write` is atomic, even with several writers: it writes and flushes a temporary file in the same folder, then
 * renames it. Creates missing folders.
 */
export class FileStore implements CheckpointStore, LogStore {
	read(path: string): Promise<Uint8Array | null> {
		return orMissing<Uint8Array | null>(null, readWhole('FileStore.read', path));
	}

	write(path: string, bytes: Uint8Array): Promise<void> {
		return writeWhole('FileStore.write', path, bytes);
	}

	remove(path: string): Promise<void> {
		return orMissing(
			undefined,
			withFileErrors('FileStore.remove', 'remove', path, () => unlink(path)),
		);
	}

	async list(prefix: string): Promise<string[]> {
		const [folder, start] = prefix.endsWith('/') ? [prefix, ''] : [dirname(prefix), basename(prefix)];
		const names = await orMissing(
			[],
			withFileErrors('FileStore.list', 'read', folder, () => readdir(folder)),
		);
		return names.filter((name) => name.startsWith(start) && !isTemporary(name)).map((name) => join(folder, name));
	}

	size(path: string): Promise<number> {
		return orMissing(
			0,
			withFileErrors('FileStore.size', 'read', path, async () => (await stat(path)).size),
		);
	}

	truncate(path: string, bytes: number): Promise<void> {
		return withFileErrors('FileStore.truncate', 'write', path, async () => {
			await mkdir(dirname(path), { recursive: true });
			const handle = await open(path, 'a');
			try {
				await handle.truncate(bytes);
				await handle.sync();
			} finally {
				await handle.close();
			}
		});
	}

	append(path: string, text: string | Uint8Array): Promise<void> {
		return withFileErrors('FileStore.append', 'write', path, async () => {
			const handle = await open(path, 'a');
			try {
				const { size } = await handle.stat();
				try {
					await handle.writeFile(text);
					await handle.datasync();
				} catch (error) {
					// After a full disk: readers would take half a line for a whole one.
					await handle.truncate(size).catch(() => {});
					throw error;
				}
			} finally {
				await handle.close();
			}
		});
	}
}
