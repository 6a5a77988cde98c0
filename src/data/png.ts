/** Validates PNG files before decoding: https://www.w3.org/TR/png-3/ */
import { FormatError } from '../core/errors';
import { inflate, MOST_INFLATION } from './inflate';

function damagedPng(what: string): FormatError {
	return new FormatError(`decodeImage: the PNG file is damaged: ${what}`);
}

/** Samples per pixel and valid depths, by colour type. */
const KINDS: Readonly<Record<number, { readonly samples: number; readonly depths: readonly number[] }>> = {
	0: { samples: 1, depths: [1, 2, 4, 8, 16] },
	2: { samples: 3, depths: [8, 16] },
	3: { samples: 1, depths: [1, 2, 4, 8] },
	4: { samples: 2, depths: [8, 16] },
	6: { samples: 4, depths: [8, 16] },
};

/** The first column and row of each pass of an interlaced image, and the steps between columns and rows. */
const ADAM7 = [
	[0, 0, 8, 8],
	[4, 0, 8, 8],
	[0, 4, 4, 8],
	[2, 0, 4, 4],
	[0, 2, 2, 4],
	[1, 0, 2, 2],
	[0, 1, 1, 2],
] as const;
const AT_ONCE = [[0, 0, 1, 1]] as const;

const SIGNATURE = 8;

interface Header {
	readonly width: number;
	readonly height: number;
	readonly depth: number;
	readonly type: number;
	readonly interlaced: boolean;
}

/**
 * Returns the file without the chunks that its pixels do not need: profiles and texts could unpack to gigabytes, and the palette of a
 * truecolour file is only a suggestion. Throws if `check` rejects the size, if the depth is invalid, or if the file does not hold the rows
 * that its header promises.
 */
export async function preparePng(
	bytes: Uint8Array,
	check: (width: number, height: number) => void,
): Promise<{ file: Uint8Array; header: Header }> {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const kept = [bytes.subarray(0, SIGNATURE)];
	const rows: Uint8Array[] = [];
	let header: Header | null = null;
	let palette = false;
	for (let at = SIGNATURE, name = ''; name !== 'IEND'; ) {
		const length = at + 12 <= bytes.length ? view.getUint32(at) : bytes.length;
		const end = at + 12 + length;
		if (end > bytes.length) throw damagedPng('it is truncated');
		name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
		if ((header === null) !== (name === 'IHDR')) throw damagedPng('IHDR must be its first chunk and occur once');
		if (name === 'IHDR') {
			header = readHeader(bytes.subarray(at + 8, end - 4));
			check(header.width, header.height);
		}
		const isIndexed = header!.type === 3;
		if (name === 'PLTE') palette = true;
		if (name === 'IDAT') rows.push(bytes.subarray(at + 8, end - 4));
		if (name === 'IHDR' || name === 'IDAT' || name === 'IEND' || (isIndexed && (name === 'PLTE' || name === 'tRNS'))) {
			kept.push(bytes.subarray(at, end));
		}
		at = end;
	}
	if (header!.type === 3 && !palette) throw damagedPng('it has no palette');
	await requireRows(rows, header!);
	const file = new Uint8Array(kept.reduce((sum, part) => sum + part.length, 0));
	let at = 0;
	for (const part of kept) {
		file.set(part, at);
		at += part.length;
	}
	return { file, header: header! };
}

function readHeader(part: Uint8Array): Header {
	if (part.length !== 13) throw damagedPng('IHDR has a wrong length');
	const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
	const [width, height, depth, type] = [view.getUint32(0), view.getUint32(4), view.getUint8(8), view.getUint8(9)];
	if (width < 1 || height < 1) throw damagedPng(`it has ${width} x ${height} pixels`);
	const kind = KINDS[type];
	if (kind === undefined) throw damagedPng(`there is no colour type ${type}`);
	if (!kind.depths.includes(depth)) throw damagedPng(`colour type ${type} has ${kind.depths.join(', ')} bits, not ${depth}`);
	return { width, height, depth, type, interlaced: view.getUint8(12) !== 0 };
}

/** Bytes allowed after the last row. Some writers leave a few; a bomb holds more, and the decoder unpacks all of it. */
const MOST_BEHIND = 1 << 16;

async function requireRows(parts: readonly Uint8Array[], { width, height, depth, type, interlaced }: Header): Promise<void> {
	const bits = KINDS[type]!.samples * depth;
	let size = 0;
	for (const [x, y, dx, dy] of interlaced ? ADAM7 : AT_ONCE) {
		const [columns, rows] = [Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)];
		if (columns > 0 && rows > 0) size += rows * (1 + Math.ceil((columns * bits) / 8));
	}
	const compressed = parts.reduce((sum, part) => sum + part.length, 0);
	if (size > MOST_INFLATION * compressed) throw damagedPng('it ends before its last row');
	const { data, more } = await inflate(parts, 'deflate', size + MOST_BEHIND, size).catch((error: Error) => {
		throw new FormatError(`decodeImage: the PNG file is damaged: ${error.message}`, { cause: error });
	});
	if (data.length < size) throw damagedPng('it ends before its last row');
	if (more) throw damagedPng('it holds far more than its rows');
}
