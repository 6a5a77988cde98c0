/** Formats numbers for reports. */

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
