/** Readers in a browser: files, the network, dropped items, and the browser's own decoder. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	DataLoader,
	type DroppedFile,
	decodeImage,
	encodePng,
	filesFromDrop,
	parseCsv,
	readCsv,
	readIdx,
	readImageFolder,
	readText,
} from 'wgrad/data';
import { FormatError, WgradError } from '../../src/core/errors';
import { fromBase64, jpeg, pngs } from './pictures';
import { refuses } from './refuses';

const idx = Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9);

async function gzipped(bytes: Uint8Array): Promise<Uint8Array> {
	const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new CompressionStream('gzip'));
	return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fileOf(bytes: Uint8Array | string, name: string): File {
	return new File([bytes as Uint8Array<ArrayBuffer> | string], name);
}

test('files and URLs, gzipped or not', async () => {
	const zipped = await gzipped(idx);
	const url = URL.createObjectURL(new Blob([zipped as Uint8Array<ArrayBuffer>]));
	for (const source of [fileOf(idx, 'a.idx'), fileOf(zipped, 'a.idx.gz'), url, new URL(url), idx, idx.buffer as ArrayBuffer]) {
		const { data, shape } = await readIdx(source);
		assert.equal(
			[[...data], [...shape]],
			[
				[7, 8, 9],
				[1, 3],
			],
		);
	}
	assert.is(await readText(fileOf('grüezi', 'a.txt')), 'grüezi');
	assert.equal([...(await readCsv(fileOf('a,b\n1,2', 'a.csv'))).matrix().data], [1, 2]);
	assert.equal(parseCsv('a\n1').names, ['a']);
	await refuses(() => readIdx(fileOf(idx.subarray(0, 13), 'cut.idx')), /cut\.idx: parseIdx: .*truncated/, FormatError);
	await refuses(() => readIdx(fileOf(zipped.subarray(0, 20), 'cut.gz')), /cut\.gz begins like a gzip file/, FormatError);
	await refuses(() => readIdx('/there-is-no-such-file.idx'), /the server answered 404/, WgradError);
	URL.revokeObjectURL(url);
	await refuses(() => readIdx(url), /cannot be fetched/, WgradError);
});

test('images: PNG by the same code as in Node, others by the browser', async () => {
	const rgba = await decodeImage(fromBase64(pngs.rgba));
	assert.equal([...rgba.data], [10, 20, 30, 0, 40, 50, 60, 128]);
	const { data, width, height, channels } = await decodeImage(new Blob([fromBase64(jpeg) as Uint8Array<ArrayBuffer>]));
	assert.equal([width, height, channels], [24, 16, 3]);
	for (let i = 0; i < data.length; i++) {
		const [x, y] = [Math.floor(i / 3) % 24, Math.floor(i / 72)];
		assert.ok(Math.abs(data[i]! - [10 * x, 15 * y, 6 * (x + y)][i % 3]!) <= 6);
	}
	const canvas = new OffscreenCanvas(2, 1);
	const context = canvas.getContext('2d')!;
	context.fillStyle = 'rgb(255, 0, 0)';
	context.fillRect(0, 0, 2, 1);
	const webp = await decodeImage(await canvas.convertToBlob({ type: 'image/webp', quality: 1 }));
	assert.equal([webp.width, webp.height, webp.channels], [2, 1, 4]);
	assert.ok(webp.data[0]! > 240 && webp.data[1]! < 15);
	await refuses(() => decodeImage(Uint8Array.of(1, 2, 3)), /cannot read the file/, FormatError);
});

async function picture(value: number): Promise<Uint8Array> {
	return encodePng({ data: new Uint8Array(4).fill(value), width: 2, height: 2, channels: 1 });
}

/** A file as an `<input webkitdirectory>` returns it. */
async function chosen(path: string, value: number): Promise<File> {
	const file = fileOf(await picture(value), path.split('/').at(-1)!);
	Object.defineProperty(file, 'webkitRelativePath', { value: path });
	return file;
}

test('a folder that was chosen', async () => {
	const files = [await chosen('animals/dog/b.png', 20), await chosen('animals/cat/a.png', 10), fileOf('text', 'animals.txt')];
	const data = await readImageFolder(files, { channels: 1 });
	assert.equal(
		[data.classes, [...data.labels], data.paths],
		[
			['cat', 'dog'],
			[0, 1],
			['animals/cat/a.png', 'animals/dog/b.png'],
		],
	);
	for await (const [x, y] of new DataLoader(data, { batchSize: 2, device: 'cpu' })) {
		assert.equal(
			[x!.shape, [...(await y!.data())]],
			[
				[2, 1, 2, 2],
				[0, 1],
			],
		);
		assert.is((await x!.data())[4], Math.fround(20 / 255));
	}
	const bad = await readImageFolder(
		[...files, await chosen('animals/dog/c.jpg', 1)].map((file) => (file.name === 'c.jpg' ? renamed(file) : file)),
	);
	await refuses(() => bad.get(2), /animals\/dog\/c\.jpg: decodeImage/, FormatError);
	await refuses(() => readImageFolder('animals' as never), /Paths work in Node only/);
	await refuses(() => readImageFolder([]), /found no images/);
	await refuses(() => readImageFolder([fileOf('x', 'a.png')]), /a\.png is not in a class folder/);
});

/** The same path with bytes that are not an image. */
function renamed(file: File): File {
	const other = fileOf('no image', file.name);
	Object.defineProperty(other, 'webkitRelativePath', { value: file.webkitRelativePath });
	return other;
}

/** A dropped folder as a browser represents it; its entries come two at a time. */
function droppedFolder(path: string, entries: readonly object[]): object {
	return {
		isFile: false,
		isDirectory: true,
		fullPath: path,
		createReader() {
			const rest = [...entries];
			return { readEntries: (resolve: (some: readonly object[]) => void) => resolve(rest.splice(0, 2)) };
		},
	};
}

async function droppedFile(path: string, value: number): Promise<object> {
	const file = fileOf(await picture(value), path.split('/').at(-1)!);
	return { isFile: true, isDirectory: false, fullPath: path, file: (resolve: (file: File) => void) => resolve(file) };
}

test('files and folders that were dropped', async () => {
	const cats = await Promise.all([1, 2, 3, 4, 5].map((n) => droppedFile(`/animals/cat/${n}.png`, n)));
	const root = droppedFolder('/animals', [
		droppedFolder('/animals/cat', cats),
		droppedFolder('/animals/dog', [await droppedFile('/animals/dog/1.png', 9)]),
	]);
	const items = [
		{ kind: 'string', webkitGetAsEntry: () => null },
		{ kind: 'file', webkitGetAsEntry: () => root },
	];
	const pending = filesFromDrop({ items } as unknown as DataTransfer);
	// The browser forgets the items after the event.
	items.length = 0;
	const files: DroppedFile[] = await pending;
	assert.equal(files.map(({ path }) => path).sort(), [
		...[1, 2, 3, 4, 5].map((n) => `animals/cat/${n}.png`),
		'animals/dog/1.png',
	]);
	const data = await readImageFolder(files);
	assert.equal([data.length, data.classes, [...data.labels]], [6, ['cat', 'dog'], [0, 0, 0, 0, 0, 1]]);
	assert.equal((await data.get(5))[0]!.shape, [3, 2, 2]);

	const transfer = new DataTransfer();
	transfer.items.add(fileOf('hello', 'a.txt'));
	transfer.items.add('text', 'text/plain');
	const [only, ...others] = await filesFromDrop(transfer);
	assert.equal([only!.path, await readText(only!.file), others.length], ['a.txt', 'hello', 0]);
});

test.run();
