/** Imported before uPlot, which formats numbers in the browser's language as it loads: a system's locale may be the name of none. */
try {
	new Intl.NumberFormat(navigator.language);
} catch {
	Object.defineProperty(navigator, 'language', { value: 'en-US' });
}
