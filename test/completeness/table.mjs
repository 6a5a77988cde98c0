#!/usr/bin/env node
/** `npm run table`: regenerates the table of operations in docs/operations.md. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';
import { forNode, root, withSources } from '../../build.mjs';

const bundle = join(root, 'dist/operations-table.mjs');
await esbuild.build({
	...forNode,
	alias: withSources('node'),
	sourcemap: false,
	stdin: {
		contents: `export { families } from './test/ops/index'; export { operationsTable, withTable } from './test/completeness/table';`,
		resolveDir: root,
	},
	outfile: bundle,
});
const { families, operationsTable, withTable } = await import(pathToFileURL(bundle).href);
rmSync(bundle);
const page = join(root, 'docs/operations.md');
const before = readFileSync(page, 'utf8');
const after = withTable(before, operationsTable(families));
if (after !== before) writeFileSync(page, after);
console.log(after === before ? 'docs/operations.md is up to date' : 'docs/operations.md has a new table of operations');
