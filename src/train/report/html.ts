/** HTML templates, which escape everything except the results of these functions, and the formats of numbers and images in reports. */
import { ArgumentError } from '../../core/errors';

/** Safe HTML, which is not escaped again. */
export class Html {
	constructor(readonly text: string) {}

	toString(): string {
		return this.text;
	}
}

type Piece = Html | string | number | null | undefined | readonly Piece[];

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

// biome-ignore lint/suspicious/noControlCharactersInRegex: HTML does not allow these
const DISALLOWED = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/g;

/** Escapes text for elements and quoted attributes. Characters that HTML does not allow become U+FFFD. */
function escapeHtml(text: string): string {
	return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!).replace(DISALLOWED, '\uFFFD');
}

/** The template's own text is HTML. Escapes the values filled in, unless they are `Html`; joins arrays; null adds nothing. */
export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
	return new Html(strings.map((text, i) => text + (i < pieces.length ? render(pieces[i]) : '')).join(''));
}

function render(piece: Piece): string {
	if (piece == null) return '';
	if (piece instanceof Html) return piece.text;
	if (Array.isArray(piece)) return piece.map(render).join('');
	return escapeHtml(String(piece));
}

/** Embeds data for a script of the page, as JSON that cannot close its element. */
export function jsonScript(id: string, data: unknown): Html {
	const text = JSON.stringify(data).replaceAll('<', '\\u003c');
	return new Html(`<script type="application/json" id="${escapeHtml(id)}">${text}</script>`);
}

/** Embeds the page's own code, which must not contain `</script` or `</style`. */
export function inline(element: 'script' | 'style', code: string): Html {
	return new Html(`<${element}>${code}</${element}>`);
}

/** Five significant digits without trailing zeros. Very large and very small numbers get an exponent; undefined becomes ''. */
export function formatNumber(value: number | undefined): string {
	if (value === undefined) return '';
	if (!Number.isFinite(value)) return String(value);
	if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString('en-US');
	const size = Math.abs(value);
	if (size < 1e-4 || size >= 1e7) return value.toExponential(3).replace(/\.?0+e/, 'e');
	return String(Number(value.toPrecision(5)));
}

export function formatPercent(share: number): string {
	return Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : '–';
}

/** Formats a duration: `1 h 02 min 05 s`. */
export function formatDuration(seconds: number): string {
	if (!Number.isFinite(seconds)) return '';
	if (seconds < 60) return `${Number(seconds.toPrecision(3))} s`;
	const whole = Math.round(seconds);
	const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
	const two = (part: number) => String(part).padStart(2, '0');
	return hours > 0 ? `${hours} h ${two(minutes)} min ${two(rest)} s` : `${minutes} min ${two(rest)} s`;
}

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
