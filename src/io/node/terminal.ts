/** Shows downloads in a terminal. */
import type { Display } from '../platform';

export async function showInTerminal(name: string): Promise<Display | null> {
	if (!process.stderr.isTTY) return null;
	// Loaded only when a program downloads in a terminal.
	const { SingleBar } = await import('cli-progress');
	const bar = new SingleBar({
		format: `${name.split('/').at(-1)} {bar} {percentage}%  {eta_formatted} left`,
		barsize: 24,
		clearOnComplete: true,
		stream: process.stderr,
	});
	bar.start(1, 0);
	return {
		update: ({ loaded, total }) => {
			bar.setTotal(total);
			bar.update(loaded);
		},
		stop: () => bar.stop(),
	};
}
