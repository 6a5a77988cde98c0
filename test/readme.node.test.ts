/** The README's snippets run as they stand, with the package as `npm run build` makes it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const snippets = [...readFileSync('README.md', 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!);

const root = process.cwd();
let folder: string;
test.before(() => {
	// Below the package's folder, where 'wgrad' is the package itself.
	folder = mkdtempSync(join(root, 'dist/readme-'));
	// Some snippets write files.
	process.chdir(folder);
});
test.after(() => {
	process.chdir(root);
	rmSync(folder, { recursive: true, force: true });
});

test('the README has snippets', () => assert.ok(snippets.length >= 5));

for (const [i, snippet] of snippets.entries()) {
	test(`snippet ${i + 1}: ${snippet.split('\n', 1)[0]}`, async () => {
		const file = join(folder, `snippet-${i}.mjs`);
		const { code } = await esbuild.transform(snippet, { loader: 'ts', target: 'es2022' });
		writeFileSync(file, code);
		await import(pathToFileURL(file).href);
	});
}

test.run();
