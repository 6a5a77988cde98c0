/** Writes PNG files of every kind, together with their pixels. It shares no code with the decoder. */
import { deflateSync } from 'node:zlib';

export interface PngKind {
	readonly width: number;
	readonly height: number;
	/** 0 grey, 2 colours, 3 palette, 4 grey and alpha, 6 colours and alpha. */
	readonly type: number;
	readonly depth: number;
	readonly interlaced?: boolean;
	/** A transparent colour, or alphas in the palette. */
	readonly transparent?: boolean;
	/** A palette that only suggests colours. */
	readonly suggested?: boolean;
	/** Parts to write before the pixels. */
	readonly extra?: readonly (readonly [name: string, part: Uint8Array])[];
}

export const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
export const DEPTHS: Readonly<Record<number, readonly number[]>> = {
	0: [1, 2, 4, 8, 16],
	2: [8, 16],
	3: [1, 2, 4, 8],
	4: [8, 16],
	6: [8, 16],
};
const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

function crc32(bytes: Uint8Array): number {
	let crc = ~0;
	for (const byte of bytes) {
		crc ^= byte;
		for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
	}
	return ~crc >>> 0;
}

/** A part of a file, with its checksum. */
export function chunk(name: string, part: Uint8Array = new Uint8Array(0)): Buffer {
	const body = Buffer.concat([Buffer.from(name, 'latin1'), part]);
	const bytes = Buffer.alloc(body.length + 8);
	bytes.writeUInt32BE(part.length, 0);
	body.copy(bytes, 4);
	bytes.writeUInt32BE(crc32(body), body.length + 4);
	return bytes;
}

export function header({ width, height, depth, type, interlaced = false }: PngKind): Buffer {
	const bytes = Buffer.alloc(13);
	bytes.writeUInt32BE(width, 0);
	bytes.writeUInt32BE(height, 4);
	bytes.set([depth, type, 0, 0, interlaced ? 1 : 0], 8);
	return chunk('IHDR', bytes);
}

export function pngFile(...chunks: readonly Uint8Array[]): Uint8Array {
	return new Uint8Array(Buffer.concat([SIGNATURE, ...chunks, chunk('IEND')]));
}

/** Corrects the checksums of a file with changed parts, while the lengths stay consistent. */
export function withChecksums(file: Uint8Array): Uint8Array {
	const bytes = Buffer.from(file);
	for (let at = 8; at + 12 <= bytes.length; ) {
		const end = at + 8 + bytes.readUInt32BE(at);
		if (end + 4 > bytes.length) break;
		bytes.writeUInt32BE(crc32(bytes.subarray(at + 4, end)), end);
		at = end + 4;
	}
	return new Uint8Array(bytes);
}

interface Row {
	readonly places: (readonly [x: number, y: number])[];
	/** Whether a pass begins here, so that filters see zeros above. */
	readonly isFirst: boolean;
}

/** The rows in the order of the file. */
function rowsOf({ width, height, interlaced = false }: PngKind): Row[] {
	const rows: Row[] = [];
	const passes = interlaced
		? [
				[0, 0, 8, 8],
				[4, 0, 8, 8],
				[0, 4, 4, 8],
				[2, 0, 4, 4],
				[0, 2, 2, 4],
				[1, 0, 2, 2],
				[0, 1, 1, 2],
			]
		: [[0, 0, 1, 1]];
	for (const [left, top, dx, dy] of passes as [number, number, number, number][]) {
		for (let y = top; y < height; y += dy) {
			const places: [number, number][] = [];
			for (let x = left; x < width; x += dx) places.push([x, y]);
			if (places.length > 0) rows.push({ places, isFirst: y === top });
		}
	}
	return rows;
}

function paeth(a: number, b: number, c: number): number {
	const p = a + b - c;
	const distances = [a, b, c].map((value) => Math.abs(p - value));
	return [a, b, c][distances.indexOf(Math.min(...distances))]!;
}

function filtered(filter: number, row: Uint8Array, above: Uint8Array, step: number): number[] {
	return [...row].map((value, i) => {
		const [a, b, c] = [row[i - step] ?? 0, above[i] ?? 0, i < step ? 0 : (above[i - step] ?? 0)];
		return (value - [0, a, b, (a + b) >> 1, paeth(a, b, c)][filter]!) & 255;
	});
}

function packed(samples: readonly number[], depth: number): Uint8Array {
	const bits = samples.map((sample) => sample.toString(2).padStart(depth, '0')).join('');
	return Uint8Array.from(bits.match(/.{1,8}/g) ?? [], (byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
}

/** A file with random pixels, and these pixels: rows of numbers from 0 to 255. */
export function randomPng(random: () => number, kind: PngKind): { file: Uint8Array; pixels: number[]; channels: number } {
	const { width, height, type, depth, transparent = false, suggested = false, extra = [] } = kind;
	const below = (count: number) => Math.floor(random() * count);
	const samples = SAMPLES[type]!;
	// Few distinct values, so that the transparent colour occurs.
	const levels = Array.from({ length: 4 }, () => below(2 ** depth));
	const colours = type === 3 ? Math.max(...levels) + 1 : 1 + below(256);
	const palette = Uint8Array.from({ length: 3 * colours }, () => below(256));
	const grid = Array.from({ length: width * height }, () => Array.from({ length: samples }, () => levels[below(4)]!));
	const key = grid[0]!;
	const alphas = Uint8Array.from({ length: 1 + below(colours) }, () => below(256));

	const rows: number[] = [];
	const step = Math.max(1, (samples * depth) >> 3);
	let above: Uint8Array = new Uint8Array(0);
	for (const { places, isFirst } of rowsOf(kind)) {
		const row = packed(
			places.flatMap(([x, y]) => grid[y * width + x]!),
			depth,
		);
		const filter = below(5);
		rows.push(filter, ...filtered(filter, row, isFirst ? new Uint8Array(row.length) : above, step));
		above = row;
	}
	const compressed = deflateSync(Uint8Array.from(rows), { level: below(10) });
	const cut = below(compressed.length);
	const parts = [compressed.subarray(0, cut), compressed.subarray(cut)].map((part) => chunk('IDAT', part));
	const chunks = [header(kind), ...extra.map(([name, part]) => chunk(name, part))];
	if (type === 3 || suggested) chunks.push(chunk('PLTE', palette));
	if (transparent) {
		const colour = Buffer.alloc(2 * samples);
		for (const [i, value] of key.entries()) colour.writeUInt16BE(value, 2 * i);
		chunks.push(chunk('tRNS', type === 3 ? alphas : colour));
	}
	const scaled = (value: number) => Math.round((value * 255) / (2 ** depth - 1));
	const pixels = grid.flatMap((pixel) => {
		if (type === 3) {
			const colour = [...palette.subarray(3 * pixel[0]!, 3 * pixel[0]! + 3)];
			return transparent ? [...colour, alphas[pixel[0]!] ?? 255] : colour;
		}
		const values = pixel.map(scaled);
		return transparent ? [...values, pixel.every((value, i) => value === key[i]) ? 0 : 255] : values;
	});
	return { file: pngFile(...chunks, ...parts), pixels, channels: pixels.length / grid.length };
}
