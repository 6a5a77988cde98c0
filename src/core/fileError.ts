/** Errors of the file system in the project's own words. They know no module of Node: any error with a `code` will do. */
import { WgradError } from './errors';

/** A file or folder that cannot be read or written. */
export class FileError extends WgradError {
	override name = 'FileError';
	/** The file system's name of the error, such as 'ENOENT'. */
	readonly code: string;

	constructor(message: string, code: string, cause: unknown) {
		super(message, { cause });
		this.code = code;
	}
}

/** What each code means, and what to do about it. */
const REASONS: Readonly<Record<string, string>> = {
	EACCES: 'permission is denied. Change the permissions, or take another path',
	EBUSY: 'it is in use. Close what uses it, and try again',
	EDQUOT: "the user's share of the disk is used up. Free some space, or take another disk",
	EEXIST: 'it is there already. Take another path',
	EIO: 'the disk reports an error. Check the disk',
	EISDIR: 'it is a folder, not a file. Give the path of a file',
	ELOOP: 'its links lead in a circle. Mend the links',
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
 * Runs `use`, which reads or writes (`action`) the file or folder at `path`. What the file system refuses becomes a FileError in the name of
 * `operation`; all other errors pass.
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

/** The error as a FileError, where the file system is its origin. */
export function fileError(operation: string, action: 'read' | 'write' | 'remove', path: string, error: unknown): unknown {
	const { code, message } = error as { code?: unknown; message?: string };
	if (error instanceof WgradError || typeof code !== 'string') return error;
	const verb = { read: 'read', write: 'written', remove: 'removed' }[action];
	return new FileError(`${operation}: '${path}' cannot be ${verb}: ${REASONS[code] ?? message} (${code})`, code, error);
}
