/**
 * Checks the README and the pages of docs/: their programs run with the built package (TypeScript without its types), their
 * links lead to files, and package.json has every npm command.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const pages = [
	'README.md',
	...readdirSync('docs')
		.filter((name) => name.endsWith('.md'))
		.map((name) => `docs/${name}`),
].map((page) => ({ page, text: readFileSync(page, 'utf8') }));
const snippets = pages.flatMap(({ page, text }) =>
	[...text.matchAll(/```(js|ts)\n([\s\S]*?)```/g)].map(([, language, code]) => ({
		page,
		language: language as 'js' | 'ts',
		code: code!,
	})),
);

const root = process.cwd();
let folder: string;
test.before(() => {
	// Inside the package's folder, where 'wgrad' resolves to the package itself.
	folder = mkdtempSync(join(root, 'dist/readme-'));
	// Some snippets write files.
	process.chdir(folder);
});
test.after(() => {
	process.chdir(root);
	rmSync(folder, { recursive: true, force: true });
});

test('the README begins with a program in JavaScript, and there are others', () => {
	assert.ok(snippets.length >= 5);
	assert.is(`${snippets[0]!.page} ${snippets[0]!.language}`, 'README.md js');
});

test('links lead to files', () => {
	const links = pages.flatMap(({ page, text }) =>
		[...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => join(root, dirname(page), link!)),
	);
	assert.ok(links.length > 0);
	assert.equal(
		links.filter((link) => !existsSync(link)),
		[],
	);
});

test('commands are there', () => {
	const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
	const named = pages.flatMap(({ text }) => [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name!));
	assert.equal(
		named.filter((name) => scripts[name] === undefined),
		[],
	);
});

for (const [i, { page, language, code }] of snippets.entries()) {
	test(`${page}, ${code.split('\n', 1)[0]}`, async () => {
		const file = join(folder, `snippet-${i}.mjs`);
		const { code: plain } = await esbuild.transform(code, { loader: language, target: 'esnext' });
		const { code: forOldest } = await esbuild.transform(code, { loader: language, target: 'node20' });
		// On every Node, the program must use no syntax newer than the oldest Node that the package supports.
		assert.is(forOldest, plain);
		writeFileSync(file, language === 'js' ? code : plain);
		await import(pathToFileURL(file).href);
	});
}

test.run();
