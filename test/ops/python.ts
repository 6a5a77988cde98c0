/** Formats a value as a Python expression. */
export function py(value: unknown): string {
	if (value === null || value === undefined) return 'None';
	if (value === true) return 'True';
	if (value === false) return 'False';
	if (value === Number.POSITIVE_INFINITY) return 'math.inf';
	if (value === Number.NEGATIVE_INFINITY) return '-math.inf';
	if (Array.isArray(value)) return `[${value.map(py).join(', ')}]`;
	return JSON.stringify(value);
}
