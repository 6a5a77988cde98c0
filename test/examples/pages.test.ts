/** All built pages in headless Chromium: what a user sees if a part of a page fails, and the list of pages. */
import { readdirSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launchChromium } from '../../adapters/chromium.mjs';
import { serve } from '../../examples/serve.mjs';

const WAIT = { timeout: 120_000 };
/** The folders with a page, and the file that each page fetches. */
const PAGES = new Map([
	['gpt', 'moby-dick.txt'],
	['mnist', 'mnist.bin.gz'],
]);

const pages = suite<{ browser: Browser; server: Awaited<ReturnType<typeof serve>> }>('the pages');

pages.before(async (context) => {
	context.server = await serve('dist/examples');
	context.browser = await launchChromium();
});

pages.after(async ({ browser, server }) => {
	await browser?.close();
	server?.close();
});

async function open(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
	return (await browser.newContext({ locale: 'en-US', ...options })).newPage();
}

const text = (tab: Page, id: string) => tab.locator(`#${id}`).innerText();

async function noticeOf(tab: Page): Promise<string> {
	await tab.locator('#notice').waitFor(WAIT);
	return await text(tab, 'notice');
}

const ready = (tab: Page) =>
	tab.waitForFunction(() => document.querySelector('#phase')!.textContent === 'Ready', null, { ...WAIT, polling: 100 });

pages('the first address lists them all', async ({ browser, server }) => {
	const found = readdirSync('examples', { recursive: true, encoding: 'utf8' }).filter((file) => /^\w+[\\/]page\.ts$/.test(file));
	assert.equal(found.map((file) => file.split(/[\\/]/)[0]).sort(), [...PAGES.keys()]);
	const tab = await open(browser);
	const answer = await tab.goto(server.url);
	assert.is(answer?.status(), 200);
	const links = await tab.locator('a').evaluateAll((list) => list.map((link) => (link as HTMLAnchorElement).href));
	assert.equal(
		links,
		[...PAGES.keys()].map((name) => `${server.url}${name}/`),
	);
	await tab.locator('a').first().click();
	assert.match(await tab.title(), /wgrad/);
	await tab.context().close();
});

for (const [name, file] of PAGES) {
	pages(`${name} finds WebGPU under any system locale`, async ({ browser, server }) => {
		const tab = await open(browser);
		const errors: string[] = [];
		tab.on('pageerror', (error) => errors.push(String(error.stack)));
		// The value in Chromium on machines with the POSIX locale.
		await tab.addInitScript(() =>
			Object.defineProperty(Navigator.prototype, 'language', { get: () => 'en-US@posix', configurable: true }),
		);
		await tab.goto(`${server.url}${name}/`);
		await ready(tab);
		assert.match(await text(tab, 'adapter'), /^WebGPU: ./);
		assert.not(await tab.locator('#notice').isVisible());
		assert.ok((await tab.locator('#chart canvas').count()) > 0, 'there is a chart');
		assert.equal(errors, []);
		await tab.context().close();
	});

	pages(`${name} says that there is no WebGPU, and goes on with the CPU when asked`, async ({ browser, server }) => {
		const tab = await open(browser);
		await tab.addInitScript(() => Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined }));
		await tab.goto(`${server.url}${name}/`);
		assert.match(await noticeOf(tab), /There is no WebGPU here/);
		assert.is(await text(tab, 'adapter'), 'No WebGPU');
		await tab.click('#use-cpu');
		await ready(tab);
		await tab.context().close();
	});

	pages(`${name} names the file that did not arrive`, async ({ browser, server }) => {
		const missing = await open(browser);
		await missing.route(`**/${file}`, (route) => route.fulfill({ status: 404, body: '' }));
		await missing.goto(`${server.url}${name}/`);
		assert.match(await noticeOf(missing), new RegExp(`${file}: the server answered 404`));
		await missing.context().close();

		const offline = await open(browser);
		await offline.route(`**/${file}`, (route) => route.abort());
		await offline.goto(`${server.url}${name}/`);
		assert.match(await noticeOf(offline), new RegExp(`${file} could not be downloaded: `));
		await offline.context().close();
	});

	pages(`${name} says that its script fails, or is not there`, async ({ browser, server }) => {
		const broken = await open(browser);
		await broken.route('**/page.js', (route) =>
			route.fulfill({ contentType: 'text/javascript', body: 'throw new RangeError("a wrong locale");' }),
		);
		await broken.goto(`${server.url}${name}/`);
		assert.match(await noticeOf(broken), /An error in its script: a wrong locale/);
		assert.is(await text(broken, 'adapter'), 'Stopped');
		await broken.context().close();

		const absent = await open(browser);
		await absent.route('**/page.js', (route) => route.fulfill({ status: 404, body: '' }));
		await absent.goto(`${server.url}${name}/`);
		assert.match(await noticeOf(absent), /page\.js did not load/);
		assert.is(await text(absent, 'adapter'), 'Stopped');
		await absent.context().close();
	});
}

pages.run();
