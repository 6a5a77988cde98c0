/** Reads and writes whole files. Errors of the file system become FileErrors that name the operation, the path and the cure. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readlink, rename, rm, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileError, withFileErrors } from '../../core/fileError';
import type { NewFile, Removed } from '../../io/platform';
import { sourceName } from '../sources';

type Path = string | URL;

export function codeOf(error: unknown): string {
	return String((error as { code?: unknown } | null)?.code ?? '');
}

/** Node 20's readFile() throws above this size. */
const READ_AT_ONCE = 2 ** 31 - 1;

/** Reads a file. */
export function readWhole(operation: string, path: Path): Promise<Uint8Array<ArrayBuffer>> {
	return withFileErrors(operation, 'read', sourceName(path), async () => {
		const handle = await open(path, 'r');
		try {
			const { size } = await handle.stat();
			if (size > READ_AT_ONCE) return await readInParts(handle, size);
			const { buffer, byteOffset, byteLength } = await handle.readFile();
			return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
		} finally {
			await handle.close();
		}
	});
}

async function readInParts(handle: FileHandle, size: number): Promise<Uint8Array<ArrayBuffer>> {
	let bytes: Uint8Array<ArrayBuffer>;
	try {
		bytes = new Uint8Array(size);
	} catch (error) {
		throw Object.assign(error as Error, { code: 'ERR_FS_FILE_TOO_LARGE' });
	}
	let filled = 0;
	for (let read = -1; filled < size && read !== 0; ) {
		({ bytesRead: read } = await handle.read(bytes, filled, Math.min(size - filled, 2 ** 30), filled));
		filled += read;
	}
	return bytes.subarray(0, filled);
}

interface WriteOptions {
	/** Create missing folders. Default true. */
	readonly folders?: boolean;
	/** Flush file and folders to the disk, so that the file survives a power failure. Default true. */
	readonly flush?: boolean;
}

/**
 * Writes a file atomically: at any moment the path holds either the old or the new bytes, even with several writers, on a full disk or
 * after a kill. Writes to a temporary file in the same folder and renames it. Follows links and keeps permissions.
 */
export function writeWhole(operation: string, path: Path, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
	return writeTogether(operation, [{ path, parts: [bytes] }], {}, options);
}

/**
 * Writes files that belong together: all get their names after all bytes are on the disk, in order. Removes other files `before` and
 * `after` that.
 */
export async function writeTogether(
	operation: string,
	files: readonly NewFile[],
	{ before = [], after = [] }: Removed = {},
	{ folders = true, flush = true }: WriteOptions = {},
): Promise<void> {
	const staged: Staged[] = [];
	try {
		for (const path of [...before, ...after])
			await withFileErrors(operation, 'write', sourceName(path), () => modeOf(operation, path));
		for (const file of files) staged.push(await stage(operation, file, { folders, flush }));
		await withFileErrors(operation, 'write', sourceName(files.at(-1)!.path), async () => {
			for (const path of before) await rm(path, { force: true });
			for (const { temporary, target } of staged) await rename(temporary, target);
			for (const path of after) await rm(path, { force: true });
			if (flush) for (const { target, firstMade } of staged) await syncFolders(dirname(target), firstMade);
		});
	} catch (error) {
		for (const { temporary } of staged) await rm(temporary, { force: true }).catch(() => {});
		throw error;
	}
}

/** A file that waits for its name. */
interface Staged {
	readonly temporary: string;
	readonly target: string;
	/** The first folder that was made for it. */
	readonly firstMade: string | undefined;
}

function stage(operation: string, { path, parts }: NewFile, { folders, flush }: WriteOptions): Promise<Staged> {
	return withFileErrors(operation, 'write', sourceName(path), async () => {
		const mode = await modeOf(operation, path);
		const target = await followLinks(path instanceof URL ? fileURLToPath(path) : path);
		const folder = dirname(target);
		const firstMade = folders ? await mkdir(folder, { recursive: true }) : undefined;
		await sweep(folder);
		const temporary = join(folder, `.wgrad-${process.pid}-${randomUUID()}.tmp`);
		try {
			const handle = await open(temporary, 'wx', mode);
			try {
				// The umask may have changed the mode.
				if (mode !== undefined) await handle.chmod(mode).catch(() => {});
				for await (const part of parts) await handle.writeFile(part);
				if (flush) await handle.sync();
			} finally {
				await handle.close();
			}
		} catch (error) {
			await rm(temporary, { force: true }).catch(() => {});
			throw error;
		}
		return { temporary, target, firstMade };
	});
}

/** The permissions of the file at a path, if it exists. Rejects devices and pipes, which a rename would replace by a file. */
async function modeOf(operation: string, path: Path): Promise<number | undefined> {
	try {
		const found = await stat(path);
		if (found.isFile()) return found.mode & 0o777;
		if (found.isDirectory()) throw Object.assign(new Error('EISDIR: the path is a folder'), { code: 'EISDIR' });
		const message = `${operation}: '${sourceName(path)}' cannot be written: it is a device or a pipe. Give the path of a file`;
		throw new FileError(message, 'EINVAL', undefined);
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return undefined;
		throw error;
	}
}

/** Resolves the links at the end of a path to an existing file or to the path of a new one. */
async function followLinks(path: string): Promise<string> {
	let target = path;
	for (let links = 0; links < 40; links++) {
		const next = await readlink(target).catch(() => null);
		if (next === null) break;
		// Not join(), which would cancel 'link/..'.
		target = isAbsolute(next) ? next : `${dirname(target)}/${next}`;
	}
	return target;
}

const TEMPORARY = /^\.wgrad-(\d+)-[\da-f-]{36}\.tmp$/;
const ABANDONED_MS = 10 * 60_000;
const swept = new Set<string>();

/** Whether a name belongs to an unfinished file of `writeWhole`. */
export function isTemporary(name: string): boolean {
	return TEMPORARY.test(name);
}

/** Removes temporary files that killed programs left in a folder. Runs once per folder, because it may hold many files. */
async function sweep(folder: string): Promise<void> {
	const absolute = resolve(folder);
	if (swept.has(absolute)) return;
	swept.add(absolute);
	for (const name of await readdir(folder).catch(() => [])) {
		const [, pid] = TEMPORARY.exec(name) ?? [];
		if (pid === undefined) continue;
		const file = join(folder, name);
		try {
			// The writer may run on another machine, so its process id is meaningless here.
			const abandoned = Date.now() - (await stat(file)).mtimeMs > ABANDONED_MS;
			if (abandoned && !isRunning(Number(pid))) await rm(file, { force: true });
		} catch {
			// Another program has removed it, or we lack the permission.
		}
	}
}

function isRunning(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return codeOf(error) === 'EPERM';
	}
}

/** Makes new names survive a power failure: the file's, and those of the folders from `firstMade` on. */
async function syncFolders(folder: string, firstMade: string | undefined): Promise<void> {
	const last = firstMade === undefined ? resolve(folder) : dirname(resolve(firstMade));
	for (let at = resolve(folder); ; at = dirname(at)) {
		await syncFolder(at);
		if (at === last || at === dirname(at)) return;
	}
}

async function syncFolder(folder: string): Promise<void> {
	try {
		const handle = await open(folder, 'r');
		try {
			await handle.sync();
		} finally {
			await handle.close();
		}
	} catch (error) {
		// Some file systems and operating systems do not support this.
		if (!['EISDIR', 'EPERM', 'EINVAL', 'EACCES', 'ENOTSUP'].includes(codeOf(error))) throw error;
	}
}
