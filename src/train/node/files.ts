/** Checkpoints and logs as files. */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { CheckpointStore, LogStore } from '../store';

function isMissing(error: unknown): boolean {
	return (error as { code?: string }).code === 'ENOENT';
}

/** Makes what was done in a folder last through a power failure; file systems that know no such thing refuse it. */
async function syncFolder(folder: string): Promise<void> {
	try {
		const handle = await open(folder, 'r');
		try {
			await handle.sync();
		} finally {
			await handle.close();
		}
	} catch (error) {
		if (!['EISDIR', 'EPERM', 'EINVAL', 'EACCES', 'ENOTSUP'].includes((error as { code?: string }).code ?? '')) throw error;
	}
}

/**
 * Files, by their paths. `write` goes to `<path>.tmp` in the same folder, which is flushed to the disk and then renamed: at any moment
 * the path leads to the old file or the new one. Missing folders are made.
 */
export class FileStore implements CheckpointStore, LogStore {
	async read(path: string): Promise<Uint8Array | null> {
		try {
			return await readFile(path);
		} catch (error) {
			if (isMissing(error)) return null;
			throw error;
		}
	}

	async write(path: string, bytes: Uint8Array): Promise<void> {
		const folder = dirname(path);
		await mkdir(folder, { recursive: true });
		const temporary = `${path}.tmp`;
		const handle = await open(temporary, 'w');
		try {
			await handle.writeFile(bytes);
			await handle.sync();
		} finally {
			await handle.close();
		}
		await rename(temporary, path);
		await syncFolder(folder);
	}

	async remove(path: string): Promise<void> {
		await rm(path, { force: true });
	}

	async list(prefix: string): Promise<string[]> {
		const [folder, start] = prefix.endsWith('/') ? [prefix, ''] : [dirname(prefix), basename(prefix)];
		try {
			const names = await readdir(folder);
			return names.filter((name) => name.startsWith(start) && !name.endsWith('.tmp')).map((name) => join(folder, name));
		} catch (error) {
			if (isMissing(error)) return [];
			throw error;
		}
	}

	async size(path: string): Promise<number> {
		try {
			return (await stat(path)).size;
		} catch (error) {
			if (isMissing(error)) return 0;
			throw error;
		}
	}

	async truncate(path: string, bytes: number): Promise<void> {
		await mkdir(dirname(path), { recursive: true });
		const handle = await open(path, 'a');
		try {
			await handle.truncate(bytes);
			await handle.sync();
		} finally {
			await handle.close();
		}
	}

	async append(path: string, text: string): Promise<void> {
		const handle = await open(path, 'a');
		try {
			await handle.writeFile(text);
			await handle.datasync();
		} finally {
			await handle.close();
		}
	}
}
