/** Files made to break readers: huge sizes, decompression bombs, contradictory parts and random damage. */
import { deflateSync, gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeImage, encodePng, type Image, readIdx, readText } from 'wgrad/data';
import { ArgumentError, FormatError } from '../../src/core/errors';
import { stream } from '../ops/database';
import { runFor } from '../soak/campaign';
import { images } from '../soak/images';
import { tables } from '../soak/tables';
import { jpegs } from './jpegs.fixture';
import { fromBase64 } from './pictures';
import { chunk, DEPTHS, header, pngFile, randomPng } from './pngWriter';
import { refuses } from './refuses';

/** Runs `use`, which must take little memory and time. The limits allow for a busy machine; a bomb exceeds them. */
async function lightly<T>(use: () => Promise<T>, megabytes = 200): Promise<T> {
	const start = performance.now();
	const before = process.memoryUsage().rss;
	const result = await use();
	const grown = (process.memoryUsage().rss - before) / 1e6;
	assert.ok(grown < megabytes, `${grown.toFixed(0)} MB more`);
	assert.ok(performance.now() - start < 20_000, 'it takes long');
	return result;
}

const [whole] = Object.values(jpegs).map(({ file }) => fromBase64(file));

/** The position of a marker in a JPEG file. */
function markerAt(file: Uint8Array, marker: number): number {
	return file.findIndex((byte, i) => byte === 0xff && file[i + 1] === marker);
}

/** A JPEG file that claims another size. */
function resizedJpeg(width: number, height: number, file = whole!): Uint8Array {
	const bytes = file.slice();
	const at = markerAt(file, 0xc0) < 0 ? markerAt(file, 0xc2) : markerAt(file, 0xc0);
	new DataView(bytes.buffer).setUint32(at + 5, height * 65536 + width);
	return bytes;
}

test('a palette that a truecolour file suggests leaves its colours as they are', async () => {
	const random = stream('palette');
	for (const type of [2, 6]) {
		for (const depth of DEPTHS[type]!) {
			const { file, pixels, channels } = randomPng(random, { width: 5, height: 3, type, depth, suggested: true });
			const image = await decodeImage(file);
			assert.is(image.channels, channels);
			assert.equal([...image.data], pixels);
		}
	}
});

test('depths and kinds that PNG does not have throw', async () => {
	const rows = chunk('IDAT', deflateSync(new Uint8Array(100)));
	const palette = chunk('PLTE', new Uint8Array(6));
	for (let type = 0; type < 8; type++) {
		for (let depth = 0; depth < 40; depth++) {
			const file = pngFile(header({ width: 2, height: 2, type, depth }), ...(type === 3 ? [palette] : []), rows);
			if (DEPTHS[type]?.includes(depth)) assert.is((await decodeImage(file)).width, 2);
			else await refuses(() => decodeImage(file), /the PNG file is damaged: .*colour type/, FormatError);
		}
	}
});

test('PNG files with missing, misplaced or contradictory parts throw', async () => {
	const grey = { width: 2, height: 2, type: 0, depth: 8 };
	const indexed = { ...grey, type: 3 };
	const rows = deflateSync(Uint8Array.of(0, 1, 2, 0, 3, 4));
	const data = chunk('IDAT', rows);
	const palette = chunk('PLTE', new Uint8Array(15));
	assert.equal([...(await decodeImage(pngFile(header(grey), data))).data], [1, 2, 3, 4]);
	assert.equal([...(await decodeImage(pngFile(header(grey), chunk('IDAT'), data, chunk('IDAT')))).data], [1, 2, 3, 4]);
	// Some writers leave a few bytes behind the last row.
	const longer = pngFile(header(grey), chunk('IDAT', deflateSync(Uint8Array.of(0, 1, 2, 0, 3, 4, 0))));
	assert.equal([...(await decodeImage(longer)).data], [1, 2, 3, 4]);
	const cases: readonly (readonly [RegExp, readonly Uint8Array[]])[] = [
		[/IHDR must be its first chunk/, [data]],
		[/IHDR must be its first chunk and occur once/, [header(grey), header(grey), data]],
		[/IHDR has a wrong length/, [chunk('IHDR', new Uint8Array(12)), data]],
		[/0 x 2 pixels/, [header({ ...grey, width: 0 }), data]],
		[/no palette/, [header(indexed), data]],
		[/the PNG file is damaged/, [header(indexed), chunk('PLTE', new Uint8Array(4)), data]],
		[/the PNG file is damaged/, [header(indexed), chunk('PLTE', new Uint8Array(12)), data]],
		[/the PNG file is damaged/, [header(indexed), palette, chunk('tRNS', new Uint8Array(6)), data]],
		[/ends before its last row/, [header(grey)]],
		[/ends before its last row/, [header(grey), chunk('IDAT', deflateSync(Uint8Array.of(0, 1, 2, 0, 3)))]],
		[/the PNG file is damaged/, [header(grey), chunk('IDAT', deflateSync(Uint8Array.of(5, 1, 2, 0, 3, 4)))]],
		[/the PNG file is damaged/, [header(grey), chunk('IDAT', rows.subarray(0, -1))]],
		[/the PNG file is damaged/, [header(grey), chunk('IDAT', Uint8Array.of(1, 2, 3))]],
	];
	for (const [message, chunks] of cases) await refuses(() => decodeImage(pngFile(...chunks)), message, FormatError);
	const file = pngFile(header(grey), data);
	for (let length = 8; length < file.length; length++) {
		await refuses(() => decodeImage(file.subarray(0, length)), /the PNG file is damaged/, FormatError);
	}
});

test('images of more pixels than maxPixels throw before they take memory', async () => {
	const png = pngFile(
		header({ width: 20_000, height: 20_000, type: 6, depth: 16 }),
		chunk('IDAT', deflateSync(Buffer.alloc(1e6))),
	);
	const jpeg = resizedJpeg(9999, 9999);
	await lightly(async () => {
		await refuses(() => decodeImage(png), /20000 x 20000 pixels, more than 67108864.*maxPixels: 400000000/, FormatError);
		await refuses(() => decodeImage(jpeg), /9999 x 9999 pixels, more than 67108864/, FormatError);
		// A file too short for its claimed pixels throws under any limit.
		await refuses(() => decodeImage(png, { maxPixels: 1e12 }), /ends before its last row/, FormatError);
		await refuses(() => decodeImage(jpeg, { maxPixels: 1e12 }), /bytes are too few for 9999 x 9999 pixels/, FormatError);
		const long = pngFile(
			header({ width: 1, height: 2_000_000, type: 0, depth: 1 }),
			chunk('IDAT', deflateSync(Buffer.alloc(4e6))),
		);
		await refuses(() => decodeImage(long), /1 x 2000000 pixels; no side may have more than 1000000/, FormatError);
	});
	const small = await encodePng({ data: new Uint8Array(12), width: 4, height: 3, channels: 1 });
	assert.is((await decodeImage(small, { maxPixels: 12 })).width, 4);
	await refuses(() => decodeImage(small, { maxPixels: 11 }), /4 x 3 pixels, more than 11/, FormatError);
	assert.is((await decodeImage(whole!, { maxPixels: 21 * 18 })).width, 21);
	await refuses(() => decodeImage(whole!, { maxPixels: 21 * 18 - 1 }), /21 x 18 pixels, more than 377/, FormatError);
	for (const maxPixels of [0, -1, Number.NaN, '5' as never, null as never]) {
		await refuses(() => decodeImage(small, { maxPixels }), /maxPixels must be a number of at least 1/, ArgumentError);
	}
});

test('data beside or behind the pixels of a PNG file is not unpacked', async () => {
	const bomb = deflateSync(Buffer.alloc(5e7));
	const named = Buffer.concat([Buffer.from('name\0\0'), bomb]);
	const kind = { width: 3, height: 2, type: 2, depth: 8 } as const;
	for (const name of ['iCCP', 'zTXt', 'iTXt']) {
		const { file, pixels } = randomPng(stream(name), { ...kind, extra: [[name, named]] });
		assert.equal([...(await lightly(() => decodeImage(file), 40)).data], pixels);
	}
	const file = pngFile(header({ width: 2, height: 1, type: 0, depth: 8 }), chunk('IDAT', bomb));
	await refuses(() => lightly(() => decodeImage(file), 40), /holds far more than its rows/, FormatError);
});

test('scaling a long image takes no more memory than a short one', async () => {
	const image: Image = { data: new Uint8Array(1e6).fill(7), width: 1, height: 1e6, channels: 1 };
	const png = await encodePng(image);
	const scaled = await lightly(() => decodeImage(png, { size: [100, 2] }));
	assert.ok(scaled.data.every((value) => value === 7));
});

test('JPEG files with too many scans, or truncated', async () => {
	const progressive = fromBase64(jpegs.progressive!.file);
	// Repeats the first scan, which ends with the tables of the second.
	const first = markerAt(progressive, 0xda);
	const scan = progressive.slice(first, first + markerAt(progressive.subarray(first), 0xc4));
	const repeated = (times: number) =>
		new Uint8Array([
			...progressive.subarray(0, first),
			...Array(times)
				.fill([...scan])
				.flat(),
			0xff,
			0xd9,
		]);
	assert.is((await decodeImage(repeated(100))).width, 21);
	await refuses(() => decodeImage(repeated(101)), /101 scans, more than 100/, FormatError);
	for (const { file } of Object.values(jpegs)) {
		const bytes = fromBase64(file);
		const cut = bytes.subarray(0, markerAt(bytes, 0xda) + 20);
		await refuses(() => decodeImage(cut), /the JPEG file is damaged/, FormatError);
	}
	await refuses(() => decodeImage(resizedJpeg(0, 5)), /the JPEG file is damaged/, FormatError);
});

test('a gzip file that unpacks to far more than its size throws', async () => {
	const zeros = Buffer.alloc(7e7);
	const bomb = gzipSync(Buffer.concat([Buffer.from([0, 0, 8, 1, 8, 0, 0, 0]), zeros.subarray(8)]));
	// The last bytes claim the size; a false claim makes no difference.
	const liar = bomb.slice();
	liar.writeUInt32LE(5, liar.length - 4);
	for (const bytes of [bomb, liar, Buffer.concat([gzipSync('a'), bomb])]) {
		const message = /the bytes has \d+ bytes and unpacks to more than 67108864. If you trust it, unpack it with gunzip first/;
		await refuses(() => lightly(() => readIdx(new Uint8Array(bytes))), message, FormatError);
	}
	const modest = gzipSync(zeros.subarray(0, 1e6).fill('a'));
	assert.is((await readText(new Uint8Array(modest))).length, 1e6);
	assert.is(await readText(new Uint8Array(Buffer.concat([gzipSync('ab'), gzipSync('c')]))), 'abc');
});

test('random PNG and JPEG files, intact and damaged', async () => {
	const counts = await runFor(3000, 'images', images);
	for (const count of Object.values(counts)) assert.ok(count > 0, JSON.stringify(counts));
});

test('random CSV, IDX, CIFAR and gzip files, intact and damaged', async () => {
	const counts = await runFor(2000, 'tables', tables);
	for (const count of Object.values(counts)) assert.ok(count > 0, JSON.stringify(counts));
});

test.run();
