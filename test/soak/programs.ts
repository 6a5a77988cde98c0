/** Programs in child processes, which campaigns start and kill. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';

/** A new folder below dist/, where bundled programs find the packages. */
export function scratchFolder(name: string): string {
	mkdirSync('dist', { recursive: true });
	return mkdtempSync(join(process.cwd(), `dist/${name}-`));
}

/** Bundles a program with the library's sources into `folder`. Returns its path. */
export async function bundleProgram(source: string, folder: string): Promise<string> {
	// Not bundled into this file, because build.mjs finds its folder by its own path.
	const settings = pathToFileURL(join(process.cwd(), 'build.mjs')).href;
	const { forNode, withSources } = (await import(settings)) as typeof import('../../build.mjs');
	const outfile = join(folder, 'program.mjs');
	await esbuild.build({ ...forNode, alias: withSources('node'), entryPoints: [source], outfile });
	return outfile;
}

/** Starts a program and shows its errors. `ended` tells whether it came to its end or was killed. */
export function start(program: string, ...args: readonly string[]): { child: ChildProcess; ended: Promise<boolean> } {
	const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
	const ended = new Promise<boolean>((resolve, reject) => {
		child.on('error', reject);
		child.on('exit', (code, signal) => {
			if (signal === 'SIGKILL') resolve(false);
			else if (code === 0) resolve(true);
			else reject(new Error(`${program} ended with code ${code}`));
		});
	});
	return { child, ended };
}
