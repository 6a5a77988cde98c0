/**
 * Import this before uPlot, which formats numbers in the browser's language on loading. The system's locale may not be a valid language
 * name.
 */
try {
	new Intl.NumberFormat(navigator.language);
} catch {
	Object.defineProperty(navigator, 'language', { value: 'en-US' });
}
