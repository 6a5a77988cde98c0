/** Records which processes use a folder below dist/, so that no process removes what another still runs. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const MARK = /^used-by-(\d+)$/;

/**
 * Marks a folder as used by this process, until the process ends or calls the returned function.
 *
 * @param {string} folder
 * @returns {Promise<() => void>}
 */
export async function use(folder) {
	const mark = join(folder, `used-by-${process.pid}`);
	await mkdir(folder, { recursive: true });
	await writeFile(mark, '');
	const end = () => {
		process.off('exit', end);
		rmSync(mark, { force: true });
	};
	process.on('exit', end);
	return end;
}

/**
 * Whether another living process uses the folder. Killed processes leave their marks behind.
 *
 * @param {string} folder
 */
export function isInUse(folder) {
	if (!existsSync(folder)) return false;
	return readdirSync(folder).some((name) => {
		const [, pid] = MARK.exec(name) ?? [];
		return pid !== undefined && Number(pid) !== process.pid && isAlive(Number(pid));
	});
}

/** @param {number} pid */
export function isAlive(pid) {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		// The process belongs to another user.
		return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
	}
}
