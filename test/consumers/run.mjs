#!/usr/bin/env node
/**
 * `npm run test:package`: packs a fresh clone of the last commit, installs the tarball as a user does, and uses it with Node (as ES module and as
 * CommonJS), Bun, Deno, esbuild, Rollup, Vite and webpack. Each runs the same programs on the CPU device and must print the same lines. Prints the
 * sizes of the bundles.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

const USAGE = `npm run test:package -- [options]

  --tool NAME   only this tool; may be repeated: node, cjs, bun, deno, esbuild, rollup, vite, webpack
  --help        this text`;

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');

const LAYERS = `new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU(), new nn.Linear(3, 2), new nn.Softmax(1))`;
const VALUES = `manualSeed(1);
const model = ${LAYERS};
const y = noGrad(() => model.forward(tensor([[1, 2]])));`;
const INIT = `const { device } = await init({ device: globalThis.PROBE_DEVICE ?? 'cpu' });`;

/**
 * The body of a program, after its imports, in a function: webpack does not join modules with one that awaits at its top, and so finds less that is
 * unused.
 *
 * @param {string} body
 */
const main = (body) => `async function main() {\n${body}\n}\nmain();`;

/** Programs, the line that each prints, and in kB, gzipped, the most that its bundle may take. */
const PROGRAMS = {
	everything: {
		most: 304,
		code: `import * as wgrad from 'wgrad';
${main(`const names = Object.keys(wgrad).sort();
console.log(names.includes('conv2d'), typeof wgrad.nn.Linear, typeof wgrad.Tensor.prototype.conv2d);`)}`,
		prints: 'true function function',
	},
	training: {
		most: 255,
		code: `import { init, nn, optim, tensor } from 'wgrad';
${main(`${INIT}
const x = tensor([[1, 2]], { requiresGrad: true });
const loss = x.mul(x).sum();
loss.backward();
new optim.SGD([x], { lr: 0.5 }).step();
console.log(device, await loss.item(), JSON.stringify(await x.toArray()), typeof nn.ReLU);`)}`,
		prints: 'cpu 5 [[0,0]] function',
	},
	inference: {
		most: 230,
		code: `import { init, manualSeed, nn, noGrad, tensor } from 'wgrad';
${main(`${INIT}
${VALUES}
console.log(device, (await y.sum().item()).toFixed(4), y.shape.join());`)}`,
		prints: 'cpu 1.0000 1,2',
	},
	'inference, wgrad/core': {
		most: 88,
		code: `import { init, manualSeed, noGrad, tensor } from 'wgrad/core';
import * as nn from 'wgrad/nn';
${main(`${INIT}
${VALUES}
const [[a, b]] = await y.toArray();
console.log(device, (a + b).toFixed(4), typeof y.mul);`)}`,
		prints: 'cpu 1.0000 undefined',
	},
	'a product, wgrad/core': {
		most: 66,
		code: `import { init, matmul, tensor } from 'wgrad/core';
${main(`${INIT}
console.log(device, JSON.stringify(await matmul(tensor([[1, 2]]), tensor([[3], [4]])).toArray()));`)}`,
		prints: 'cpu [[11]]',
	},
	'a later family': {
		most: 305,
		code: `import { init, tensor } from 'wgrad/core';
${main(`${INIT}
const { softmax } = await import('wgrad/core');
const { Conv2d } = await import('wgrad/nn');
const x = tensor([[0, 0]]);
console.log(device, JSON.stringify(await softmax(x, 1).toArray()), typeof Conv2d);`)}`,
		prints: 'cpu [[0.5,0.5]] function',
	},
};

/** @typedef {{ readonly folder: string, readonly file: string, readonly out: string }} Job */

/** Bundlers: each makes ES modules in `out`, the entry named index.mjs or the only file. @type {Record<string, (job: Job) => Promise<void>>} */
const BUNDLERS = {
	async esbuild({ folder, file, out }) {
		const { build } = await import('esbuild');
		await build({
			...{ entryPoints: [file], outfile: join(out, 'index.mjs'), absWorkingDir: folder, tsconfigRaw: {} },
			...{ bundle: true, minify: true, format: 'esm', platform: 'browser', target: 'es2022', logLevel: 'error' },
		});
	},
	async rollup({ file, out }) {
		const [{ rollup }, { nodeResolve }, { default: terser }] = await Promise.all([
			import('rollup'),
			import('@rollup/plugin-node-resolve'),
			import('@rollup/plugin-terser'),
		]);
		const bundle = await rollup({ input: file, plugins: [nodeResolve({ browser: true })], onwarn: failOnWarning });
		await bundle.write({
			file: join(out, 'index.mjs'),
			format: 'es',
			inlineDynamicImports: true,
			plugins: [terser({ module: true })],
		});
		await bundle.close();
	},
	async vite({ folder, file, out }) {
		const { build } = await import('vite');
		await build({
			...{ configFile: false, root: folder, logLevel: 'error' },
			build: {
				...{ outDir: out, emptyOutDir: true, target: 'es2022', modulePreload: false, reportCompressedSize: false },
				rollupOptions: { input: file, output: { entryFileNames: 'index.mjs', chunkFileNames: '[name]-[hash].mjs' } },
			},
		});
	},
	async webpack({ folder, file, out }) {
		const { default: webpack } = await import('webpack');
		const compiler = webpack({
			...{ mode: 'production', context: folder, entry: file, target: ['web', 'es2022'], devtool: false },
			output: {
				path: out,
				filename: 'index.mjs',
				chunkFilename: '[id].mjs',
				module: true,
				chunkFormat: 'module',
				library: { type: 'module' },
			},
			experiments: { outputModule: true },
			performance: { hints: false },
		});
		const stats = await promisify(compiler.run.bind(compiler))();
		if (stats?.hasErrors() || stats?.hasWarnings()) throw new Error(stats.toString({ all: false, errors: true, warnings: true }));
		await promisify(compiler.close.bind(compiler))();
	},
};

/** @param {{ message: string }} warning */
function failOnWarning({ message }) {
	throw new Error(message);
}

/** Commands that run a program as it is. @type {Record<string, (file: string) => readonly [string, ...string[]]>} */
const RUNTIMES = {
	node: (file) => [process.execPath, file],
	bun: (file) => [join(here, 'node_modules/.bin/bun'), file],
	deno: (file) => [join(here, 'node_modules/.bin/deno'), 'run', '--allow-all', '--quiet', '--node-modules-dir=manual', file],
};

/** @param {string} folder @param {readonly string[]} command */
async function lastLine(folder, [program = '', ...args]) {
	const { stdout } = await promisify(execFile)(program, args, { cwd: folder, timeout: 120_000 });
	return stdout.trim().split('\n').at(-1);
}

/** Packs the last commit from a clone without build, and installs the tarball. Returns its folder. */
async function install() {
	const folder = await mkdtemp(join(tmpdir(), 'wgrad-consumers-'));
	const clone = join(folder, 'clone');
	execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${root}`, clone]);
	await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
	for (const version of await readdir(join(root, 'test/package'))) {
		const modules = join(root, 'test/package', version, 'node_modules');
		if (existsSync(modules)) await symlink(modules, join(clone, 'test/package', version, 'node_modules'));
	}
	const name = execFileSync('npm', ['pack', '--pack-destination', folder], { cwd: clone, encoding: 'utf8', stdio: 'pipe' });
	const user = join(folder, 'user');
	await mkdir(user);
	await writeFile(join(user, 'package.json'), '{ "type": "module", "private": true }\n');
	const tarball = join(folder, name.trim().split('\n').at(-1) ?? '');
	execFileSync('npm', ['install', '--no-audit', '--no-fund', tarball], { cwd: user, stdio: ['ignore', 'ignore', 'inherit'] });
	return user;
}

async function testPackage() {
	const { values: options } = parseArgs({ options: { tool: { type: 'string', multiple: true }, help: { type: 'boolean' } } });
	if (options.help) return console.log(USAGE);
	if (!existsSync(join(here, 'node_modules'))) {
		const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' });
		if (status !== 0) throw new Error('the tools could not be installed');
	}
	const folder = await install();
	let failed = 0;
	/** @param {string} tool @param {string} program @param {() => Promise<string>} run */
	const check = async (tool, program, run) => {
		if (options.tool !== undefined && !options.tool.includes(tool)) return;
		const outcome = await run().catch((error) => {
			failed++;
			return `FAILED: ${String(error?.stderr || error?.stack || error)}`;
		});
		console.log(`${tool.padEnd(9)}${program.padEnd(24)}${outcome}`);
	};
	/** @param {string | undefined} got @param {string} expected */
	const requireLine = (got, expected) => {
		if (got !== expected) throw new Error(`printed '${got}' instead of '${expected}'`);
	};
	for (const [program, { code, prints, most }] of Object.entries(PROGRAMS)) {
		const file = join(folder, `${program.replaceAll(/\W+/g, '-')}.js`);
		await writeFile(file, code);
		for (const [tool, command] of Object.entries(RUNTIMES)) {
			await check(tool, program, async () => {
				requireLine(await lastLine(folder, command(file)), prints);
				return 'ok';
			});
		}
		for (const [tool, bundle] of Object.entries(BUNDLERS)) {
			await check(tool, program, async () => {
				const out = join(folder, `out-${tool}-${program.replaceAll(/\W+/g, '-')}`);
				await bundle({ folder, file, out });
				requireLine(await lastLine(folder, [process.execPath, join(out, 'index.mjs')]), prints);
				let bytes = 0;
				for (const name of await readdir(out))
					if (/\.m?js$/.test(name)) bytes += gzipSync(await readFile(join(out, name))).length;
				if (bytes > 1000 * most) throw new Error(`${(bytes / 1000).toFixed(1)} kB, but it may take ${most}`);
				return `ok, ${(bytes / 1000).toFixed(1)} kB`;
			});
		}
	}
	await check('cjs', 'require or a clear error', async () => {
		await writeFile(
			join(folder, 'main.cjs'),
			`const { init, tensor } = require('wgrad');\ninit({ device: 'cpu' }).then(() => console.log(tensor([1]).add(1).shape.join()));\n`,
		);
		const canRequire = /** @type {{ require_module?: boolean }} */ (process.features).require_module === true;
		const { stdout, stderr } = spawnSync(process.execPath, ['main.cjs'], { cwd: folder, encoding: 'utf8' });
		if (canRequire) requireLine(stdout.trim(), '1');
		else if (!/import\(\)/.test(stderr)) throw new Error(`the error does not name import(): ${stderr}`);
		return 'ok';
	});
	await rm(dirname(folder), { recursive: true, force: true });
	console.log(failed === 0 ? 'all passed' : `${failed} failed`);
	process.exitCode = failed === 0 ? 0 : 1;
}

await testPackage();
