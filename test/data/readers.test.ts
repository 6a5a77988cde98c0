/** Readers of IDX, CIFAR, CSV and text, with intact and damaged files made by the test. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FileError, tensor } from 'wgrad';
import {
	ArrayDataset,
	CharVocabulary,
	DataLoader,
	parseCifar10,
	parseCifar100,
	parseCsv,
	parseIdx,
	RandomSampler,
	readCifar10,
	readCifar100,
	readCsv,
	readIdx,
	readText,
	splitTokens,
	TokenWindows,
} from 'wgrad/data';
import { FormatError, WgradError } from '../../src/core/errors';
import { refuses } from './refuses';

let folder: string;
test.before(() => {
	folder = mkdtempSync(join(tmpdir(), 'wgrad-readers-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, bytes: Uint8Array | string): string {
	const path = join(folder, name);
	writeFileSync(path, bytes);
	return path;
}

/** An IDX file: its type, its sizes, and its elements as `write` writes them. */
function idx(
	type: number,
	shape: readonly number[],
	width: number,
	write: (view: DataView, at: number, i: number) => void,
): Uint8Array {
	const count = shape.reduce((a, b) => a * b, 1);
	const bytes = new Uint8Array(4 + 4 * shape.length + count * width);
	const view = new DataView(bytes.buffer);
	view.setUint16(2, (type << 8) | shape.length);
	for (const [dim, size] of shape.entries()) view.setUint32(4 + 4 * dim, size);
	for (let i = 0; i < count; i++) write(view, 4 + 4 * shape.length + i * width, i);
	return bytes;
}

const pixels = idx(8, [2, 2, 3], 1, (view, at, i) => view.setUint8(at, 20 * i));

test('parseIdx reads all types, big-endian', () => {
	const bytes = parseIdx(pixels);
	assert.equal(bytes.shape, [2, 2, 3]);
	assert.equal(
		bytes.data,
		Uint8Array.from({ length: 12 }, (_, i) => 20 * i),
	);
	const values = [-3, 0, 100];
	const cases = [
		[9, 1, Int8Array, (view: DataView, at: number, i: number) => view.setInt8(at, values[i]!)],
		[11, 2, Int16Array, (view: DataView, at: number, i: number) => view.setInt16(at, values[i]!)],
		[12, 4, Int32Array, (view: DataView, at: number, i: number) => view.setInt32(at, values[i]!)],
		[13, 4, Float32Array, (view: DataView, at: number, i: number) => view.setFloat32(at, values[i]!)],
		[14, 8, Float64Array, (view: DataView, at: number, i: number) => view.setFloat64(at, values[i]!)],
	] as const;
	for (const [type, width, array, write] of cases) {
		const { data, shape } = parseIdx(idx(type, [3], width, write));
		assert.instance(data, array);
		assert.equal([Array.from(data), shape], [values, [3]]);
	}
	// A view into a larger buffer, as Node's readFile returns.
	const shifted = new Uint8Array(pixels.length + 3);
	shifted.set(pixels, 3);
	assert.equal(parseIdx(shifted.subarray(3)).data, bytes.data);
});

test('parseIdx rejects other and damaged files', async () => {
	await refuses(() => parseIdx(Uint8Array.of(0x1f, 0x8b, 8, 0, 0)), /begins with '1f 8b 08 00' is not an IDX file/, FormatError);
	await refuses(() => parseIdx(Uint8Array.of(0, 0, 7, 1, 0, 0, 0, 0)), /is not an IDX file/, FormatError);
	await refuses(() => parseIdx(new Uint8Array(0)), /is not an IDX file/, FormatError);
	await refuses(() => parseIdx(pixels.subarray(0, 9)), /ends within its header: 9 of 16 bytes/, FormatError);
	await refuses(() => parseIdx(pixels.subarray(0, 20)), /shape \[2, 2, 3\] takes 28 bytes, but the file has 20/, FormatError);
	await refuses(() => parseIdx(Uint8Array.of(...pixels, 0)), /the file has 29/, FormatError);
});

test('readIdx: from a path, a URL, a Blob and bytes, gzipped or not', async () => {
	const plain = file('a.idx', pixels);
	const zipped = file('a.idx.gz', gzipSync(pixels));
	const blob = new Blob([new Uint8Array(pixels)]);
	for (const source of [
		plain,
		zipped,
		pathToFileURL(plain),
		blob,
		pixels,
		pixels.slice().buffer as ArrayBuffer,
		gzipSync(pixels),
	]) {
		const { data, shape } = await readIdx(source);
		assert.equal([Array.from(data), shape], [Array.from(parseIdx(pixels).data), [2, 2, 3]]);
	}
	const images = await readIdx(plain);
	const [x] = new ArrayDataset({ ...images, scale: 1 / 255 }).batch([1]);
	assert.equal(x!.shape, [1, 2, 3]);
	await refuses(() => readIdx(join(folder, 'none')), /none.*ENOENT/, FileError);
	await refuses(() => readIdx(file('cut.idx', pixels.subarray(0, 20))), /cut\.idx: parseIdx: .*truncated/, FormatError);
	await refuses(() => readIdx(file('cut.gz', gzipSync(pixels).subarray(0, 25))), /cut\.gz begins like a gzip file/, FormatError);
	await refuses(() => readIdx(3 as never), /readIdx: it reads a URL.*not 3/);
});

test('readIdx: over the network', async () => {
	const server: Server = createServer((request, response) => {
		response.statusCode = request.url === '/a.idx.gz' ? 200 : 404;
		response.end(request.url === '/a.idx.gz' ? gzipSync(pixels) : 'no');
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	try {
		assert.equal((await readIdx(`${base}/a.idx.gz`)).shape, [2, 2, 3]);
		assert.equal((await readIdx(new URL('/a.idx.gz', base))).shape, [2, 2, 3]);
		await refuses(() => readIdx(`${base}/b`), /readIdx: .*\/b: the server answered 404/, WgradError);
	} finally {
		server.closeAllConnections();
		await new Promise((resolve) => server.close(resolve));
	}
	await refuses(() => readIdx(`${base}/a.idx.gz`), /cannot be fetched/, WgradError);
});

/** Records of CIFAR: the label bytes, then the pixels; each record has a single pixel value. */
function cifar(...records: readonly (readonly number[])[]): Uint8Array {
	return Uint8Array.from(records.flatMap((labels, i) => [...labels, ...Array.from({ length: 3072 }, (_, k) => (i + k) % 251)]));
}

test('CIFAR-10 and CIFAR-100', async () => {
	const first = cifar([3], [9]);
	const second = cifar([0]);
	for (const { images, labels } of [
		parseCifar10(first, second),
		await readCifar10(file('1.bin', first), file('2.bin', second)),
	]) {
		assert.equal(images.shape, [3, 3, 32, 32]);
		assert.equal([...labels.data], [3, 9, 0]);
		assert.equal([...images.data.subarray(3072, 3075)], [1, 2, 3]);
		assert.equal([...images.data.subarray(6144, 6147)], [0, 1, 2]);
		const [x, y] = new ArrayDataset({ ...images, scale: 1 / 255 }, labels).batch([1, 2]);
		assert.equal([x!.shape, y!.dtype, Array.from(await y!.data())], [[2, 3, 32, 32], 'int32', [9, 0]]);
	}
	const hundred = cifar([4, 72], [19, 99]);
	assert.equal([...parseCifar100(hundred).labels.data], [72, 99]);
	assert.equal([...(await readCifar100(file('train.bin', hundred), { coarse: true })).labels.data], [4, 19]);
	assert.is(parseCifar100(hundred).images.data[3072], 1);
	await refuses(
		() => parseCifar10(first.subarray(0, 4000)),
		/4000 bytes are not a multiple of the record size 3073/,
		FormatError,
	);
	await refuses(() => parseCifar10(new Uint8Array(0)), /0 bytes/, FormatError);
	await refuses(() => parseCifar10(cifar([1], [10])), /record 1 has label 10, above 9/, FormatError);
	await refuses(() => readCifar10(file('3.bin', first.subarray(1))), /3\.bin: parseCifar10/, FormatError);
});

test('parseCsv: kinds of columns, missing values, quotes', async () => {
	const table = parseCsv(
		'age, city ,"the score"\r\n31,Bern,1e3\r\n\r\nNA,"Genève, Old ""Town""",-.5\r\n27.5,,?\r\n4,Bern,inf\r\n',
	);
	assert.is(table.length, 4);
	assert.equal(table.names, ['age', 'city', 'the score']);
	assert.equal([...table.numbers('age')], [31, Number.NaN, 27.5, 4]);
	assert.equal([...table.numbers('the score')], [1000, -0.5, Number.NaN, Number.POSITIVE_INFINITY]);
	assert.equal(table.column('city'), {
		name: 'city',
		kind: 'categorical',
		values: Int32Array.of(0, 1, -1, 0),
		categories: ['Bern', 'Genève, Old "Town"'],
	});
	assert.equal(table.strings('city'), ['Bern', 'Genève, Old "Town"', '', 'Bern']);
	const { data, shape, dtype } = table.matrix();
	assert.equal([[...data.subarray(0, 4)], shape, dtype], [[31, 1000, Number.NaN, -0.5], [4, 2], 'float32']);
	assert.equal(tensor(data, { shape, dtype }).shape, [4, 2]);
	assert.equal(new ArrayDataset(table.matrix(['the score'])).length, 4);
	await refuses(() => table.column('size'), /no column 'size'; there are 'age', 'city', 'the score'/);
	await refuses(() => table.numbers('city'), /'city' holds categories/);
	await refuses(() => table.strings('age'), /'age' holds numbers.*categorical: \['age'\]/);
});

test('parseCsv: options', async () => {
	assert.equal(parseCsv('1;2\n3;4').names, ['1', '2']);
	assert.equal([...parseCsv('1;2\n3;4', { header: false }).numbers('1')], [2, 4]);
	assert.equal([...parseCsv('1\t2\n3\t4', { header: ['a', 'b'] }).matrix(['b', 'a']).data], [2, 1, 4, 3]);
	assert.equal([...parseCsv('a|b\n1,5|2', { delimiter: '|', numeric: ['b'] }).numbers('b')], [2]);
	const chosen = parseCsv('# text\na,b,c\n1,01,x\n2,-,y', {
		comments: '#',
		columns: ['b', 'a'],
		categorical: ['a'],
		missing: ['-'],
	});
	assert.equal(chosen.names, ['b', 'a']);
	assert.equal([...chosen.numbers('b')], [1, Number.NaN]);
	assert.equal(chosen.strings('a'), ['1', '2']);
	assert.equal(parseCsv('\ufeffa\n1').names, ['a']);
	assert.equal(parseCsv('a,b').matrix().shape, [0, 2]);
	// JavaScript reads this as a number, but tables do not.
	assert.is(parseCsv('a\n0x10').column('a').kind, 'categorical');
	// Line breaks of several kinds in one text.
	for (const text of ['a,b\r\n1,2\n3,4\n', 'a,b\n1,2\r\n3,4', 'a,b\r1,2\r3,4\r', '# x\r\na,"b"\r\n1,2\n\r\n3,"4"\r\n']) {
		const { names, length, columns } = parseCsv(text, { comments: '#' });
		assert.equal(
			[names, length, columns.map(({ values }) => [...values])],
			[
				['a', 'b'],
				2,
				[
					[1, 3],
					[2, 4],
				],
			],
			JSON.stringify(text),
		);
	}
	assert.equal(parseCsv('a,b\r\n1,"two\r\nlines"\n').strings('b'), ['two\nlines']);
	await refuses(() => parseCsv('a,b\n1,2\n1'), /row 2 has 1 cells, but there are 2 columns/, FormatError);
	await refuses(() => parseCsv('a,a\n1,2'), /two columns are named 'a'/, FormatError);
	await refuses(() => parseCsv('a,b\n"1,2'), /row 1|row 2/, FormatError);
	await refuses(() => parseCsv(''), /the text is empty/, FormatError);
	await refuses(() => parseCsv('a\n1\nx', { numeric: ['a'] }), /column 'a', row 2: 'x' is not a number/, FormatError);
	await refuses(() => parseCsv('a\n1', { columns: ['b'] }), /columns: there is no column 'b'; there are 'a'/);
	await refuses(() => parseCsv('a\n1', { numeric: ['a'], categorical: ['a'] }), /cannot be both/);
	const path = file('t.csv', 'x,y\n1,2\n');
	assert.equal([...(await readCsv(path, { columns: ['y'] })).matrix().data], [2]);
	await refuses(() => readCsv(file('bad.csv', 'x,y\n1\n')), /bad\.csv: parseCsv: row 1 has 1 cells/, FormatError);
});

test('parseCsv takes time in proportion to the cells, however many columns', async () => {
	const seconds = (columns: number, rows: number) => {
		const names = Array.from({ length: columns }, (_, i) => `c${i}`);
		const row = names.map((_, i) => i % 10).join(',');
		const text = [names.join(','), ...Array.from({ length: rows }, () => row)].join('\n');
		const start = performance.now();
		const table = parseCsv(text, { columns: names, numeric: names.slice(0, -1), categorical: names.slice(-1) });
		const { shape } = table.matrix(names.slice(0, -1));
		assert.equal(shape, [rows, columns - 1]);
		return (performance.now() - start) / 1000;
	};
	seconds(1000, 4);
	const [tall, wide] = [seconds(8, 40_000), seconds(80_000, 4)];
	assert.ok(wide < 1 + 10 * tall, `${wide} s for 80,000 columns, ${tall} s for as many rows`);
	const names = Array.from({ length: 1000 }, (_, i) => `c${i}`).join(',');
	await refuses(() => parseCsv(names, { columns: ['x'] }), /there are 'c0', .*'c19' and 980 more$/);
});

test('text, vocabulary and windows', async () => {
	const text = 'héllo wörld 🙂';
	assert.is(await readText(file('a.txt', `\ufeff${text}`)), text);
	await refuses(
		() => readText(file('latin.txt', Uint8Array.of(0x68, 0xe9, 0x6c))),
		/latin\.txt: parseText: .*UTF-8/,
		FormatError,
	);
	const vocabulary = CharVocabulary.of(text);
	assert.is(vocabulary.size, 10);
	assert.is(vocabulary.characters.at(-1), '🙂');
	const tokens = vocabulary.encode(text);
	assert.is(tokens.length, 13);
	assert.is(vocabulary.decode(tokens), text);
	assert.is(new CharVocabulary(JSON.parse(JSON.stringify(vocabulary.characters))).decode(tokens), text);
	await refuses(() => vocabulary.encode('hex'), /'x' is not among the 10 characters|'e' is not among/);
	await refuses(() => vocabulary.decode([10]), /10 is not the number of a character; numbers lie between 0 and 9/);
	await refuses(() => new CharVocabulary(['a', 'a']), /'a' is not a single character, or occurs twice/);
	await refuses(() => new CharVocabulary(['ab']), /'ab' is not a single character/);

	const [train, validation] = splitTokens(tokens);
	assert.equal([train.length, validation.length, [...train, ...validation]], [11, 2, [...tokens]]);
	await refuses(() => splitTokens(tokens, { validation: 1 }), /validation must lie in \(0, 1\), not 1/);

	const windows = new TokenWindows([0, 1, 2, 3, 4, 5, 6], 3);
	assert.is(windows.length, 4);
	const [x, y] = windows.batch([3, 0]);
	assert.equal(await x!.toArray(), [
		[3, 4, 5],
		[0, 1, 2],
	]);
	assert.equal(await y!.toArray(), [
		[4, 5, 6],
		[1, 2, 3],
	]);
	assert.equal([x!.dtype, windows.get(1)[0]!.shape], ['int32', [3]]);
	const apart = new TokenWindows(Int32Array.of(0, 1, 2, 3, 4, 5, 6), 3, { stride: 3 });
	assert.equal([apart.length, await apart.get(1)[1]!.toArray()], [2, [4, 5, 6]]);
	const random = new DataLoader(windows, {
		batchSize: 4,
		sampler: new RandomSampler(windows, { replacement: true, numSamples: 8 }),
	});
	for await (const [input, target] of random)
		assert.equal(Array.from(await input!.add(1).data()), Array.from(await target!.data()));
	await refuses(() => new TokenWindows([0, 1, 2], 3), /3 tokens are too few for a window of 3/);
	await refuses(() => new TokenWindows([0, 1, 2], 0), /size must be a whole number of at least 1, not 0/);
	await refuses(() => new TokenWindows([0, 1, 2], 1, { stride: 0.5 }), /stride must be a whole number of at least 1, not 0.5/);
	await refuses(() => windows.get(4), /index 4 is out of range for 4 samples/);
});

test.run();
