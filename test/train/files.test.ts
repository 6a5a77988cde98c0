/** Files are written atomically, with several writers and failing disks, and errors of the file system have clear messages. */
import {
	chmodSync,
	existsSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from 'node:fs';
import fs, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, FileError, optim } from 'wgrad';
import { readCifar10, readCifar100, readCsv, readIdx, readImageFolder, readText, writePng } from 'wgrad/data';
import {
	CsvLogger,
	FileStore,
	fit,
	JsonlLogger,
	loadCheckpoint,
	ModelCheckpoint,
	saveCheckpoint,
	writeReport,
} from 'wgrad/train';
import { runFor } from '../soak/campaign';
import { writers } from '../soak/writers';
import { linear, points } from './setting';

let folder: string;
test.before.each(() => {
	folder = mkdtempSync(join(tmpdir(), 'wgrad-'));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

/** Throws unless `fn` rejects with a FileError that matches. */
async function refuses(fn: () => Promise<unknown>, message: RegExp, code?: string): Promise<void> {
	let error: unknown;
	try {
		await fn();
	} catch (caught) {
		error = caught;
	}
	assert.instance(error, FileError, `${String(error)} where ${message} was expected`);
	assert.match((error as Error).message, message);
	if (code !== undefined) assert.is((error as FileError).code, code);
}

function systemError(code: string): Error {
	return Object.assign(new Error(`${code}: made up`), { code });
}

/** Runs `fn` with some functions of node:fs/promises replaced. */
async function withDisk(changes: Partial<typeof fs>, fn: () => Promise<void>): Promise<void> {
	const before = { ...fs };
	Object.assign(fs, changes);
	syncBuiltinESMExports();
	try {
		await fn();
	} finally {
		Object.assign(fs, before);
		syncBuiltinESMExports();
	}
}

const { open, rename } = fs;

/** Opens files for writing with some methods replaced. */
function openWith(change: (handle: FileHandle) => Partial<FileHandle>): Partial<typeof fs> {
	return {
		open: async (path, flags, mode) => {
			const handle = await open(path, flags, mode);
			return flags === 'r' ? handle : Object.assign(handle, change(handle));
		},
	};
}

/** A disk that takes half of the data, and then is full. */
const fullDisk = openWith((handle) => ({
	writeFile: async (data) => {
		const bytes = Buffer.from(data as Uint8Array);
		await handle.write(bytes, 0, bytes.length >> 1);
		throw systemError('ENOSPC');
	},
}));

/** Every way in which the library writes a whole file. */
function writing(path: string): [operation: string, write: () => Promise<unknown>][] {
	const model = linear();
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
	const options = { loss: crossEntropy, optimizer, verbose: 0 } as const;
	const history = { epochs: [], settings: {}, steps: 0, stoppedEarly: false, stopReason: null, seconds: 0 };
	return [
		['FileStore.write', () => new FileStore().write(path, new Uint8Array(1000))],
		['FileStore.write', () => saveCheckpoint(path, { model })],
		['FileStore.write', () => fit(model, points(9), { ...options, callbacks: [new ModelCheckpoint(path)] })],
		['writeReport', () => writeReport(path, history)],
		['writePng', () => writePng(path, { data: new Uint8Array(12), width: 2, height: 2, channels: 3 })],
	];
}

/** Every way in which the library writes logs. */
function logging(path: string): [operation: string, write: () => Promise<unknown>][] {
	const model = linear();
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
	const run = (callback: CsvLogger | JsonlLogger) => () =>
		fit(model, points(9), { loss: crossEntropy, optimizer, verbose: 0, callbacks: [callback] });
	return [
		['FileStore.(append|truncate)', run(new CsvLogger(path))],
		['FileStore.(append|truncate)', run(new JsonlLogger(path))],
	];
}

/** Every way in which the library reads a file or a folder. */
function reading(path: string): [operation: string, read: () => Promise<unknown>][] {
	const model = linear();
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
	const url = pathToFileURL(path);
	return [
		...[readIdx, readCifar10, readCifar100, readCsv, readText].flatMap((read): [string, () => Promise<unknown>][] => [
			[read.name, () => read(path)],
			[read.name, () => read(url)],
		]),
		['readImageFolder', () => readImageFolder(path)],
		['readImageFolder', () => readImageFolder(url)],
		['FileStore.read', () => new FileStore().read(path)],
		['FileStore.read', () => loadCheckpoint(path, { model })],
		['FileStore.read', () => fit(model, points(9), { loss: crossEntropy, optimizer, verbose: 0, resumeFrom: path })],
	];
}

const CODES: Readonly<Record<string, RegExp>> = {
	EACCES: /permission is denied\. Change the permissions, or take another path/,
	EROFS: /the file system is read-only\. Take another path/,
	EISDIR: /it is a folder, not a file\. Give the path of a file/,
	EMFILE: /too many files are open\. Close some/,
	EWEATHER: /EWEATHER: made up/,
};

for (const [code, words] of Object.entries(CODES)) {
	test(`${code} gives a clear error in every reader and writer`, async () => {
		const path = join(folder, 'file.bin');
		const refuse = async () => {
			throw systemError(code);
		};
		const disk = { open: refuse, realpath: refuse } as unknown as Partial<typeof fs>;
		for (const [operation, call] of [...reading(path), ...writing(path), ...logging(path)]) {
			const named = new RegExp(`^${operation}: '.*file\\.bin' cannot be (read|written): ${words.source}.*\\(${code}\\)$`);
			await withDisk(disk, () => refuses(call, named, code));
		}
		assert.equal(readdirSync(folder), []);
	});
}

test('paths that lead nowhere, to folders, through files and in loops', async () => {
	const missing = (path: string) => reading(path).filter(([operation]) => operation.startsWith('read'));
	for (const [operation, read] of missing(join(folder, 'none')))
		await refuses(read, new RegExp(`^${operation}: '.*none' cannot be read: there is no such file or folder`), 'ENOENT');
	writeFileSync(join(folder, 'file'), '');
	for (const [, read] of missing(join(folder, 'file/below'))) await refuses(read, /a folder in the path is a file/, 'ENOTDIR');
	symlinkSync('circle', join(folder, 'circle'));
	for (const [, call] of [...reading(join(folder, 'circle')), ...writing(join(folder, 'circle'))])
		await refuses(call, /its symbolic links form a loop/, 'ELOOP');
	for (const [operation, call] of [...reading(folder), ...writing(folder), ...logging(folder)])
		if (operation !== 'readImageFolder') await refuses(call, /it is a folder, not a file/, 'EISDIR');
	for (const [, call] of writing(join(folder, 'x'.repeat(300)))) await refuses(call, /its name is too long/, 'ENAMETOOLONG');
	await refuses(() => new FileStore().remove(folder), /FileStore\.remove: .* cannot be removed/);
	const store = new FileStore();
	for (const path of [join(folder, 'none'), join(folder, 'file/below')]) {
		assert.is(await store.read(path), null);
		assert.is(await store.size(path), 0);
		assert.equal(await store.list(`${path}/`), []);
		await store.remove(path);
	}
	await refuses(() => store.write(join(folder, 'file/below'), new Uint8Array(1)), /'.*below' cannot be written: /);
});

test('the error of a vanished image names its path', async () => {
	mkdirSync(join(folder, 'cats'));
	const file = join(folder, 'cats/1.png');
	await writePng(file, { data: new Uint8Array(12), width: 2, height: 2, channels: 3 });
	const images = await readImageFolder(folder);
	rmSync(file);
	await refuses(() => images.image(0), /readImageFolder: '.*cats\/1\.png' cannot be read: there is no such file/, 'ENOENT');
});

test('a full disk leaves the old file and nothing else', async () => {
	const path = join(folder, 'file.bin');
	const disks: [code: string, Partial<typeof fs>][] = [
		['ENOSPC', fullDisk],
		['EDQUOT', openWith(() => ({ sync: () => Promise.reject(systemError('EDQUOT')) }))],
		['EACCES', { rename: () => Promise.reject(systemError('EACCES')) }],
	];
	for (const before of [null, 'the old file']) {
		for (const [code, disk] of disks) {
			for (const [operation, write] of writing(path)) {
				// Images are not flushed.
				if (operation === 'writePng' && code === 'EDQUOT') continue;
				rmSync(path, { force: true });
				if (before !== null) writeFileSync(path, before);
				await withDisk(disk, () => refuses(write, new RegExp(`^${operation}: '.*file.bin' cannot be written: .*${code}`), code));
				assert.equal(readdirSync(folder), before === null ? [] : ['file.bin']);
				if (before !== null) assert.is(readFileSync(path, 'utf8'), before);
			}
		}
	}
	for (const [operation, write] of logging(join(folder, 'log')))
		await withDisk(fullDisk, () => refuses(write, new RegExp(`^${operation}: .* the disk is full`), 'ENOSPC'));
	assert.is(readFileSync(join(folder, 'log'), 'utf8'), '', 'no half line is left');
});

test('the file and its folders are flushed before and after the rename', async () => {
	const done: string[] = [];
	const disk: Partial<typeof fs> = {
		open: async (path, flags, mode) => {
			const handle = await open(path, flags, mode);
			const { sync } = handle;
			const kind = flags === 'r' ? `folder ${String(path).slice(folder.length)}` : 'file';
			return Object.assign(handle, {
				sync: () => {
					done.push(kind);
					return sync.call(handle);
				},
			});
		},
		rename: (from, to) => {
			done.push('rename');
			return rename(from, to);
		},
	};
	await withDisk(disk, () => new FileStore().write(join(folder, 'a/b/file'), new Uint8Array(1)));
	assert.equal(done, ['file', 'rename', 'folder /a/b', 'folder /a', 'folder ']);
});

test('links are followed, permissions kept, and devices and pipes throw', async () => {
	const path = join(folder, 'file');
	writeFileSync(path, 'old');
	chmodSync(path, 0o602);
	symlinkSync('file', join(folder, 'link'));
	symlinkSync('link', join(folder, 'further'));
	symlinkSync('new', join(folder, 'ahead'));
	const store = new FileStore();
	await store.write(join(folder, 'further'), new Uint8Array([1]));
	await store.write(join(folder, 'ahead'), new Uint8Array([2]));
	assert.equal(readdirSync(folder).sort(), ['ahead', 'file', 'further', 'link', 'new']);
	assert.ok(lstatSync(join(folder, 'link')).isSymbolicLink() && lstatSync(join(folder, 'ahead')).isSymbolicLink());
	assert.equal([...readFileSync(path), ...readFileSync(join(folder, 'new'))], [1, 2]);
	assert.is(statSync(path).mode & 0o777, 0o602);
	for (const [, write] of existsSync('/dev/null') ? writing('/dev/null') : [])
		await refuses(write, /'\/dev\/null' cannot be written: it is a device or a pipe/);
});

test('files left by killed programs are removed, files that others still write are not', async () => {
	const leave = (pid: number, seconds: number) => {
		const name = `.wgrad-${pid}-${crypto.randomUUID()}.tmp`;
		writeFileSync(join(folder, name), 'half a f');
		utimesSync(join(folder, name), Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);
		return name;
	};
	// The first id is above the largest possible one, so no process has it.
	const [, young, alive] = [leave(99999999, 3600), leave(99999999, 60), leave(process.pid, 3600)];
	const store = new FileStore();
	await store.write(join(folder, 'file'), new Uint8Array(1));
	assert.equal(readdirSync(folder).sort(), [young, alive, 'file'].sort());
	assert.equal(await store.list(`${folder}/`), [join(folder, 'file')]);
});

test('two programs that write one file, and are killed', async () => {
	const { reads, writes, kills } = await runFor(1500, 'writers', writers);
	assert.ok(reads! > 0 && writes! > 0 && kills! >= 2, JSON.stringify({ reads, writes, kills }));
});

test.run();
