/** All built pages in headless Chromium: what a user sees if a part of a page fails, and the list of pages. */
import { readdirSync } from 'node:fs';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { PHONE, requireAccessible, requireNoOverflow } from './axe';
import { openTab, pageSuite, text, waitForPhase } from './tab';

interface Expected {
	/** The file that the page fetches at its start. */
	readonly file?: string;
	/** Whether it shows a chart at once. */
	readonly chart?: boolean;
	/** Whether it also runs on the CPU, when asked. */
	readonly cpu?: boolean;
}

/** The folders with a page. */
const PAGES = new Map<string, Expected>([
	['adapt', { file: 'moby-dick.txt', chart: true, cpu: true }],
	['chat', { cpu: true }],
	['doctor', {}],
	['explain', { cpu: true }],
	['gpt', { file: 'moby-dick.txt', chart: true, cpu: true }],
	['latent', { file: 'mnist.bin.gz', chart: true, cpu: true }],
	['mnist', { file: 'mnist.bin.gz', chart: true, cpu: true }],
	['playground', { chart: true, cpu: true }],
	['similarity', { cpu: true }],
	['upscale', { file: 'group1-shard1of1.bin', cpu: true }],
]);

const pages = pageSuite('the pages');

async function noticeOf(tab: Page): Promise<string> {
	await tab.locator('#notice').waitFor();
	return await text(tab, 'notice');
}

pages('the first address lists them all', async ({ browser, url }) => {
	const found = readdirSync('examples', { recursive: true, encoding: 'utf8' }).filter((file) => /^\w+[\\/]page\.ts$/.test(file));
	assert.equal(found.map((file) => file.split(/[\\/]/)[0]).sort(), [...PAGES.keys()]);
	const { tab } = await openTab(browser);
	const answer = await tab.goto(url);
	assert.is(answer?.status(), 200);
	const links = await tab.locator('a').evaluateAll((list) => list.map((link) => (link as HTMLAnchorElement).href));
	assert.equal(
		links,
		[...PAGES.keys()].map((name) => `${url}${name}/`),
	);
	await requireAccessible(tab);
	await tab.locator('a').first().click();
	assert.match(await tab.title(), /wgrad/);
	await tab.context().close();
});

for (const [name, { file, chart, cpu }] of PAGES) {
	pages(`${name} finds WebGPU under any system locale`, async ({ browser, url }) => {
		const { tab, errors } = await openTab(browser);
		// The value in Chromium on machines with the POSIX locale.
		await tab.addInitScript(() =>
			Object.defineProperty(Navigator.prototype, 'language', { get: () => 'en-US@posix', configurable: true }),
		);
		await tab.goto(`${url}${name}/`);
		await waitForPhase(tab, /Ready/);
		assert.match(await text(tab, 'adapter'), /^WebGPU: ./);
		assert.not(await tab.locator('#notice').isVisible());
		if (chart) assert.ok((await tab.locator('#chart canvas').count()) > 0, 'there is a chart');
		await requireAccessible(tab);
		await tab.setViewportSize(PHONE.viewport);
		await requireNoOverflow(tab);
		assert.equal(errors, []);
		await tab.context().close();
	});

	pages(`${name} says that there is no WebGPU${cpu ? ', and goes on with the CPU when asked' : ''}`, async ({ browser, url }) => {
		const { tab } = await openTab(browser);
		await tab.addInitScript(() => Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined }));
		await tab.goto(`${url}${name}/`);
		assert.match(await noticeOf(tab), /There is no WebGPU here/);
		assert.is(await text(tab, 'adapter'), 'No WebGPU');
		await requireAccessible(tab);
		if (cpu) {
			await tab.click('#use-cpu');
			await waitForPhase(tab, /Ready/);
		} else {
			assert.not(await tab.locator('#use-cpu').isVisible());
		}
		await tab.context().close();
	});

	if (file !== undefined)
		pages(`${name} names the file that did not arrive`, async ({ browser, url }) => {
			const { tab: missing } = await openTab(browser);
			await missing.route(`**/${file}`, (route) => route.fulfill({ status: 404, body: '' }));
			await missing.goto(`${url}${name}/`);
			assert.match(await noticeOf(missing), new RegExp(`${file}: the server answered 404`));
			await missing.context().close();

			const { tab: offline } = await openTab(browser);
			await offline.route(`**/${file}`, (route) => route.abort());
			await offline.goto(`${url}${name}/`);
			assert.match(await noticeOf(offline), new RegExp(`${file} could not be downloaded: `));
			await offline.context().close();
		});

	pages(`${name} says that its script fails, or is not there`, async ({ browser, url }) => {
		const { tab: broken } = await openTab(browser);
		await broken.route('**/page.js', (route) =>
			route.fulfill({ contentType: 'text/javascript', body: 'throw new RangeError("a wrong locale");' }),
		);
		await broken.goto(`${url}${name}/`);
		assert.match(await noticeOf(broken), /An error in its script: a wrong locale/);
		assert.is(await text(broken, 'adapter'), 'Stopped');
		await broken.context().close();

		const { tab: absent } = await openTab(browser);
		await absent.route('**/page.js', (route) => route.fulfill({ status: 404, body: '' }));
		await absent.goto(`${url}${name}/`);
		assert.match(await noticeOf(absent), /page\.js did not load/);
		assert.is(await text(absent, 'adapter'), 'Stopped');
		await absent.context().close();
	});
}

pages.run();
