/** Converts images to data URLs, so that the report contains them. */
import { ArgumentError } from '../../core/errors';

const SIGNATURES: readonly (readonly [type: string, bytes: readonly number[], at: number])[] = [
	['image/png', [0x89, 0x50, 0x4e, 0x47], 0],
	['image/jpeg', [0xff, 0xd8, 0xff], 0],
	['image/gif', [0x47, 0x49, 0x46, 0x38], 0],
	['image/webp', [0x57, 0x45, 0x42, 0x50], 8],
];

/** Converts an image file's bytes to a data URL. A string must already be a data URL. */
export function imageSource(source: Uint8Array | string): string {
	if (typeof source === 'string') {
		if (/^data:image\//.test(source)) return source;
		throw new ArgumentError(
			`htmlReport: an image's source must be the bytes of a file or a data:image/ URL, because the report must work offline, not '${source.slice(0, 80)}'`,
		);
	}
	const type = SIGNATURES.find(([, bytes, at]) => bytes.every((byte, i) => source[at + i] === byte))?.[0];
	if (type === undefined) throw new ArgumentError('htmlReport: the bytes of an image must be a PNG, JPEG, GIF or WebP file');
	let binary = '';
	for (let start = 0; start < source.length; start += 0x8000)
		binary += String.fromCharCode(...source.subarray(start, start + 0x8000));
	return `data:${type};base64,${btoa(binary)}`;
}
