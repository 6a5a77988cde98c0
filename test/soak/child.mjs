/**
 * Runs one campaign in a child process and sends the result to run.mjs: `child.mjs BUNDLE CAMPAIGN MILLISECONDS SEED`. The
 * environment chooses the adapter: see ../runner/adapter.mjs.
 */
import { pathToFileURL } from 'node:url';
import { chooseAdapter } from '../runner/adapter.mjs';

const [bundle = '', name = '', milliseconds, seed] = process.argv.slice(2);
await chooseAdapter();
const { CAMPAIGNS, runFor } = await import(pathToFileURL(bundle).href);
try {
	const counts = await runFor(Number(milliseconds), name, CAMPAIGNS[name].campaign, Number(seed));
	process.send?.({ counts, peak: process.resourceUsage().maxRSS * 1024 });
} catch (error) {
	console.error(error instanceof Error ? error.stack : error);
	process.exitCode = 1;
}
