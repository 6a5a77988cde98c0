/**
 * Randomly changed safetensors files: each throws a FormatError or gives the values of its bytes, as a second, plain
 * reader sees them. Changes of the JSON that do not change its meaning are accepted.
 */
import * as assert from 'uvu/assert';
import { FormatError } from 'wgrad';
import { numbersOf } from '../../src/core/halves';
import { decodeSafetensors } from '../../src/io/safetensors';
import { below, type Counts, pick, type Random } from './campaign';

interface Item {
	readonly name: string;
	readonly dtype: string;
	readonly shape: readonly number[];
	readonly data_offsets: readonly [number, number];
}

type Getter = (view: DataView, at: number) => number;

/** The bytes of an element and how to read it, by dtype. */
const READ: Readonly<Record<string, readonly [bytes: number, get: Getter]>> = {
	BOOL: [1, (view, at) => view.getUint8(at)],
	U8: [1, (view, at) => view.getUint8(at)],
	I8: [1, (view, at) => view.getInt8(at)],
	U16: [2, (view, at) => view.getUint16(at, true)],
	I16: [2, (view, at) => view.getInt16(at, true)],
	F16: [2, (view, at) => numbersOf('float16', new Uint16Array([view.getUint16(at, true)]))[0]!],
	BF16: [2, (view, at) => new Float32Array(new Uint32Array([view.getUint16(at, true) << 16]).buffer)[0]!],
	U32: [4, (view, at) => view.getUint32(at, true)],
	I32: [4, (view, at) => view.getInt32(at, true)],
	F32: [4, (view, at) => view.getFloat32(at, true)],
	F64: [8, (view, at) => view.getFloat64(at, true)],
	I64: [8, (view, at) => Number(view.getBigInt64(at, true))],
	U64: [8, (view, at) => Number(view.getBigUint64(at, true))],
};

const DTYPES = Object.keys(READ);
const NAMES = [
	'weight',
	'../../etc/passwd',
	'/tmp/x',
	'layer.0.bias',
	'é',
	'中.文',
	'"quoted"',
	'back\\slash',
	'new\nline',
	'\u{1f600}',
	'constructor',
	'0',
	'10',
	'',
];

/** The items of a random file, in the order of their data, and the data. */
function randomFile(random: Random): { items: Item[]; data: Uint8Array } {
	const items: Item[] = [];
	let size = 0;
	for (const name of NAMES.filter(() => random() < 0.3)) {
		const dtype = pick(random, DTYPES);
		const shape = Array.from({ length: below(random, 4) }, () => below(random, 4));
		const bytes = shape.reduce((a, b) => a * b, READ[dtype]![0]);
		items.push({ name, dtype, shape, data_offsets: [size, size + bytes] });
		size += bytes;
	}
	const data = Uint8Array.from({ length: size }, () => below(random, 256));
	for (const { dtype, data_offsets: offsets } of items) {
		for (let at = offsets[0]; at < offsets[1]; at++) {
			if (dtype === 'BOOL') data[at]! &= 1;
			// Integers within int32.
			const [width] = READ[dtype]!;
			const place = (at - offsets[0]) % width;
			if (/^[IU]64$/.test(dtype) && place > 3) data[at] = 0;
			if (/^(U32|[IU]64)$/.test(dtype) && place === 3) data[at]! &= 127;
		}
	}
	return { items, data };
}

function bytesOf(header: string | Uint8Array, data: Uint8Array, length?: bigint): Uint8Array {
	const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
	const bytes = new Uint8Array(8 + text.length + data.length);
	new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
	bytes.set(text, 8);
	bytes.set(data, 8 + text.length);
	return bytes;
}

function json(items: readonly Item[]): string {
	return `{${items.map(({ name, ...item }) => `${JSON.stringify(name)}:${JSON.stringify(item)}`).join(',')}}`;
}

/**
 * Throws unless the decoded tensors equal a plain reading of the bytes. JSON.parse must see the same in a header that decodes.
 */
function assertSame(bytes: Uint8Array): void {
	const { tensors } = decodeSafetensors(bytes);
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const start = 8 + Number(view.getBigUint64(0, true));
	const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start))) as Record<string, Omit<Item, 'name'>>;
	const names = Object.keys(header).filter((name) => name !== '__metadata__');
	assert.equal(tensors.map(({ name }) => name).sort(), names.sort());
	let covered = 0;
	for (const { name, dtype, shape, data } of tensors) {
		const item = header[name]!;
		const [width, get] = READ[item.dtype]!;
		const [begin, end] = item.data_offsets;
		assert.equal([...shape], item.shape);
		assert.is(begin, covered);
		assert.is(end - begin, item.shape.reduce((a, b) => a * b, 1) * width);
		covered = end;
		const values = numbersOf(dtype, data);
		assert.is(values.length, (end - begin) / width);
		values.forEach((value, i) => {
			assert.ok(Object.is(value, get(view, start + begin + i * width)), `${name}[${i}] of ${item.dtype} is ${value}`);
		});
	}
	assert.is(start + covered, bytes.length);
}

/** Writes equivalent JSON: different space, escapes and order. */
function reworded(random: Random, items: readonly Item[]): string {
	const space = () => (random() < 0.2 ? pick(random, [' ', '\n', '\t', '\r', '  ']) : '');
	const text = (value: string) => {
		const escaped = [...value].map((char) =>
			random() < 0.3
				? [...Array(char.length)].map((_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')
				: JSON.stringify(char).slice(1, -1),
		);
		return `"${escaped.join('')}"`;
	};
	const list = (numbers: readonly number[]) => `[${space()}${numbers.join(`${space()},${space()}`)}${space()}]`;
	const shuffled = <T>(values: readonly T[]) => [...values].sort(() => random() - 0.5);
	const object = (entries: readonly (readonly [string, string])[]) =>
		`{${space()}${shuffled(entries)
			.map(([key, value]) => `${text(key)}${space()}:${space()}${value}`)
			.join(`${space()},${space()}`)}${space()}}`;
	const entries = items.map(
		({ name, dtype, shape, data_offsets: offsets }) =>
			[
				name,
				object([
					['dtype', text(dtype)],
					['shape', list(shape)],
					['data_offsets', list(offsets)],
				]),
			] as const,
	);
	return `${object([...entries, ['__metadata__', object([['format', text('pt')]])]])}${' '.repeat(below(random, 9))}`;
}

const TOKENS = [
	'0',
	'1',
	'2',
	'4',
	'-1',
	'1.0',
	'1e3',
	'4294967296',
	'9007199254740993',
	'18446744073709551616',
	'null',
	'true',
	'""',
	'[]',
	'{}',
	'"F32"',
	'"F8_E4M3"',
	',',
	':',
	'"',
	'\\',
	'\\ud800',
	'[',
	']',
	'{',
	'}',
	'__proto__',
	'\u0000',
];

/** A header with tokens swapped, doubled, removed and inserted. */
function garbled(random: Random, header: string): string {
	const tokens = header.match(/"(?:[^"\\]|\\.)*"|-?\d+|./gs) ?? [];
	for (let times = 1 + below(random, 3); times > 0; times--) {
		const at = below(random, tokens.length);
		const other = random() < 0.5 ? pick(random, TOKENS) : (tokens[below(random, tokens.length)] ?? '');
		tokens.splice(at, below(random, 2), ...(random() < 0.8 ? [other] : []));
	}
	return tokens.join('');
}

export async function changedSafetensors(random: Random, deadline: number): Promise<Counts> {
	const counts = { tried: 0, refused: 0, reworded: 0 };
	for (let first = true; first || performance.now() < deadline; first = false) {
		for (let round = 0; round < 20; round++) {
			const { items, data } = randomFile(random);
			const header = json(items);
			assertSame(bytesOf(header, data));
			assertSame(bytesOf(reworded(random, items), data));
			counts.reworded++;
			const flipped = bytesOf(header, data);
			for (let times = 1 + below(random, 3); times > 0; times--)
				flipped[below(random, 8 + header.length)]! ^= 1 << below(random, 8);
			const shorter = below(random, data.length + 1);
			const others = [
				bytesOf(garbled(random, header), data),
				bytesOf(garbled(random, reworded(random, items)), data),
				flipped,
				bytesOf(header, data).subarray(0, below(random, 8 + header.length + data.length)),
				bytesOf(header, data.subarray(0, shorter)),
				bytesOf(header, data, BigInt(below(random, 2 * header.length))),
				bytesOf(json(items.map((item) => ({ ...item, dtype: random() < 0.8 ? item.dtype : pick(random, DTYPES) }))), data),
			];
			for (const bytes of others) {
				counts.tried++;
				try {
					assertSame(bytes);
				} catch (error) {
					if (!(error instanceof FormatError))
						throw new Error(`${JSON.stringify(new TextDecoder('latin1').decode(bytes))}: ${(error as Error).stack}`, {
							cause: error,
						});
					counts.refused++;
				}
			}
		}
		// A turn of the event loop.
		await new Promise((resolve) => setTimeout(resolve));
	}
	return counts;
}
