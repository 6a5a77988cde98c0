/** The built page of the GPT example in headless Chromium, used as a person would. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launchChromium } from '../../adapters/chromium.mjs';
import { serve } from '../../examples/serve.mjs';

const PAGE = 'dist/examples/gpt';
const SCREENSHOT = '.cache/artifacts/gpt-page.png';
const WAIT = { timeout: 120_000, polling: 100 };
const SMALL = { layers: 1, width: 16, heads: 2, context: 16, 'batch-size': 4, steps: 55, length: 5 };

const page = suite<{ browser: Browser; server: Awaited<ReturnType<typeof serve>> }>('the GPT page');

page.before(async (context) => {
	assert.ok(existsSync(`${PAGE}/page.js`), `${PAGE} is not there: run 'node build.mjs' first`);
	context.server = await serve(PAGE);
	context.browser = await launchChromium();
});

page.after(async ({ browser, server }) => {
	await browser?.close();
	server?.close();
});

const text = (tab: Page, id: string) => tab.locator(`#${id}`).innerText();

async function open(browser: Browser, url: string): Promise<{ tab: Page; errors: string[] }> {
	const profile = await browser.newContext({ locale: 'en-US', viewport: { width: 1180, height: 960 } });
	const tab = await profile.newPage();
	const errors: string[] = [];
	tab.on('pageerror', (error) => errors.push(String(error.stack)));
	tab.on('console', (message) => {
		if (message.type() === 'error') errors.push(message.text());
	});
	await tab.goto(url);
	await waitForPhase(tab, 'Ready');
	for (const [id, value] of Object.entries(SMALL)) await tab.fill(`#${id}`, String(value));
	return { tab, errors };
}

async function waitForPhase(tab: Page, phase: string): Promise<void> {
	await tab.waitForFunction(
		(wanted) => new RegExp(`${wanted}|Stopped|Waiting`).test(document.querySelector('#phase')!.textContent!),
		phase,
		WAIT,
	);
	if (/Stopped|Waiting/.test(await text(tab, 'phase'))) throw new Error(`the page stopped: ${await text(tab, 'notice')}`);
}

async function waitForText(tab: Page, id: string, pattern: string): Promise<string> {
	await tab.waitForFunction(
		([id, pattern]) => new RegExp(pattern!).test(document.getElementById(id!)!.textContent!),
		[id, pattern],
		WAIT,
	);
	return await text(tab, id);
}

page('trains, pauses, writes, and goes on with the saved run after a reload', async ({ browser, server }) => {
	const { tab, errors } = await open(browser, server.url);
	assert.match(await text(tab, 'adapter'), /^WebGPU: ./);
	assert.not(await tab.locator('#continue').isEnabled(), 'nothing is saved yet');

	await tab.click('#write');
	const noise = await waitForText(tab, 'output', '^Call me Ishmael\\. [^]{5}$');

	await tab.click('#start');
	await waitForPhase(tab, 'Training');
	assert.not(await tab.locator('#layers').isEnabled(), 'settings cannot be changed meanwhile');
	await waitForText(tab, 'loss', '\\d');
	await tab.click('#start');
	await waitForPhase(tab, 'Paused');
	await tab.waitForTimeout(500);
	const status = await text(tab, 'status');
	await tab.fill('#prompt', 'The whale ');
	await tab.click('#write');
	await waitForText(tab, 'output', '^The whale [^]{5}$');
	assert.is(await text(tab, 'status'), status, 'nothing goes on during a pause');

	await tab.click('#start');
	await waitForPhase(tab, 'Finished');
	const validation = Number(await waitForText(tab, 'validation', '\\d'));
	assert.ok(validation > 2 && validation < 4.3, `the validation loss is ${validation}`);
	assert.ok((await tab.locator('#chart canvas').count()) > 0, 'there is a chart');
	assert.not.equal(await waitForText(tab, 'output', '^The whale [^]{5}$'), noise);
	await mkdir(dirname(SCREENSHOT), { recursive: true });
	await tab.screenshot({ path: SCREENSHOT, fullPage: true, animations: 'disabled' });

	await tab.fill('#prompt', 'Ж');
	await tab.click('#write');
	await waitForText(tab, 'output', 'the character "Ж" does not occur');

	await tab.reload();
	await waitForPhase(tab, 'Ready');
	await tab.click('#continue:enabled');
	await waitForPhase(tab, 'Finished');
	assert.is(Number(await waitForText(tab, 'validation', '\\d')), validation);
	assert.is(await tab.locator('#layers').inputValue(), '1', 'the settings are those of the run');
	assert.equal(errors, []);
	await tab.context().close();
});

page('learns a text of the person’s own, by byte pairs', async ({ browser, server }) => {
	const { tab, errors } = await open(browser, server.url);
	const own = Buffer.from('There is no folly of the beasts of the earth. '.repeat(40));
	await tab.selectOption('#tokenizer', 'bpe');
	await tab.fill('#steps', '3');
	await tab.setInputFiles('#file', { name: 'own.txt', mimeType: 'text/plain', buffer: own });
	await waitForText(tab, 'text-name', '^own.txt$');
	await waitForPhase(tab, 'Ready');
	await tab.click('#start');
	await waitForPhase(tab, 'Finished');
	assert.match(await text(tab, 'network'), /26\d kinds of tokens/);
	assert.equal(errors, []);
	await tab.context().close();
});

page('says what is wrong with settings, and starts anew', async ({ browser, server }) => {
	const { tab } = await open(browser, server.url);
	await tab.fill('#heads', '3');
	await tab.click('#start');
	await tab.locator('#notice').waitFor();
	assert.match(await text(tab, 'notice'), /a width of 16 does not divide into 3 heads/);
	await tab.fill('#heads', '2', { force: true }).catch(() => {});
	await tab.context().close();
});

page.run();
