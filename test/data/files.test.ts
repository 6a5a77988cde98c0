/** Files and folders that are missing, locked, linked in loops, or of the wrong kind. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FileError, WgradError } from 'wgrad';
import { encodePng, readCifar10, readCifar100, readCsv, readIdx, readImageFolder, readText, writePng } from 'wgrad/data';
import { fileError } from '../../src/core/fileError';
import { refuses } from './refuses';

const pixel = { data: new Uint8Array(1), width: 1, height: 1, channels: 1 };
const POSIX = process.platform !== 'win32';

let folder: string;
let png: Uint8Array;
test.before(async () => {
	folder = mkdtempSync(join(tmpdir(), 'wgrad-files-'));
	png = await encodePng(pixel);
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

const readers: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
	readIdx,
	readCifar10,
	readCifar100,
	readCsv,
	readText,
	readImageFolder,
};

test('every reader names a missing path and the cure', async () => {
	const missing = join(folder, 'none');
	for (const [name, read] of Object.entries(readers)) {
		const message = new RegExp(
			`^${name}: '.*none' cannot be read: there is no such file or folder. Check the path \\(ENOENT\\)$`,
		);
		await refuses(() => read(missing), message, FileError);
		await refuses(() => read(pathToFileURL(missing) as never), message, FileError);
		await refuses(() => read(`${missing}\0`), /null/, FileError);
	}
	await refuses(() => writePng(join(missing, 'a.png'), pixel), /^writePng: '.*' cannot be written: there is no/, FileError);
	await refuses(() => writePng(folder, pixel), /it is a folder, not a file/, FileError);
	await refuses(() => readText(folder), /it is a folder, not a file.*\(EISDIR\)/, FileError);
	writeFileSync(join(folder, 'file'), '');
	await refuses(() => readText(join(folder, 'file', 'a')), /a folder in the path is a file.*\(ENOTDIR\)/, FileError);
	await refuses(() => readImageFolder(join(folder, 'file')), /ENOTDIR/, FileError);
});

test('errors of the file system keep their code and cause, all others pass', () => {
	const cause = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
	const error = fileError('fit', 'write', 'a/b', cause) as FileError;
	assert.instance(error, WgradError);
	assert.equal([error.code, error.cause], ['ENOSPC', cause]);
	assert.is(error.message, "fit: 'a/b' cannot be written: the disk is full. Free some space, or take another disk (ENOSPC)");
	const strange = fileError('fit', 'read', 'a', Object.assign(new Error('it rains'), { code: 'EWEATHER' })) as FileError;
	assert.is(strange.message, "fit: 'a' cannot be read: it rains (EWEATHER)");
	for (const other of [new TypeError('x'), error, 3]) assert.is(fileError('fit', 'read', 'a', other), other);
});

async function classesAndPaths(root: string): Promise<[readonly string[], string[]]> {
	const { classes, paths } = await readImageFolder(root);
	return [classes, paths.map((path) => path.slice(root.length + 1))];
}

function put(root: string, ...paths: readonly string[]): void {
	for (const path of paths) {
		mkdirSync(join(root, path, '..'), { recursive: true });
		writeFileSync(join(root, path), png);
	}
}

test('hidden folders are skipped, and other names may contain anything', async () => {
	const root = join(folder, '.hidden root');
	put(root, 'cat/a.png', '.git/b.png', 'cat/.ipynb_checkpoints/c.png', 'cat/.d.png', 'dog/deep/e.png');
	const strange = POSIX ? ['cat/new\nline.png', 'co\nw/\n.png', 'dog/back\\slash.png'] : [];
	put(root, ...strange);
	const expected = ['cat/a.png', ...strange, 'dog/deep/e.png'].sort();
	assert.equal(await classesAndPaths(root), [POSIX ? ['cat', 'co\nw', 'dog'] : ['cat', 'dog'], expected]);
	const data = await readImageFolder(root, { channels: 1 });
	for (let i = 0; i < data.length; i++) assert.equal([...(await data.image(i)).data], [0]);
});

test('links to folders are followed, as in torchvision, and loops of links end', async () => {
	if (!POSIX) return;
	const root = join(folder, 'links');
	const store = join(folder, 'store');
	put(store, 'x/1.png', 'x/sub/2.png', 'y.png');
	put(root, 'cat/0.png');
	// A linked class, a linked folder below a linked class, a linked file, and two classes that share a folder.
	symlinkSync(join(store, 'x'), join(root, 'dog'));
	symlinkSync(join(store, 'x'), join(root, 'cat', 'more'));
	symlinkSync(join(store, 'y.png'), join(root, 'cat', 'y.png'));
	// Loops: to itself, to the root, and between two folders.
	symlinkSync('.', join(root, 'cat', 'self'));
	symlinkSync(root, join(root, 'cat', 'root'));
	symlinkSync(join(root, 'cat'), join(store, 'x', 'back'));
	symlinkSync('circle.png', join(root, 'cat', 'circle.png'));
	const [classes, paths] = await classesAndPaths(root);
	assert.equal(classes, ['cat', 'dog']);
	assert.equal(paths, [
		'cat/0.png',
		'cat/circle.png',
		'cat/more/1.png',
		'cat/more/sub/2.png',
		'cat/y.png',
		'dog/1.png',
		'dog/back/0.png',
		'dog/back/circle.png',
		'dog/back/y.png',
		'dog/sub/2.png',
	]);
	const data = await readImageFolder(root);
	await refuses(() => data.image(1), /circle\.png' cannot be read: its symbolic links form a loop.*ELOOP/, FileError);
	// Links from each of 12 folders to all others make 12! paths.
	const many = join(folder, 'many');
	const names = Array.from({ length: 12 }, (_, i) => `f${i}`);
	put(many, ...names.map((name) => `class/${name}/a.png`));
	for (const from of names) for (const to of names) symlinkSync(join('..', to), join(many, 'class', from, `to-${to}`));
	assert.is((await readImageFolder(many)).length, 12);
});

test('pipes are skipped, because reading one would wait for ever', async () => {
	if (!POSIX) return;
	const root = join(folder, 'pipes');
	put(root, 'cat/a.png');
	execFileSync('mkfifo', [join(root, 'cat/b.png')]);
	symlinkSync('b.png', join(root, 'cat/c.png'));
	symlinkSync('nowhere.png', join(root, 'cat/d.png'));
	assert.equal((await classesAndPaths(root))[1], ['cat/a.png', 'cat/d.png']);
	const data = await readImageFolder(root);
	await refuses(() => data.image(1), /d\.png' cannot be read: there is no such file/, FileError);
});

test.run();
