#!/usr/bin/env node
/**
 * Builds what is asked for, into dist/: `node build.mjs [library] [types] [cli] [examples] [bench]`; all but the last by default. dist/.built holds,
 * for each part, the state of its sources when it was built.
 *
 * library   dist/browser and dist/node: one ES module for each entry, and chunks for what several entries share
 * types     dist/types: declarations
 * cli       dist/cli/wgrad.mjs: the program `wgrad`, with its own copy of the library
 * examples  dist/examples/<name>: the .ts files that begin with a hashbang as Node programs; page.ts and page.html as a
 *           page, in the frame examples/page.html; whatever prepare.mjs makes. dist/examples/index.html lists the pages
 * bench     dist/bench/run.mjs
 *
 * test/run.mjs bundles the tests, with the same settings, and builds what they run of these parts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as esbuild from 'esbuild';
import { effectsIn, isListed, withPureDeclarations } from './sideEffects.mjs';

export const root = dirname(fileURLToPath(import.meta.url));

/**
 * Entry points of the library by the name that a user imports after 'wgrad/'. Each needs its place in package.json's exports. In Node,
 * `data`, `train`, `formats` and `models` also hold what reads and writes files, and only there is `distributed`.
 */
const ENTRIES = {
	browser: {
		index: 'src/main.ts',
		core: 'src/index.ts',
		nn: 'src/nn/index.ts',
		optim: 'src/optim/index.ts',
		metrics: 'src/metrics/index.ts',
		data: 'src/data/index.ts',
		train: 'src/train/index.ts',
		formats: 'src/formats/index.ts',
		models: 'src/models/index.ts',
		interpret: 'src/interpret/index.ts',
	},
	node: {
		index: 'src/node/index.ts',
		core: 'src/node/core.ts',
		nn: 'src/nn/index.ts',
		optim: 'src/optim/index.ts',
		metrics: 'src/metrics/index.ts',
		data: 'src/data/node/index.ts',
		train: 'src/train/node/index.ts',
		formats: 'src/formats/node.ts',
		models: 'src/models/node.ts',
		interpret: 'src/interpret/index.ts',
		distributed: 'src/distributed/index.ts',
	},
};

/**
 * Namespaces, by their own file in the build: the module that imports each as a whole, and the module that it is. There they stay modules: esbuild
 * would make each an object, of which users' bundlers cannot leave out what a program does not use.
 */
const NAMESPACES = {
	distributions: ['src/index.ts', './src/distributions'],
	fft: ['src/index.ts', './src/ops/fourier'],
	io: ['src/index.ts', './src/io'],
	linalg: ['src/index.ts', './src/ops/linalg'],
	nn: ['src/index.ts', './src/nn'],
	'nn-init': ['src/nn/index.ts', './src/nn/init'],
	'nn-lora': ['src/nn/index.ts', './src/nn/lora'],
	'nn-prune': ['src/nn/index.ts', './src/nn/prune'],
	'nn-utils': ['src/nn/index.ts', './src/nn/utils'],
	operations: ['src/methods.ts', './src/operations'],
	optim: ['src/index.ts', './src/optim'],
	'optim-scheduler': ['src/optim/index.ts', './src/optim/scheduler'],
};

/** @type {esbuild.Plugin} */
const namespaces = {
	name: 'namespaces',
	setup(build) {
		const found = new Map(
			Object.entries(NAMESPACES).map(([name, [importer = '', path = '']]) => [
				`${join(root, importer)} ${join(root, path)}`,
				`./${name}.js`,
			]),
		);
		build.onResolve({ filter: /^\.\// }, ({ path, importer, resolveDir }) => {
			const file = found.get(`${importer} ${join(resolveDir, path)}`);
			return file === undefined ? undefined : { path: file, external: true };
		});
	},
};

// The package's own package.json names no main file.
const PREPROCESSOR = { 'wgsl-preprocessor': 'wgsl-preprocessor/wgsl-preprocessor.js' };

/**
 * `import text from 'path?text'` gives a file's contents as a string, from packages too: a bundle then carries them, in Node as well.
 *
 * @type {esbuild.Plugin}
 */
const textImports = {
	name: 'text-imports',
	setup(build) {
		build.onResolve({ filter: /\?text$/ }, async ({ path, importer, resolveDir }) => {
			const file = path.replace(/\?text$/, '');
			const found = file.startsWith('.') ? join(resolveDir, file) : createRequire(importer).resolve(file);
			return { path: found, namespace: 'text' };
		});
		build.onLoad({ filter: /.*/, namespace: 'text' }, async ({ path }) => ({
			contents: await readFile(path, 'utf8'),
			loader: 'text',
			watchFiles: [path],
		}));
	},
};

/**
 * Makes sources small and open to tree shaking: see sideEffects.mjs. Leaves out the indentation and the comment lines of shaders. Lines stay lines,
 * to which the messages of WGSL compilers refer.
 *
 * @type {esbuild.Plugin}
 */
export const smallSources = {
	name: 'small-sources',
	async setup(build) {
		// It takes a second to load, which those who import the settings below need not wait for.
		const { default: ts } = await import('typescript');
		build.onLoad({ filter: /[/\\](src|shaders)[/\\].*\.ts$/ }, async ({ path }) => {
			const code = await readFile(path, 'utf8');
			if (isListed(path)) return { contents: code, loader: 'ts' };
			const [effect] = effectsIn(ts, path, code);
			if (effect !== undefined) {
				return {
					errors: [
						{ text: `${relative(root, path)} is not in sideEffects of package.json, but does more than declare: ${effect}` },
					],
				};
			}
			const pure = withPureDeclarations(ts, path, code);
			const isShader = /[/\\]shaders[/\\][^/\\]*$/.test(path);
			return { contents: isShader ? pure.replaceAll(/^[\t ]+/gm, '').replaceAll(/^\/\/.*$/gm, '') : pure, loader: 'ts' };
		});
	},
};

/** @satisfies {esbuild.BuildOptions} */
const common = {
	absWorkingDir: root,
	bundle: true,
	format: /** @type {const} */ ('esm'),
	target: 'es2022',
	sourcemap: true,
	logLevel: /** @type {const} */ ('warning'),
	plugins: [textImports],
};

/** For Node: packages stay imports, to be found in node_modules. @satisfies {esbuild.BuildOptions} */
export const forNode = {
	...common,
	platform: /** @type {const} */ ('node'),
	packages: /** @type {const} */ ('external'),
	alias: PREPROCESSOR,
};

/** For browsers: everything in one piece, and an import of one of Node's modules is an error. @satisfies {esbuild.BuildOptions} */
export const forBrowser = { ...common, platform: /** @type {const} */ ('browser'), alias: PREPROCESSOR };

/**
 * Aliases for programs that are bundled with the library's sources rather than with its build.
 *
 * @param {'browser' | 'node'} platform
 * @returns {Record<string, string>}
 */
export function withSources(platform) {
	const names = Object.entries(ENTRIES[platform]).map(([name, file]) => [
		name === 'index' ? 'wgrad' : `wgrad/${name}`,
		join(root, file),
	]);
	return { ...PREPROCESSOR, ...Object.fromEntries(names) };
}

async function buildLibrary() {
	for (const [name, options] of /** @type {const} */ ([
		['browser', forBrowser],
		['node', forNode],
	])) {
		const outdir = `dist/${name}`;
		const { metafile } = await esbuild.build({
			...options,
			entryPoints: {
				...Object.fromEntries(Object.entries(NAMESPACES).map(([entry, [, path = '']]) => [entry, path])),
				...ENTRIES[name],
			},
			plugins: [...options.plugins, namespaces, smallSources],
			outdir,
			splitting: true,
			chunkNames: 'chunk-[hash]',
			metafile: true,
		});
		for (const file of await readdir(join(root, outdir))) {
			const stale = metafile.outputs[`${outdir}/${file}`] === undefined;
			if (stale) await rm(join(root, outdir, file), { recursive: true });
			if (stale || !file.endsWith('.js')) continue;
			const code = await readFile(join(root, outdir, file), 'utf8');
			const { code: small } = await esbuild.transform(code, { minify: true, format: 'esm' });
			console.log(`${outdir}/${file}: ${kilobytes(code.length)}; minified and gzipped ${kilobytes(gzipSync(small).length)}`);
		}
	}
}

/** @param {number} bytes */
function kilobytes(bytes) {
	return `${(bytes / 1000).toFixed(1)} kB`;
}

async function buildTypes() {
	const outdir = join(root, 'dist/types');
	await rm(outdir, { recursive: true, force: true });
	// The native compiler, which takes a fifth of the time.
	const tsc = join(root, 'node_modules/typescript-7/node_modules/typescript/bin/tsc');
	const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
	if (status !== 0) throw new Error('the declarations did not build: see above');
	for (const file of await readdir(outdir, { recursive: true })) {
		if (file.endsWith('.d.ts')) await nameFiles(join(outdir, file));
	}
}

/**
 * Gives the relative imports of a declaration file their extensions: without them only bundlers find the files.
 *
 * @param {string} file
 */
async function nameFiles(file) {
	const text = await readFile(file, 'utf8');
	let named = '';
	let copied = 0;
	for (const { text: path, end } of await moduleNames(file, text)) {
		if (!/^\.\.?(\/|$)/.test(path)) continue;
		const target = join(dirname(file), path);
		const suffix = ['.js', '/index.js'].find((suffix) => existsSync(target + suffix.replace('.js', '.d.ts')));
		if (suffix === undefined) throw new Error(`${relative(root, file)}: no declarations for '${path}'`);
		// Before the closing quotation mark.
		named += text.slice(copied, end - 1) + suffix;
		copied = end - 1;
	}
	await writeFile(file, named + text.slice(copied));
}

/**
 * The names of modules in any form: `import`, `export ... from`, `import('...')` as a type, `declare module`.
 *
 * @param {string} file
 * @param {string} text
 */
async function moduleNames(file, text) {
	// It takes a second to load, which those who import the settings above need not wait for.
	const { default: ts } = await import('typescript');
	/** @type {(node: import('typescript').Node) => import('typescript').StringLiteral[]} */
	const namesIn = (node) => {
		/** @type {import('typescript').StringLiteral[]} */
		const names = [];
		ts.forEachChild(node, (child) => {
			const place = ts.isLiteralTypeNode(node) ? node.parent : node;
			const namesModule =
				ts.isImportDeclaration(place) ||
				ts.isExportDeclaration(place) ||
				ts.isImportTypeNode(place) ||
				ts.isModuleDeclaration(place) ||
				ts.isExternalModuleReference(place);
			if (ts.isStringLiteral(child) && namesModule) names.push(child);
			else names.push(...namesIn(child));
		});
		return names;
	};
	return namesIn(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
}

async function buildExamples() {
	const items = [];
	for (const entry of await readdir(join(root, 'examples'), { withFileTypes: true })) {
		if (!entry.isDirectory()) continue;
		await buildExample(`examples/${entry.name}`);
		const page = join(root, 'examples', entry.name, 'page.html');
		if (!existsSync(page)) continue;
		const [, title] = /<h1>(.*)<\/h1>/.exec(await readFile(page, 'utf8')) ?? [];
		items.push(`<li><a href="${entry.name}/">${title ?? entry.name}</a></li>`);
	}
	const index = await readFile(join(root, 'examples/index.html'), 'utf8');
	await writeFile(join(root, 'dist/examples/index.html'), index.replace('<!-- pages -->', items.join('\n\t\t')));
}

/** Bundles the program of a page with the library's sources. @param {string} file @param {string} outdir */
export async function bundlePage(file, outdir) {
	await esbuild.build({
		...forBrowser,
		alias: withSources('browser'),
		plugins: [...forBrowser.plugins, smallSources],
		entryPoints: [file],
		outdir,
		minify: true,
	});
}

/** @param {string} folder */
async function buildExample(folder) {
	const outdir = `dist/${folder}`;
	const files = await readdir(join(root, folder));
	const programs = [];
	for (const file of files.filter((file) => file.endsWith('.ts'))) {
		if ((await readFile(join(root, folder, file), 'utf8')).startsWith('#!')) programs.push(`${folder}/${file}`);
	}
	await mkdir(join(root, outdir), { recursive: true });
	// Node programs import the built library, as a user's program does.
	await esbuild.build({ ...forNode, entryPoints: programs, outdir, outExtension: { '.js': '.mjs' }, tsconfigRaw: {} });
	if (files.includes('page.ts')) {
		await bundlePage(`${folder}/page.ts`, outdir);
		await writeFile(join(root, outdir, 'index.html'), await framedPage(join(root, folder, 'page.html')));
		await copyFile(join(root, 'examples/failures.js'), join(root, outdir, 'failures.js'));
		await writeFile(join(root, outdir, 'source.html'), await sourcePage(folder));
	}
	if (files.includes('prepare.mjs')) {
		const { prepare } = await import(pathToFileURL(join(root, folder, 'prepare.mjs')).href);
		await prepare(join(root, outdir));
	}
}

/**
 * Puts the parts of a page into the frame that all pages share.
 * @param {string} file
 */
async function framedPage(file) {
	const parts = await readFile(file, 'utf8');
	const frame = await readFile(join(root, 'examples/page.html'), 'utf8');
	return frame.replace(/^(\t*)<!-- (head|header|main|footer) -->$/gm, (_, indent, name) => {
		const [, part] = new RegExp(`^<${name}>\\n(.*?)\\n</${name}>$`, 'ms').exec(parts) ?? [];
		if (part === undefined) throw new Error(`${file} has no <${name}>`);
		return part.replaceAll(/^\t/gm, indent);
	});
}

/**
 * A page with the source files of a page, the first one first.
 * @param {string} folder
 */
async function sourcePage(folder) {
	const files = (await readdir(join(root, folder))).filter((file) => /\.(ts|css|html)$/.test(file));
	const order = ['page.ts', 'model.ts', 'training.ts'];
	const rank = (/** @type {string} */ file) => (order.includes(file) ? order.indexOf(file) : order.length);
	files.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
	const escaped = (/** @type {string} */ text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
	const links = files.map((file) => `<li><a href="#${file}">${file}</a></li>`).join('\n\t\t');
	const texts = await Promise.all(
		files.map(async (file) => {
			const text = escaped(await readFile(join(root, folder, file), 'utf8'));
			return `<h2 id="${file}">${file}</h2>\n<pre tabindex="0" aria-label="${file}">${text}</pre>`;
		}),
	);
	const template = await readFile(join(root, 'examples/source.html'), 'utf8');
	return template
		.replaceAll('{folder}', folder)
		.replace('<!-- links -->', () => links)
		.replace('<!-- files -->', () => texts.join('\n'));
}

async function buildCli() {
	await esbuild.build({
		...forNode,
		alias: withSources('node'),
		entryPoints: { wgrad: 'bench/cli.ts' },
		outdir: 'dist/cli',
		outExtension: { '.js': '.mjs' },
		minify: true,
		sourcemap: false,
	});
}

async function buildBench() {
	await esbuild.build({
		...forNode,
		alias: withSources('node'),
		entryPoints: ['bench/run.ts'],
		outdir: 'dist/bench',
		outExtension: { '.js': '.mjs' },
	});
}

const SETTINGS = ['build.mjs', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];

/** How each part is built, and the folders of its sources. @type {Record<string, { build: () => Promise<void>, from: string[] }>} */
const parts = {
	library: { build: buildLibrary, from: ['src', 'shaders'] },
	types: { build: buildTypes, from: ['src', 'shaders'] },
	examples: { build: buildExamples, from: ['src', 'shaders', 'examples'] },
	cli: { build: buildCli, from: ['src', 'shaders', 'bench', 'test', 'examples'] },
	bench: { build: buildBench, from: ['src', 'shaders', 'bench', 'test'] },
};

/** @param {string} name */
function partNamed(name) {
	const part = parts[name];
	if (part === undefined) throw new Error(`build: no part '${name}'; there are ${Object.keys(parts).join(', ')}`);
	return part;
}

/** The state of a part's sources: the time and size of every file. @param {string} name */
function stateOf(name) {
	const inFolders = partNamed(name).from.flatMap((folder) =>
		readdirSync(join(root, folder), { recursive: true })
			.filter((file) => !/(^|[\\/])node_modules([\\/]|$)/.test(String(file)))
			.map((file) => join(folder, String(file))),
	);
	return [...SETTINGS, ...inFolders]
		.sort()
		.map((path) => ({ path, found: statSync(join(root, path)) }))
		.filter(({ found }) => found.isFile())
		.map(({ path, found }) => `${path} ${found.mtimeMs} ${found.size}\n`)
		.join('');
}

/** Where the state of a part's sources is kept. @param {string} name */
const record = (name) => join(root, 'dist/.built', `${name}.txt`);

/** Whether a part has been built of the sources as they are. @param {string} name */
export function isBuilt(name) {
	return existsSync(record(name)) && readFileSync(record(name), 'utf8') === stateOf(name);
}

/** @param {string[]} names */
async function main(names) {
	for (const name of names) {
		const start = performance.now();
		const { build } = partNamed(name);
		const state = stateOf(name);
		await rm(record(name), { force: true });
		await build();
		await mkdir(dirname(record(name)), { recursive: true });
		await writeFile(record(name), state);
		console.log(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
	}
}

if (process.argv[1] !== undefined && relative(process.argv[1], fileURLToPath(import.meta.url)) === '') {
	const names = process.argv.slice(2);
	await main(names.length > 0 ? names : ['library', 'types', 'cli', 'examples']).catch((error) => {
		// esbuild has already told its own errors.
		if (!('errors' in error)) console.error(error.message);
		process.exitCode = 1;
	});
}
