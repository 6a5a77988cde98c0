/** The parts of `npm run build` that tests run, the library and the example programs; rebuilt if their sources have changed. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isBuilt, root } from '../../build.mjs';
import { isAlive, isInUse, use } from './inUse.mjs';

const PARTS = ['library', 'examples'];

/** The marks of the runs that use the build, and the lock of the run that builds. */
const FOLDER = join(root, 'dist/.built');
const LOCK = join(FOLDER, 'lock');

/** Resolves when the build is up to date. Until this process ends, no other run changes it. Throws the errors of the build. */
export async function useBuild() {
	await mkdir(FOLDER, { recursive: true });
	await lock();
	try {
		if (!PARTS.every(isBuilt)) {
			while (isInUse(FOLDER)) await wait(200);
			await promisify(execFile)(process.execPath, ['build.mjs', ...PARTS], { cwd: root });
		}
		await use(FOLDER);
	} finally {
		await rm(LOCK);
	}
}

async function lock() {
	for (;;) {
		try {
			await writeFile(LOCK, String(process.pid), { flag: 'wx' });
			return;
		} catch {
			const owner = Number(await readFile(LOCK, 'utf8').catch(() => ''));
			if (owner > 0 && !isAlive(owner)) await rm(LOCK, { force: true });
			else await wait(100);
		}
	}
}
