/** Images: decoding, scaling, folders of them, and grids of samples. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { decode } from 'fast-png';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FileError, tensor } from 'wgrad';
import { DataLoader, decodeImage, encodePng, type Image, imageGrid, imageTensor, readImageFolder, writePng } from 'wgrad/data';
import { FormatError, ShapeError } from '../../src/core/errors';
import { jpegs, size } from './jpegs.fixture';
import { fromBase64, jpeg, pngs, random } from './pictures';
import { refuses } from './refuses';

let folder: string;
test.before(() => {
	folder = mkdtempSync(join(tmpdir(), 'wgrad-images-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

function values({ data, channels, height, width }: Image): [number[], number[]] {
	return [[height, width, channels], [...data]];
}

test('PNG files of all kinds', async () => {
	const read = async (name: keyof typeof pngs, channels?: 1 | 3 | 4) =>
		values(await decodeImage(fromBase64(pngs[name]), channels === undefined ? {} : { channels }));
	assert.equal(await read('bit'), [
		[3, 5, 1],
		[0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0],
	]);
	const [red, green, dark] = [
		[255, 0, 0],
		[0, 255, 0],
		[10, 20, 30],
	];
	assert.equal(await read('palette'), [[2, 3, 3], [red, green, dark, dark, green, red].flat() as number[]]);
	assert.equal(await read('sixteen'), [
		[2, 3, 1],
		[0, 255, 100, 0, 1, 128],
	]);
	assert.equal(await read('greyAlpha'), [
		[1, 2, 2],
		[10, 255, 20, 0],
	]);
	assert.equal(await read('greyAlpha', 4), [
		[1, 2, 4],
		[10, 10, 10, 255, 20, 20, 20, 0],
	]);
	assert.equal(await read('greyAlpha', 1), [
		[1, 2, 1],
		[10, 20],
	]);
	assert.equal(await read('rgba'), [
		[1, 2, 4],
		[10, 20, 30, 0, 40, 50, 60, 128],
	]);
	assert.equal(await read('rgba', 3), [
		[1, 2, 3],
		[10, 20, 30, 40, 50, 60],
	]);
	assert.equal((await read('sixteen', 3))[1].slice(0, 6), [0, 0, 0, 255, 255, 255]);
});

test('JPEG files', async () => {
	const { data, width, height, channels } = await decodeImage(new Blob([fromBase64(jpeg) as Uint8Array<ArrayBuffer>]));
	assert.equal([width, height, channels], [24, 16, 3]);
	for (let y = 0; y < 16; y++) {
		for (let x = 0; x < 24; x++) {
			[10 * x, 15 * y, 6 * (x + y)].forEach((value, c) => {
				const found = data[(y * 24 + x) * 3 + c]!;
				assert.ok(Math.abs(found - value) <= 4, `${found} at ${x}, ${y}, ${c}, not ${value}`);
			});
		}
	}
	assert.is((await decodeImage(fromBase64(jpeg), { channels: 1 })).data.length, 24 * 16);
});

test('JPEG files of all kinds against libjpeg', async () => {
	// The decoder repeats half-size chroma, where libjpeg interpolates.
	const repeated = [
		'half across',
		'half down',
		'half both ways',
		'two kinds of chroma',
		'restarts',
		'progressive',
		'a scan for each channel',
	];
	for (const [name, { file, pixels }] of Object.entries(jpegs)) {
		if (name === 'progressive with restarts') continue; // jpeg-js throws
		const { data, width, height, channels } = await decodeImage(fromBase64(file));
		assert.equal([width, height, channels], [...size, 3], name);
		const differences = Array.from(fromBase64(pixels), (value, i) => Math.abs(value - data[i]!));
		if (repeated.includes(name)) assert.ok(differences.reduce((a, b) => a + b) / data.length < 10, name);
		else assert.ok(Math.max(...differences) <= 2, name);
	}
	await refuses(() => decodeImage(fromBase64(jpegs['progressive with restarts']!.file)), /the JPEG file is damaged/, FormatError);
});

test('sizes, greys and fits', async () => {
	const source = await encodePng({ data: fromBase64(random.pixels), width: 7, height: 5, channels: 3 });
	const grey = await decodeImage(source, { channels: 1 });
	for (const [i, value] of fromBase64(random.grey).entries()) assert.ok(Math.abs(grey.data[i]! - value) <= 1);
	for (const [height, width, expected] of random.scaled) {
		const scaled = await decodeImage(source, { size: [height, width] });
		assert.equal([scaled.height, scaled.width], [height, width]);
		// Pillow rounds in between, so some values differ by 1.
		for (const [i, value] of fromBase64(expected).entries())
			assert.ok(Math.abs(scaled.data[i]! - value) <= 1, `${scaled.data[i]} at ${i}, not ${value}`);
	}
	// A wide image with a white middle third: 'cover' sees only that, 'fill' sees all of it.
	const wide = await encodePng({
		data: Uint8Array.from({ length: 36 }, (_, i) => (i % 12 >= 4 && i % 12 < 8 ? 255 : 0)),
		width: 12,
		height: 3,
		channels: 1,
	});
	assert.equal(
		[...(await decodeImage(wide, { size: 3, fit: 'cover' })).data.subarray(0, 3)].every((value) => value > 200),
		true,
	);
	assert.ok((await decodeImage(wide, { size: 3 })).data[0]! < 64);
	await refuses(
		() => decodeImage(source, { size: [0, 3] }),
		/size must be \[height, width\] or one whole number, of at least 1, not \[0, 3\]/,
	);
	await refuses(() => decodeImage(source, { channels: 2 as 1 }), /channels must be 1 \(grey\).*, not 2/);
	await refuses(() => decodeImage(source, { fit: 'contain' as 'fill' }), /fit must be 'fill' or 'cover', not 'contain'/);
	await refuses(() => decodeImage('x' as never), /must be a Uint8Array or a Blob, not 'x'/);
});

test('damaged files', async () => {
	const png = fromBase64(pngs.palette);
	await refuses(() => decodeImage(png.subarray(0, 60)), /the PNG file is damaged/, FormatError);
	const flipped = png.slice();
	flipped[50]! ^= 1;
	await refuses(() => decodeImage(flipped), /the PNG file is damaged/, FormatError);
	await refuses(() => decodeImage(fromBase64(jpeg).subarray(0, 300)), /the JPEG file is damaged/, FormatError);
	const interlaced = fromBase64(pngs.bit);
	interlaced[28] = 1;
	await refuses(() => decodeImage(interlaced), /the PNG file is damaged/, FormatError);
	await refuses(() => decodeImage(png, { width: 3 } as never), /decodeImage: there is no option 'width'/);
	await refuses(() => decodeImage(Uint8Array.of(1, 2, 3)), /neither PNG nor JPEG/, FormatError);
});

test('encodePng writes what decodeImage reads', async () => {
	for (const channels of [1, 2, 3, 4]) {
		const image = { data: Uint8Array.from({ length: 15 * channels }, (_, i) => (37 * i) % 256), width: 5, height: 3, channels };
		assert.equal(values(await decodeImage(await encodePng(image))), values(image));
	}
	const image = { data: new Uint8Array(5), width: 2, height: 2, channels: 1 };
	await refuses(() => encodePng(image), /needs a Uint8Array of 4 values/);
	await refuses(
		() => encodePng({ ...image, width: 1, height: 1, channels: 5 }),
		/PNG does not support 1 x 1 pixels with 5 channels/,
	);
});

test('imageGrid', async () => {
	const one = await imageGrid(tensor([[[0, 1]], [[0.5, 2]], [[-1, 0.25]]]), { columns: 2, padding: 1, background: 7 });
	assert.equal([one.width, one.height, one.channels], [7, 5, 1]);
	assert.equal(
		Array.from({ length: 5 }, (_, y) => [...one.data.subarray(7 * y, 7 * y + 7)]),
		[
			[7, 7, 7, 7, 7, 7, 7],
			[7, 0, 255, 7, 128, 255, 7],
			[7, 7, 7, 7, 7, 7, 7],
			[7, 0, 64, 7, 7, 7, 7],
			[7, 7, 7, 7, 7, 7, 7],
		],
	);
	const colours = await imageGrid(tensor([[[[-1]], [[0]], [[1]]]]), { padding: 0, range: [-1, 1] });
	assert.equal(values(colours), [
		[1, 1, 3],
		[0, 128, 255],
	]);
	const path = join(folder, 'grid.png');
	await writePng(path, one);
	assert.equal([...decode(readFileSync(path)).data], [...one.data]);
	await refuses(() => imageGrid(tensor([1, 2])), /takes images \[N, C, H, W\].*not \[2\]/, ShapeError);
	await refuses(() => imageGrid(tensor([[[[1]], [[1]]]])), /not \[1, 2, 1, 1\]/, ShapeError);
	await refuses(() => imageGrid(tensor([[[1]]]), { columns: 0 }), /columns must be a whole number of at least 1, not 0/);
	await refuses(() => imageGrid(tensor([[[1]]]), { padding: -1 }), /padding must be a whole number of at least 0, not -1/);
	await refuses(() => imageGrid(tensor([[[1]]]), { range: [1, 1] }), /range \[1, 1\]/);
});

test('imageTensor', async () => {
	const x = imageTensor({ data: Uint8Array.of(0, 51, 255, 102, 0, 0), width: 2, height: 1, channels: 3 });
	assert.equal(x.shape, [3, 1, 2]);
	const expected = [0, 0.4, 0.2, 0, 1, 0].map(Math.fround);
	assert.equal(Array.from(await x.data()), expected);
});

async function writeImages(root: string): Promise<void> {
	for (const [name, value, size] of [
		['cat/a.png', 10, 2],
		['cat/deep/b.PNG', 20, 2],
		['dog/c.png', 30, 4],
	] as const) {
		mkdirSync(join(root, name, '..'), { recursive: true });
		const data = new Uint8Array(size * size).fill(value);
		writeFileSync(join(root, name), await encodePng({ data, width: size, height: size, channels: 1 }));
	}
	for (const name of ['cat/notes.txt', 'cat/._a.png', 'labels.csv']) writeFileSync(join(root, name), 'no image');
}

test('a folder of images by class', async () => {
	const root = join(folder, 'animals');
	await writeImages(root);
	const data = await readImageFolder(root, { size: 3, channels: 3 });
	assert.equal([data.length, data.classes, [...data.labels]], [3, ['cat', 'dog'], [0, 0, 1]]);
	assert.match(data.paths[1]!, /animals\/cat\/deep\/b\.PNG$/);
	assert.equal((await readImageFolder(pathToFileURL(root))).paths, data.paths);
	const chosen = await Promise.all(
		data.paths.slice(1).map(async (path) => ({ path, file: new File([readFileSync(path)], 'x.png') })),
	);
	assert.equal((await readImageFolder(chosen.map(({ path, file }) => ({ path: path.slice(root.length + 1), file })))).classes, [
		'cat',
		'dog',
	]);
	const [image, label] = await data.get(1);
	assert.equal([image!.shape, label!.shape, await label!.item()], [[3, 3, 3], [], 0]);
	assert.is((await image!.data())[26], Math.fround(20 / 255));
	for await (const [x, y] of new DataLoader(data, { batchSize: 3 })) {
		assert.equal(
			[x!.shape, Array.from(await y!.data())],
			[
				[3, 3, 3, 3],
				[0, 0, 1],
			],
		);
		assert.is((await x!.data())[54], Math.fround(30 / 255));
	}
	await refuses(
		async () => (await readImageFolder(root)).batch([0, 2]),
		/a\.png has size \[2, 2\], .*c\.png has \[4, 4\].*Pass size/,
		ShapeError,
	);
	await refuses(() => readImageFolder(join(root, 'none')), /ENOENT/, FileError);
	await refuses(() => readImageFolder(join(root, 'cat', 'deep')), /b\.PNG is not in a class folder/);
	await refuses(() => readImageFolder(root, { size: -1 }), /readImageFolder: size must be .* not -1/);
	mkdirSync(join(folder, 'empty'));
	await refuses(() => readImageFolder(join(folder, 'empty')), /found no images/);
	await refuses(() => data.get(3), /ImageFolder: index 3 is out of range/);
});

test('an undecodable file is named, also through a loader; with cache, files are read once', async () => {
	const root = join(folder, 'broken');
	await writeImages(root);
	writeFileSync(join(root, 'dog/d.jpg'), fromBase64(jpeg).subarray(0, 200));
	const data = await readImageFolder(root, { size: 2, cache: true });
	const loader = new DataLoader(data, { batchSize: 2 });
	await refuses(
		async () => {
			for await (const fields of loader) for (const field of fields) field.dispose();
		},
		/dog\/d\.jpg: decodeImage: the JPEG file is damaged/,
		FormatError,
	);
	rmSync(join(root, 'cat'), { recursive: true });
	assert.equal((await data.batch([0, 1]))[0]!.shape, [2, 3, 2, 2]);
	writeFileSync(join(root, 'dog/d.jpg'), fromBase64(jpeg));
	assert.equal((await data.get(3))[0]!.shape, [3, 2, 2]);
	const uncached = await readImageFolder(root, { size: 2 });
	await uncached.get(0);
	rmSync(join(root, 'dog'), { recursive: true });
	await refuses(() => uncached.get(0), /ENOENT/, FileError);
});

test.run();
