/** Copies of this repository, for tests that change its files. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Scratch {
	readonly folder: string;
	remove(): void;
}

/** Makes a folder with copies of these files and folders, and with the installed packages. */
export function scratchTree(paths: readonly string[]): Scratch {
	const folder = mkdtempSync(join(tmpdir(), 'wgrad-scratch-'));
	for (const path of paths) {
		mkdirSync(dirname(join(folder, path)), { recursive: true });
		cpSync(path, join(folder, path), { recursive: true, filter: (from) => !from.includes('node_modules') });
	}
	symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
	return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
