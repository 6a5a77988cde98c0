/** CSV, IDX and gzip files, intact and damaged, give the right values or one of the library's errors, in bounded time and memory. */
import { gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { parseCsv, readCifar100, readCsv, readIdx } from 'wgrad/data';
import { below, type Counts, pick, type Random } from './campaign';
import { damaged, takes, until } from './damage';

export async function tables(random: Random, deadline: number): Promise<Counts> {
	const counts = { whole: 0, 'damaged, taken': 0, 'damaged, refused': 0 };
	await until(deadline, async () => {
		const { text, names, columns } = randomTable(random);
		const table = parseCsv(text);
		assert.equal(table.names, names, text);
		for (const [i, values] of columns.entries()) {
			const found = typeof values[0] === 'number' ? [...table.numbers(names[i]!)] : table.strings(names[i]!);
			assert.equal(found, values, JSON.stringify(text));
		}
		const { file, shape, values } = randomIdx(random);
		for (const bytes of [file, new Uint8Array(gzipSync(file))]) {
			const idx = await readIdx(bytes);
			assert.equal([idx.shape, Array.from(idx.data)], [shape, values]);
		}
		counts.whole++;
		const cifar = Uint8Array.from({ length: 2 * 3074 }, (_, i) => (i % 3074 < 2 ? below(random, 20) : i & 255));
		for (const [whole, read] of [
			[new TextEncoder().encode(text), (bytes: Uint8Array) => readCsv(bytes, randomOptions(random, names))],
			[file, readIdx],
			[cifar, readCifar100],
		] as const) {
			for (const bytes of [damaged(random, whole), damaged(random, gzipSync(whole))]) {
				counts[(await takes(bytes, () => read(bytes))) ? 'damaged, taken' : 'damaged, refused']++;
			}
		}
	});
	return counts;
}

const CELLS = ['a', 'b c', '"', 'x,y', 'two\nlines', "'", 'é🙂', '=1+1', '-', '1e', '0x1', 'Infinity and more'];

function randomTable(random: Random): { text: string; names: string[]; columns: (number | string)[][] } {
	const names = Array.from({ length: 1 + below(random, 5) }, (_, i) => `${pick(random, ['c', 'x y', '"', '1', ','])}${i}`);
	const rows = 1 + below(random, 6);
	const columns = names.map(() =>
		random() < 0.5
			? Array.from({ length: rows }, () => pick(random, [0, -1, 2.5, 1e300, 5e-324, Number.NaN, Number.NEGATIVE_INFINITY]))
			: Array.from({ length: rows }, () => pick(random, CELLS)),
	);
	const cell = (value: number | string) => {
		const text = Number.isNaN(value) ? pick(random, ['NA', 'nan', '?']) : String(value);
		return /[",\n]/.test(text) || random() < 0.2 ? `"${text.replaceAll('"', '""')}"` : text;
	};
	const lines = [names, ...Array.from({ length: rows }, (_, i) => columns.map((column) => column[i]!))];
	return { text: lines.map((line) => line.map(cell).join(',') + pick(random, ['\n', '\r\n'])).join(''), names, columns };
}

function randomOptions(random: Random, names: readonly string[]): object {
	return pick(random, [
		{},
		{ header: false },
		{ numeric: names.slice(0, 1) },
		{ categorical: names },
		{ comments: '#' },
		{ delimiter: ';' },
	]);
}

const TYPES = [
	[8, 1, 'setUint8', 0, 255],
	[9, 1, 'setInt8', -128, 127],
	[11, 2, 'setInt16', -32768, 32767],
	[12, 4, 'setInt32', -(2 ** 31), 2 ** 31 - 1],
	[13, 4, 'setFloat32', -1024, 1024],
	[14, 8, 'setFloat64', -1e9, 1e9],
] as const;

function randomIdx(random: Random): { file: Uint8Array; shape: number[]; values: number[] } {
	const [type, width, write, low, high] = pick(random, TYPES);
	const shape = Array.from({ length: below(random, 4) }, () => below(random, 5));
	const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => low + below(random, high - low + 1));
	const file = new Uint8Array(4 + 4 * shape.length + width * values.length);
	const view = new DataView(file.buffer);
	file.set([0, 0, type, shape.length]);
	for (const [dim, size] of shape.entries()) view.setUint32(4 + 4 * dim, size);
	for (const [i, value] of values.entries()) view[write](4 + 4 * shape.length + i * width, value);
	return { file, shape, values };
}
