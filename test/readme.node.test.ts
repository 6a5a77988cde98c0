/** The README's snippets run as they stand. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const snippets = [...readFileSync('README.md', 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!);

let folder: string;
test.before(() => {
	folder = mkdtempSync(join(process.cwd(), 'dist/readme-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('the README has snippets', () => assert.ok(snippets.length >= 4));

for (const [i, snippet] of snippets.entries()) {
	test(`snippet ${i + 1}: ${snippet.split('\n', 1)[0]}`, async () => {
		const file = join(folder, `snippet-${i}.ts`);
		writeFileSync(file, snippet);
		const outfile = file.replace('.ts', '.mjs');
		const alias = { wgrad: join(process.cwd(), 'src/index.ts'), 'wgsl-preprocessor': 'wgsl-preprocessor/wgsl-preprocessor.js' };
		await esbuild.build({
			entryPoints: [file],
			outfile,
			bundle: true,
			format: 'esm',
			platform: 'node',
			target: 'es2022',
			packages: 'external',
			alias,
		});
		await import(pathToFileURL(outfile).href);
	});
}

test.run();
