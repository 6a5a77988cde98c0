#!/usr/bin/env node
/**
 * `npm run build:site` writes dist/site: static files that work under any path and need no network. `npm run site` serves them too.
 *
 *   *.html     the start page (site/index.md, with the tables of the README) and the guides of docs/, by VitePress
 *   live.js    the training run of the start page
 *   gallery/   the example pages of `npm run page`
 *   api/       the reference, which TypeDoc makes from the docstrings
 *
 * Parts whose sources have not changed since the last build stay. The tools are in site/package.json, and are installed on the
 * first build: they take as long to install as half of the repository's own packages, and only the site needs them.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundlePage, isBuilt, root } from '../build.mjs';
import { serve } from '../examples/serve.mjs';
import { FURTHER, GUIDES } from './pages.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const out = join(root, 'dist/site');
const pages = join(here, 'dist/pages');
/** Stands for the path under which the site is served, until `makeMovable`. */
const BASE = '/__BASE__/';

/** @param {string} command @param {string[]} args @param {string} cwd */
function run(command, args, cwd) {
	const { status } = spawnSync(command, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' });
	if (status !== 0) throw new Error(`${[basename(command), ...args].join(' ')} failed: see above`);
}

function install() {
	if (!existsSync(join(here, 'node_modules/vitepress'))) run('npm', ['ci', '--no-audit', '--no-fund'], here);
}

/** The program of a package of site/package.json. @param {string} name */
function program(name) {
	const file = createRequire(import.meta.url).resolve(`${name}/package.json`);
	const { bin } = /** @type {{ bin: string | Record<string, string> }} */ (createRequire(import.meta.url)(file));
	return join(dirname(file), typeof bin === 'string' ? bin : /** @type {string} */ (bin[name]));
}

/** A part of README.md: what stands between a heading and the next one. @param {string} readme @param {string} heading */
function section(readme, heading) {
	const [, text] = new RegExp(`^## ${heading}\n(.*?)(?=^## )`, 'ms').exec(readme) ?? [];
	if (text === undefined) throw new Error(`README.md has no section '${heading}'`);
	return text.trim();
}

/** Copies the texts to where VitePress reads them, with links that lead to the site's pages. */
async function gatherPages() {
	await rm(pages, { recursive: true, force: true });
	await mkdir(pages, { recursive: true });
	const names = Object.entries(FURTHER);
	const toSite = (/** @type {string} */ text) =>
		names
			.reduce((text, [name, file]) => text.replaceAll(`](../${file}`, `](${name}.md`), text)
			.replaceAll('](docs/', '](')
			.replaceAll(/\[([^\]]*)\]\(\.\.\/examples\/[^)]*\)/g, '$1');
	const known = GUIDES.flatMap(({ pages }) => pages);
	for (const file of await readdir(join(root, 'docs'))) {
		if (!/\.(md|png|svg)$/.test(file)) continue;
		if (!file.endsWith('.md')) await cp(join(root, 'docs', file), join(pages, file));
		else if (!known.includes(file.slice(0, -3))) throw new Error(`site/pages.mjs does not list docs/${file}`);
		else await writeFile(join(pages, file), toSite(await readFile(join(root, 'docs', file), 'utf8')));
	}
	for (const [name, file] of names) await writeFile(join(pages, `${name}.md`), toSite(await readFile(join(root, file), 'utf8')));
	const readme = await readFile(join(root, 'README.md'), 'utf8');
	const index = (await readFile(join(here, 'index.md'), 'utf8')).replace(/^<!-- README: (.*) -->$/gm, (_, heading) =>
		section(readme, heading),
	);
	await writeFile(join(pages, 'index.md'), toSite(index));
	await writeFile(join(pages, 'gallery.md'), await galleryPage());
}

/** The folders of the examples with a page. */
async function exampleNames() {
	const entries = await readdir(join(root, 'examples'), { withFileTypes: true });
	return entries.filter((entry) => existsSync(join(root, 'examples', entry.name, 'page.html'))).map(({ name }) => name);
}

/** The list of the example pages, from their own headers. */
async function galleryPage() {
	const items = [];
	for (const name of await exampleNames()) {
		const page = await readFile(join(root, 'examples', name, 'page.html'), 'utf8');
		const [, title = name, text = ''] = /<h1>(.*?)<\/h1>\s*<p>(.*?)<\/p>/s.exec(page) ?? [];
		items.push(`<li><a href="./gallery/${name}/index.html" target="_self">${title}</a><p>${text}</p></li>`);
	}
	const intro = 'Each page computes on your own device. Nothing is sent anywhere.';
	return `---\naside: false\n---\n\n# Gallery\n\n${intro}\n\n<ul class="gallery">\n${items.join('\n')}\n</ul>\n`;
}

async function buildPages() {
	await gatherPages();
	run(process.execPath, [program('vitepress'), 'build', '--base', BASE, '--outDir', join(here, 'dist/built')], here);
	const built = join(here, 'dist/built');
	await makeMovable(built);
	for (const entry of await readdir(out).catch(() => [])) {
		if (!['api', 'gallery', 'live.js'].includes(entry)) await rm(join(out, entry), { recursive: true });
	}
	await cp(built, out, { recursive: true });
}

/**
 * Lets the pages work under any path. VitePress writes one path into all files. All pages are in one folder, so HTML can use relative addresses,
 * and scripts find the path when they run.
 *
 * @param {string} folder
 */
async function makeMovable(folder) {
	for (const file of await readdir(folder, { recursive: true })) {
		const path = join(folder, file);
		if (file.endsWith('.html')) {
			const text = (await readFile(path, 'utf8'))
				.replaceAll(`\\"base\\":\\"${BASE}\\"`, '\\"base\\":\\""+wgradBase+"\\"')
				.replaceAll(`="${BASE}`, '="./')
				.replace('<div class="VPContent is-home"', '<div role="main" class="VPContent is-home"')
				.replace('<head>', `<head><script>wgradBase=new URL('./',location.href).pathname</script>`);
			await writeFile(path, text);
		} else if (file.endsWith('.js')) {
			// The index of the search is JSON within single quotes.
			const inJson = file.includes('localSearchIndex') ? "'+globalThis.wgradBase+'" : BASE;
			const text = (await readFile(path, 'utf8'))
				.replaceAll(BASE, inJson)
				.replaceAll(new RegExp(`"${BASE}([^"]*)"`, 'g'), '(globalThis.wgradBase+"$1")')
				.replaceAll(new RegExp(`(\`)${BASE}`, 'g'), `$1\${globalThis.wgradBase}`);
			await writeFile(path, text);
		} else if (file.endsWith('.css')) {
			await writeFile(path, (await readFile(path, 'utf8')).replaceAll(`${BASE}assets/`, './'));
		} else continue;
		const rest = await readFile(path, 'utf8');
		const at = rest.indexOf(BASE);
		if (at >= 0) throw new Error(`${file} still holds its path: ${rest.slice(Math.max(0, at - 60), at + 40)}`);
	}
}

async function buildLive() {
	await bundlePage('site/live.ts', 'dist/site');
	await rm(join(out, 'live.js.map'));
}

async function buildGallery() {
	if (!isBuilt('examples')) run(process.execPath, ['build.mjs', 'library', 'examples'], root);
	await rm(join(out, 'gallery'), { recursive: true, force: true });
	for (const name of await exampleNames()) {
		const filter = (/** @type {string} */ path) => !/\.(mjs|map)$/.test(path);
		await cp(join(root, 'dist/examples', name), join(out, 'gallery', name), { recursive: true, filter });
	}
}

async function buildApi() {
	await rm(join(out, 'api'), { recursive: true, force: true });
	run(process.execPath, [program('typedoc'), '--options', join(here, 'typedoc.json'), '--out', join(out, 'api')], root);
	for (const file of await readdir(join(out, 'api'), { recursive: true })) {
		if (!file.endsWith('.html')) continue;
		const path = join(out, 'api', file);
		const up = relative(dirname(path), out).replaceAll('\\', '/');
		const text = (await readFile(path, 'utf8'))
			.replaceAll('https://site.invalid/', `${up}/`)
			.replace('<div class="col-content">', '<div class="col-content" role="main">')
			.replace('<div class="page-menu">', '<div class="page-menu" role="navigation" aria-label="On this page">')
			.replace('<nav id="tsd-sidebar-links"', '<nav id="tsd-sidebar-links" aria-label="Site"');
		await writeFile(path, text);
	}
}

/** How each part is built, and what it is made of. @type {Record<string, { build: () => Promise<void>, from: string[] }>} */
const parts = {
	pages: {
		build: buildPages,
		from: ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs', 'site', 'examples'],
	},
	live: { build: buildLive, from: ['src', 'shaders', 'site/live.ts', 'build.mjs'] },
	gallery: { build: buildGallery, from: ['src', 'shaders', 'examples', 'build.mjs'] },
	api: { build: buildApi, from: ['src', 'shaders', 'site/typedoc.json', 'site/package.json'] },
};

/** A digest of the contents of files and folders. @param {readonly string[]} sources */
async function digest(sources) {
	const hash = createHash('sha256').update(await readFile(fileURLToPath(import.meta.url)));
	for (const source of sources) {
		const path = join(root, source);
		const files = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => null);
		const found = files?.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name)) ?? [
			path,
		];
		for (const file of found.sort()) {
			if (!/[\\/](node_modules|dist)[\\/]/.test(relative(root, file))) hash.update(file).update(await readFile(file));
		}
	}
	return hash.digest('hex');
}

export async function buildSite() {
	install();
	await mkdir(out, { recursive: true });
	for (const [name, { build, from }] of Object.entries(parts)) {
		const record = join(here, `dist/${name}.sha256`);
		const state = await digest(from);
		const kept = await readFile(record, 'utf8').catch(() => '');
		const is = { pages: 'index.html', live: 'live.js' }[name] ?? name;
		if (kept === state && existsSync(join(out, is))) continue;
		const start = performance.now();
		await build();
		await mkdir(dirname(record), { recursive: true });
		await writeFile(record, state);
		console.log(`site, ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
	}
	return out;
}

if (process.argv[1] !== undefined && relative(process.argv[1], fileURLToPath(import.meta.url)) === '') {
	const folder = await buildSite();
	if (process.argv.includes('--serve')) console.log(`The site is at ${(await serve(folder, 8080)).url}`);
	else console.log(`The site is in ${relative(process.cwd(), folder)}`);
}
