/**
 * Checks the README and the pages of docs/: their programs run with the built package (TypeScript without its types), their
 * links lead to files and headings, the site names every page, and package.json has every npm command.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GUIDES } from '../site/pages.mjs';

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
		[...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].map(([, link, heading]) => ({
			page,
			file: link === '' ? page : join(dirname(page), link!),
			heading,
		})),
	);
	assert.ok(links.length > 0);
	const leadsNowhere = ({ file, heading }: (typeof links)[number]) => {
		const path = join(root, file);
		return !existsSync(path) || (heading !== undefined && !headingsOf(readFileSync(path, 'utf8')).includes(heading));
	};
	assert.equal(links.filter(leadsNowhere), []);
});

/** The names by which links reach the headings of a page. */
function headingsOf(text: string): string[] {
	const headings = [...text.replaceAll(/```.*?```/gs, '').matchAll(/^#+ (.*)$/gm)];
	return headings.map(([, heading]) =>
		heading!
			.toLowerCase()
			.replaceAll(/[^\w\s-]/g, '')
			.replaceAll(' ', '-'),
	);
}

test('the list of guides and the site name every page', () => {
	const names = pages.map(({ page }) => page.replace(/^docs\/|\.md$/g, '')).filter((name) => name !== 'README');
	assert.equal(GUIDES.flatMap((group) => group.pages).sort(), names.sort());
	const guide = readFileSync(join(root, 'docs/guide.md'), 'utf8');
	assert.equal(
		names.filter((name) => name !== 'guide' && !guide.includes(`](${name}.md)`)),
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

const END_OF_JOB = `
const { destroyProcessGroup, isInitialized } = await import('wgrad/distributed');
if (isInitialized()) await destroyProcessGroup();
`;

for (const [i, { page, language, code }] of snippets.entries()) {
	test(`${page}, ${code.split('\n', 1)[0]}`, async () => {
		const file = join(folder, `snippet-${i}.mjs`);
		const { code: plain } = await esbuild.transform(code, { loader: language, target: 'esnext' });
		const { code: forOldest } = await esbuild.transform(code, { loader: language, target: 'node20' });
		// On every Node, the program must use no syntax newer than the oldest Node that the package supports.
		assert.is(forOldest, plain);
		// A process has one job at a time, and all programs share this process.
		const end = code.includes('initProcessGroup(') ? END_OF_JOB : '';
		writeFileSync(file, (language === 'js' ? code : plain) + end);
		await import(pathToFileURL(file).href);
	});
}

test.run();
