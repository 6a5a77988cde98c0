/**
 * Unpacks the Brotli archives of the npm package `@sparticuz/chromium` once into `node_modules/.cache`: headless Chromium, the system
 * libraries it needs, and SwiftShader's Vulkan driver with a loader.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';

/** The package's folder; undefined if it is not installed or not usable, because its binaries are for Linux x64. */
function findPackage() {
	if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
	try {
		return join(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')), '../..');
	} catch {
		return undefined;
	}
}

/** @param {string} packageFolder */
async function cacheFolder(packageFolder) {
	const beside = join(packageFolder, '../../.cache/wgrad');
	try {
		await mkdir(beside, { recursive: true });
		return beside;
	} catch {
		const own = join(tmpdir(), `wgrad-${process.getuid?.() ?? 0}`);
		await mkdir(own, { recursive: true, mode: 0o700 });
		return own;
	}
}

/**
 * Unpacks some of the package's archives into one folder, unless an earlier call has done so, and returns the folder. A `.tar.br` goes to
 * the given subfolder ('' for the folder itself); a plain `.br` is an executable. Concurrent processes unpack to separate folders, and the
 * first to finish renames its folder to the final name.
 *
 * @param {string} name
 * @param {Readonly<Record<string, string>>} archives subfolder by file name
 * @returns {Promise<string | undefined>} undefined where the package is not there
 */
export async function unpack(name, archives) {
	const source = findPackage();
	if (source === undefined) return undefined;
	const { version } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'));
	const target = join(await cacheFolder(source), `${name}-${version}`);
	if (existsSync(target)) return target;

	const { extract } = await import('tar-fs');
	const draft = `${target}.${randomUUID()}`;
	try {
		await mkdir(draft);
		for (const [file, subfolder] of Object.entries(archives)) {
			const bytes = createReadStream(join(source, 'bin', file)).pipe(createBrotliDecompress());
			if (file.endsWith('.tar.br')) {
				// @ts-expect-error the types of tar-fs lack `chown`: without it root's files would belong to whoever packed them
				await pipeline(bytes, extract(join(draft, subfolder), { chown: false }));
			} else {
				const executable = join(draft, subfolder, basename(file, '.br'));
				await pipeline(bytes, createWriteStream(executable));
				await chmod(executable, 0o755);
			}
		}
		await rename(draft, target);
	} catch (error) {
		await rm(draft, { recursive: true, force: true });
		if (!existsSync(target)) throw error;
	}
	return target;
}
