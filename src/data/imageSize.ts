/** Reads the size of an image from its file header, for the formats that browsers decode, before allocating memory for pixels. */

import { FormatError } from '../core/errors';

/** The size, or null for another format or a truncated file, which the decoder will report. */
export function sizeOf(bytes: Uint8Array): [width: number, height: number] | null {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const text = (at: number, length: number) => String.fromCharCode(...bytes.subarray(at, at + length));
	const u24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
	try {
		if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegHeader(view)?.size ?? null;
		if (text(0, 4) === 'GIF8') return [view.getUint16(6, true), view.getUint16(8, true)];
		if (text(0, 2) === 'BM') return bmpSize(view);
		if (text(0, 4) === 'RIFF' && text(8, 4) === 'WEBP') {
			const kind = text(12, 4);
			if (kind === 'VP8X') return [u24(24) + 1, u24(27) + 1];
			if (kind === 'VP8L') {
				const bits = view.getUint32(21, true);
				return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
			}
			return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
		}
		if (text(4, 4) === 'ftyp') return largestExtent(bytes, view);
	} catch (error) {
		// Reading past the end of the file.
		if (!(error instanceof RangeError)) throw error;
	}
	return null;
}

interface JpegHeader {
	readonly size: [width: number, height: number];
	/** Whether the three channels are red, green and blue, according to Adobe's marker or their names. */
	readonly isRgb: boolean;
}

function jpegHeader(view: DataView): JpegHeader | null {
	let [jfif, transform] = [false, -1];
	for (let at = 2; at + 9 <= view.byteLength; ) {
		if (view.getUint8(at) !== 0xff) return null;
		const marker = view.getUint8(at + 1);
		if (marker === 0xe0) jfif ||= view.getUint32(at + 4) === 0x4a464946;
		if (marker === 0xee && view.getUint32(at + 4) === 0x41646f62) transform = view.getUint8(at + 15);
		if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
			const names = [0, 3, 6].map((i) => (at + 10 + i < view.byteLength ? view.getUint8(at + 10 + i) : 0));
			const named = String.fromCharCode(...names) === 'RGB';
			const isRgb = view.getUint8(at + 9) === 3 && !jfif && (transform === 0 || (transform < 0 && named));
			return { size: [view.getUint16(at + 7), view.getUint16(at + 5)], isRgb };
		}
		at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
	}
	return null;
}

function bmpSize(view: DataView): [number, number] {
	if (view.getUint32(14, true) === 12) return [view.getUint16(18, true), view.getUint16(20, true)];
	return [view.getUint32(18, true), Math.abs(view.getInt32(22, true))];
}

/** AVIF: the extents ('ispe') of the image, its tiles and its thumbnails are near the beginning. */
function largestExtent(bytes: Uint8Array, view: DataView): [number, number] | null {
	let largest: [number, number] | null = null;
	for (let at = 0; at + 16 <= Math.min(bytes.length, 1 << 16); at++) {
		if (view.getUint32(at) !== 0x69737065) continue;
		const size: [number, number] = [view.getUint32(at + 8), view.getUint32(at + 12)];
		if (largest === null || size[0] * size[1] > largest[0] * largest[1]) largest = size;
	}
	return largest;
}

/** Encoders write up to a dozen scans. Each is a pass over the whole image, but may take only a few bytes of the file. */
const MOST_SCANS = 100;

/**
 * Throws for a JPEG file that is far too short for its size, or with so many scans that decoding takes minutes. Returns whether its
 * channels are red, green and blue.
 */
export function checkJpeg(bytes: Uint8Array): { isRgb: boolean } {
	const damaged = (what: string) => new FormatError(`decodeImage: the JPEG file is damaged: ${what}`);
	let header: JpegHeader | null = null;
	try {
		header = jpegHeader(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
	} catch (error) {
		if (!(error instanceof RangeError)) throw error;
	}
	if (header === null) throw damaged('it has no header');
	const [width, height] = header.size;
	// Each block of 8 x 8 samples takes at least a bit, and every subsampling has at least one block per 16 x 16 pixels.
	if ((width * height) / 256 > 8 * bytes.length)
		throw damaged(`${bytes.length} bytes are too few for ${width} x ${height} pixels`);
	let scans = 0;
	for (let i = 0; i + 1 < bytes.length; i++) if (bytes[i] === 0xff && bytes[i + 1] === 0xda) scans++;
	if (scans > MOST_SCANS) throw damaged(`it has ${scans} scans, more than ${MOST_SCANS}`);
	return header;
}
