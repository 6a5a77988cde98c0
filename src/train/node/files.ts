/** Checkpoints and logs as files. */
import { mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { withFileErrors } from '../../core/fileError';
import { codeOf, isTemporary, readWhole, writeWhole } from '../../data/node/disk';
import type { CheckpointStore, LogStore } from '../store';

/** What `found` gives, or `otherwise` where its path leads nowhere. */
async function orMissing<T>(otherwise: T, found: Promise<T>): Promise<T> {
	try {
		return await found;
	} catch (error) {
		if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return otherwise;
		throw error;
	}
}

/**
 * Files, by their paths. `write` is all or nothing, also with several writers: the bytes go to a temporary file in the same folder, which is
 * flushed to the disk and then renamed. Missing folders are made.
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

	append(path: string, text: string): Promise<void> {
		return withFileErrors('FileStore.append', 'write', path, async () => {
			const handle = await open(path, 'a');
			try {
				const { size } = await handle.stat();
				try {
					await handle.writeFile(text);
					await handle.datasync();
				} catch (error) {
					// On a full disk: half a line would be taken for a whole one.
					await handle.truncate(size).catch(() => {});
					throw error;
				}
			} finally {
				await handle.close();
			}
		});
	}
}
