/** Turns errors of the file system into errors that name the cure. Imports nothing from Node: any error with a `code` works. */
import { WgradError } from './errors';

/** A file or folder cannot be read or written. */
export class FileError extends WgradError {
	override name = 'FileError';
	/** The file system's error code, such as 'ENOENT'. */
	readonly code: string;

	constructor(message: string, code: string, cause: unknown) {
		super(message, { cause });
		this.code = code;
	}
}

/** The meaning of each code, and its cure. */
const REASONS: Readonly<Record<string, string>> = {
	EACCES: 'permission is denied. Change the permissions, or take another path',
	EBUSY: 'it is in use. Close what uses it, and try again',
	EDQUOT: 'the disk quota is used up. Free some space, or take another disk',
	EEXIST: 'it exists already. Take another path',
	EIO: 'the disk reports an error. Check the disk',
	EISDIR: 'it is a folder, not a file. Give the path of a file',
	ELOOP: 'its symbolic links form a loop. Fix the links',
	EMFILE: 'too many files are open. Close some, or raise the limit (ulimit -n)',
	ENAMETOOLONG: 'its name is too long. Take a shorter one',
	ENFILE: 'too many files are open on this machine. Close some',
	ENOENT: 'there is no such file or folder. Check the path',
	ENOSPC: 'the disk is full. Free some space, or take another disk',
	ENOTDIR: 'a folder in the path is a file. Check the path',
	EPERM: 'the system does not permit it. Change the permissions, or take another path',
	EROFS: 'the file system is read-only. Take another path',
	ERR_FS_FILE_TOO_LARGE: 'it is too large for one array. Split it',
};

/**
 * Runs `use`, which performs `action` on the file or folder at `path`. Turns errors of the file system into a FileError that names
 * `operation`; rethrows all others.
 */
export async function withFileErrors<T>(
	operation: string,
	action: 'read' | 'write' | 'remove',
	path: string,
	use: () => T | Promise<T>,
): Promise<T> {
	try {
		return await use();
	} catch (error) {
		throw fileError(operation, action, path, error);
	}
}

/** Converts an error of the file system to a FileError; returns any other error unchanged. */
export function fileError(operation: string, action: 'read' | 'write' | 'remove', path: string, error: unknown): unknown {
	const { code, message } = error as { code?: unknown; message?: string };
	if (error instanceof WgradError || typeof code !== 'string') return error;
	const verb = { read: 'read', write: 'written', remove: 'removed' }[action];
	return new FileError(`${operation}: '${path}' cannot be ${verb}: ${REASONS[code] ?? message} (${code})`, code, error);
}
