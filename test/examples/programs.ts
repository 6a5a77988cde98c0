/** Runs the built example programs. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';

interface Ending {
	readonly code: number;
	readonly output: string;
}

/** Runs dist/examples/<name>/train.mjs on the test's adapter. */
export function runProgram(name: string, ...options: string[]): Promise<Ending> {
	const program = join('dist/examples', name, 'train.mjs');
	if (!existsSync(program)) throw new Error(`${program} is not built: run npm run build`);
	return new Promise((resolve) => {
		execFile(process.execPath, [program, ...options], (error, stdout, stderr) => {
			const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
			resolve({ code, output: stdout + stderr });
		});
	});
}

/** Runs a program and asserts that it reached its goal. */
export async function assertReached(name: string, ...options: string[]): Promise<void> {
	const { code, output } = await runProgram(name, ...options);
	assert.match(output, /^must reach: .*: yes$/m);
	assert.is(code, 0, output);
}
