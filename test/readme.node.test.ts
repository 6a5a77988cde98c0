/** The README's snippets run with the package as `npm run build` makes it: JavaScript as it stands, TypeScript without its types. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const readme = readFileSync('README.md', 'utf8');
const snippets = [...readme.matchAll(/```(js|ts)\n([\s\S]*?)```/g)].map(([, language, code]) => ({
	language: language as 'js' | 'ts',
	code: code!,
}));

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

test('the README has snippets, and the first is JavaScript', () => {
	assert.ok(snippets.length >= 5);
	assert.is(snippets[0]!.language, 'js');
});

for (const [i, { language, code }] of snippets.entries()) {
	test(`snippet ${i + 1}: ${code.split('\n', 1)[0]}`, async () => {
		const file = join(folder, `snippet-${i}.mjs`);
		const { code: plain } = await esbuild.transform(code, { loader: language, target: 'esnext' });
		const { code: forOldest } = await esbuild.transform(code, { loader: language, target: 'node20' });
		// Whatever Node runs this test, nothing must be newer than the oldest that the README promises.
		assert.is(forOldest, plain);
		writeFileSync(file, language === 'js' ? code : plain);
		await import(pathToFileURL(file).href);
	});
}

test.run();
