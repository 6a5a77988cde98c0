/** Packs this package from its sources alone, as a release does, and installs the tarball in a program's folder. */
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import tar from 'tar-fs';

/** Files that a fresh clone lacks. */
const NOT_COPIED = new Set(['.git', '.cache', 'dist', 'node_modules']);

export interface Installed {
	/** Contains node_modules/wgrad, as npm installs it. */
	readonly folder: string;
	/** The tarball's files by their path in it, sorted. */
	readonly files: readonly string[];
}

/** The folder is outside this repository, so that programs find only the tarball and its dependencies. */
export async function installPacked(root: string): Promise<Installed> {
	const folder = await mkdtemp(join(tmpdir(), 'wgrad-package-'));
	const clone = join(folder, 'clone');
	await mkdir(clone);
	for (const name of await readdir(root)) {
		const filter = (path: string) => !NOT_COPIED.has(basename(path));
		if (filter(name)) await cp(join(root, name), join(clone, name), { recursive: true, filter });
	}
	await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
	const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
	const output = execFileSync(npm, ['pack', '--pack-destination', folder], { cwd: clone, encoding: 'utf8', stdio: 'pipe' });
	const tarball = join(folder, output.trim().split('\n').at(-1)!);

	const modules = join(folder, 'node_modules');
	await pipeline(createReadStream(tarball), createGunzip(), tar.extract(modules));
	await rename(join(modules, 'package'), join(modules, 'wgrad'));
	const installed = join(modules, 'wgrad');
	const { dependencies, optionalDependencies } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
	// Declarations of Node and WebGPU, for programs that include them.
	const types = ['@types/node', '@webgpu/types'];
	for (const name of [...Object.keys({ ...dependencies, ...optionalDependencies }), ...types]) {
		if (!existsSync(join(root, 'node_modules', name))) continue;
		await mkdir(dirname(join(modules, name)), { recursive: true });
		await symlink(join(root, 'node_modules', name), join(modules, name));
	}
	await writeFile(join(folder, 'package.json'), '{ "type": "module" }\n');
	const entries = await readdir(installed, { recursive: true, withFileTypes: true });
	const files = entries.filter((entry) => entry.isFile());
	const paths = files.map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(installed.length + 1));
	return { folder, files: paths.map((path) => path.replaceAll('\\', '/')).sort() };
}

/** The path of a compiler: '5.4', '6' and '7' are in the folders beside this file; '5.9' is the version that builds wgrad. */
export function compiler(root: string, version: string): string {
	const folder = version === '5.9' ? root : join(root, `test/package/typescript-${version}`);
	const found = JSON.parse(readFileSync(join(folder, 'node_modules/typescript/package.json'), 'utf8')).version;
	if (!`${found}.`.startsWith(`${version}.`)) throw new Error(`TypeScript ${found} is not ${version}`);
	return join(folder, 'node_modules/typescript/bin/tsc');
}
