/**
 * Runs bundled test files in a child process, one after the other, and sends their outcomes to test/run.mjs:
 * `child.mjs BUNDLE...`. The environment chooses the adapter: see adapter.mjs.
 */
import { pathToFileURL } from 'node:url';
import { chooseAdapter } from './adapter.mjs';

/** @param {unknown} message */
const send = (message) => process.send?.(message);

Object.assign(globalThis, {
	WGRAD_ADAPTER: process.env.WGRAD_ADAPTER,
	testStarted: (/** @type {string} */ running) => send({ running }),
});
// The runner has ended, so nobody receives further outcomes.
process.on('disconnect', () => process.exit(1));
process.channel?.unref();
await chooseAdapter();
for (const bundle of process.argv.slice(2)) {
	const { run } = await import(pathToFileURL(bundle).href);
	send({ outcome: await run() });
}
