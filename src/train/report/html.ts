/** HTML templates. They escape everything except the results of these functions. */

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
export function escapeHtml(text: string): string {
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
