/**
 * Runs bundled test files in a process of their own, one after the other, and sends their outcomes to test/run.mjs:
 * `child.mjs BUNDLE...`. VK_DRIVER_FILES says which driver Dawn takes.
 */
import { pathToFileURL } from 'node:url';
import { chooseDriver } from '../../adapters/driver.mjs';

/** @param {unknown} message */
const send = (message) => process.send?.(message);

Object.assign(globalThis, {
	WGRAD_ADAPTER: process.env.WGRAD_ADAPTER,
	testStarted: (/** @type {string} */ running) => send({ running }),
});
if (process.env.VK_DRIVER_FILES !== undefined) await chooseDriver(process.env.VK_DRIVER_FILES);
for (const bundle of process.argv.slice(2)) {
	const { run } = await import(pathToFileURL(bundle).href);
	send({ outcome: await run() });
}
