/** The terminal output of this repository's programs when they start. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = process.cwd();
let folder: string;
test.before(() => {
	folder = mkdtempSync(join(root, 'dist/terminal-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('warnings appear, meaningless notices of Dawn do not', () => {
	if (process.platform !== 'linux') return;
	const program = join(folder, 'program.mjs');
	writeFileSync(
		program,
		`import { ensureAdapter } from '../../adapters/driver.mjs';
		import { withoutNotices } from '../../adapters/notices.mjs';
		import { init, tensor } from 'wgrad';
		console.error('before');
		const { device } = await withoutNotices(async () => {
			await ensureAdapter();
			console.error('Warning: of its own');
			return init({ device: 'webgpu' });
		});
		console.error('after');
		console.log(device, await tensor([1]).add(1).item());`,
	);
	// A pipe from the shell, because Node's own pipes are sockets.
	const output = execFileSync('sh', ['-c', `"${process.execPath}" "${program}" 2>&1 | cat`], {
		encoding: 'utf8',
		timeout: 120_000,
	});
	assert.is(output, 'before\nWarning: of its own\nafter\nwebgpu 2\n');
});

test.run();
