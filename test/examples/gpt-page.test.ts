/** The built page of the GPT example in headless Chromium, used as a person would. */
import type { Browser, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { openTab, pageSuite, screenshot, text, waitForPhase, waitForRest, waitForText } from './tab';

const SMALL = { layers: 1, width: 16, heads: 2, context: 16, 'batch-size': 4, steps: 55, length: 5 };

const page = pageSuite('the GPT page', 'gpt');

async function open(browser: Browser, url: string): Promise<{ tab: Page; errors: string[] }> {
	const opened = await openTab(browser);
	await opened.tab.goto(url);
	await waitForPhase(opened.tab, /Ready/);
	for (const [id, value] of Object.entries(SMALL)) await opened.tab.fill(`#${id}`, String(value));
	return opened;
}

page('trains, pauses, writes, and goes on with the saved run after a reload', async ({ browser, url }) => {
	const { tab, errors } = await open(browser, url);
	assert.match(await text(tab, 'adapter'), /^WebGPU: ./);
	assert.not(await tab.locator('#continue').isEnabled(), 'nothing is saved yet');

	await tab.click('#write');
	const noise = await waitForText(tab, 'output', /^Call me Ishmael\. [\s\S]{5}$/);

	await tab.click('#start');
	await waitForPhase(tab, /Training/);
	assert.not(await tab.locator('#layers').isEnabled(), 'settings cannot be changed meanwhile');
	await waitForText(tab, 'loss', /\d/);
	await tab.click('#start');
	await waitForPhase(tab, /Paused/);
	const status = await waitForRest(tab);
	await tab.fill('#prompt', 'The whale ');
	await tab.click('#write');
	await waitForText(tab, 'output', /^The whale [\s\S]{5}$/);
	assert.is(await text(tab, 'status'), status, 'nothing goes on during a pause');

	await tab.click('#start');
	await waitForPhase(tab, /Finished/);
	const validation = Number(await waitForText(tab, 'validation', /\d/));
	assert.ok(validation > 2 && validation < 4.3, `the validation loss is ${validation}`);
	assert.ok((await tab.locator('#chart canvas').count()) > 0, 'there is a chart');
	assert.not.equal(await waitForText(tab, 'output', /^The whale [\s\S]{5}$/), noise);
	await screenshot(tab, 'gpt-page');

	await tab.fill('#prompt', 'Ж');
	await tab.click('#write');
	await waitForText(tab, 'output', /the character "Ж" does not occur/);

	await tab.reload();
	await waitForPhase(tab, /Ready/);
	await tab.click('#continue:enabled');
	await waitForPhase(tab, /Finished/);
	assert.is(Number(await waitForText(tab, 'validation', /\d/)), validation);
	assert.is(await tab.locator('#layers').inputValue(), '1', 'the settings are those of the run');
	assert.equal(errors, []);
	await tab.context().close();
});

page('learns a text of the person’s own, by byte pairs', async ({ browser, url }) => {
	const { tab, errors } = await open(browser, url);
	const own = Buffer.from('There is no folly of the beasts of the earth. '.repeat(40));
	await tab.selectOption('#tokenizer', 'bpe');
	await tab.fill('#steps', '3');
	await tab.setInputFiles('#file', { name: 'own.txt', mimeType: 'text/plain', buffer: own });
	await waitForText(tab, 'text-name', /^own.txt$/);
	await waitForPhase(tab, /Ready/);
	await tab.click('#start');
	await waitForPhase(tab, /Finished/);
	assert.match(await text(tab, 'network'), /26\d kinds of tokens/);
	assert.equal(errors, []);
	await tab.context().close();
});

page('says what is wrong with settings, and starts anew', async ({ browser, url }) => {
	const { tab } = await open(browser, url);
	await tab.fill('#heads', '3');
	await tab.click('#start');
	await tab.locator('#notice').waitFor();
	assert.match(await text(tab, 'notice'), /a width of 16 does not divide into 3 heads/);
	await tab.fill('#heads', '2', { force: true }).catch(() => {});
	await tab.context().close();
});

page.run();
