/**
 * Shows why a page does not work: a script or style that failed to load, or an uncaught error. It is separate from the page's own script,
 * because that may be what fails.
 */
(() => {
	/** @param {string} text */
	function show(text) {
		const adapter = document.getElementById('adapter');
		if (adapter?.textContent.startsWith('Looking')) adapter.textContent = 'Stopped';
		const notice = document.getElementById('notice');
		const [title, message] = [document.getElementById('notice-title'), document.getElementById('notice-text')];
		if (notice === null || title === null || message === null || !notice.hidden) return;
		title.textContent = 'The page does not work';
		message.textContent = text;
		notice.hidden = false;
	}

	addEventListener(
		'error',
		({ target, error }) => {
			if (target instanceof HTMLScriptElement) show(`${target.src} did not load. Build it: npm run build`);
			else if (target instanceof HTMLLinkElement) show(`${target.href} did not load. Build it: npm run build`);
			else if (error) show(`An error in its script: ${error.message ?? error}`);
		},
		true,
	);
	addEventListener('unhandledrejection', ({ reason }) => show(`An error in its script: ${reason?.message ?? reason}`));
})();
