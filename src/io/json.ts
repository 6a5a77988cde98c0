/**
 * The first key that stands twice in one object of a valid JSON text, or undefined. `JSON.parse` keeps the last one and says
 * nothing, so two readers of one file may see different things.
 */
export function duplicateKey(text: string): string | undefined {
	const objects: Set<string>[] = [];
	for (let at = 0; at < text.length; at++) {
		const char = text[at];
		if (char === '{') objects.push(new Set());
		else if (char === '}') objects.pop();
		else if (char === '"') {
			const start = at;
			do {
				at += text[at] === '\\' ? 2 : 1;
			} while (text[at] !== '"');
			if (!isKey(text, at + 1)) continue;
			// Escapes make different spellings of one key.
			const key = JSON.parse(text.slice(start, at + 1)) as string;
			const keys = objects.at(-1)!;
			if (keys.has(key)) return key;
			keys.add(key);
		}
	}
	return undefined;
}

/** Whether a colon follows a string that ends before `at`. */
function isKey(text: string, at: number): boolean {
	while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at++;
	return text[at] === ':';
}
