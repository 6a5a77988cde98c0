#!/usr/bin/env node
/**
 * `npm run golden`: passes the cases of the operation database to generate.py, then runs the scripts that have their own golden
 * files. They need PyTorch and scikit-learn (Debian: python3-torch, python3-sklearn).
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { forNode, root, withSources } from '../../build.mjs';

const python = process.env.PYTHON ?? '/usr/bin/python3';
const bundle = join(root, 'dist/golden-cases.mjs');
mkdirSync(join(root, 'dist'), { recursive: true });
await esbuild.build({
	...forNode,
	alias: withSources('node'),
	sourcemap: false,
	entryPoints: [join(root, 'test/golden/cases.ts')],
	outfile: bundle,
});
const cases = spawnSync(process.execPath, [bundle], { maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'inherit'] });
rmSync(bundle);
if (cases.status !== 0) process.exit(1);
const { status } = spawnSync(python, [join(root, 'test/golden/generate.py')], {
	input: cases.stdout,
	stdio: ['pipe', 'inherit', 'inherit'],
});
if (status !== 0) process.exit(status ?? 1);
for (const script of [
	'modules.py',
	'transformers.py',
	'gpt2.py',
	'recurrent.py',
	'optim.py',
	'gradScaler.py',
	'metrics.py',
	'preprocessing.py',
	'inplace.py',
	'interpret.py',
	'adapting.py',
	'dtypes.py',
	'outside.py',
]) {
	const run = spawnSync(python, [join(root, 'test/golden', script)], { stdio: 'inherit' });
	if (run.status !== 0) process.exit(run.status ?? 1);
}
