/** The built page that adapts a GPT, in headless Chromium, used as a person would. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { init } from 'wgrad';
import { MemoryStore } from 'wgrad/train';
import { launchChromium } from '../../adapters/chromium.mjs';
import { GptTraining } from '../../examples/gpt/training';
import { serve } from '../../examples/serve.mjs';
import { SMALL as SIZES, TEXT } from './gpt';

const SCREENSHOT = '.cache/artifacts/adapt-page.png';
const WAIT = { timeout: 120_000, polling: 100 };
const SMALL = { layers: 1, width: 16, heads: 2, context: 16, 'pretrain-steps': 10, steps: 26, lr: 0.05, length: 5 };

const page = suite<{ browser: Browser; server: Awaited<ReturnType<typeof serve>> }>('the page that adapts a GPT');

page.before(async (context) => {
	context.server = await serve('dist/examples');
	context.browser = await launchChromium();
});

page.after(async ({ browser, server }) => {
	await browser?.close();
	server?.close();
});

const text = (tab: Page, id: string) => tab.locator(`#${id}`).innerText();
const number = async (tab: Page, id: string) => Number(await text(tab, id));

async function waitForReady(tab: Page): Promise<void> {
	await tab.waitForFunction(() => /Ready|Stopped/.test(document.querySelector('#phase')!.textContent!), null, WAIT);
}

async function waitForNotice(tab: Page, pattern: string): Promise<void> {
	await tab.waitForFunction(
		(pattern) => new RegExp(pattern, 's').test(document.querySelector('#notice')!.textContent!),
		pattern,
		WAIT,
	);
}

async function open(browser: Browser, url: string, before: (tab: Page) => Promise<unknown> = async () => {}) {
	const profile = await browser.newContext({ locale: 'en-US', viewport: { width: 390, height: 844 } });
	const tab = await profile.newPage();
	const errors: string[] = [];
	tab.on('pageerror', (error) => errors.push(String(error.stack)));
	tab.on('console', (message) => {
		if (message.type() === 'error') errors.push(message.text());
	});
	await before(tab);
	await tab.goto(`${url}adapt/`);
	await waitForReady(tab);
	for (const [id, value] of Object.entries(SMALL)) await tab.fill(`#${id}`, String(value));
	return { tab, errors };
}

page(
	'trains a model, adapts it to a text by keyboard, saves the adapter, and opens it after a reload',
	async ({ browser, server }) => {
		const { tab, errors } = await open(browser, server.url);
		assert.match(await text(tab, 'model'), /^None yet/);
		for (const id of ['adapt', 'write', 'save', 'adapter-files']) assert.not(await tab.locator(`#${id}`).isEnabled(), id);
		await tab.focus('#layers');
		await tab.keyboard.press('Enter');
		await tab.locator('#adapt:enabled').waitFor(WAIT);
		assert.match(await text(tab, 'model'), /^4,896 parameters: layers 1, width 16/);

		await tab.fill('#text', 'too short');
		await tab.click('#adapt');
		await tab.locator('#notice').waitFor(WAIT);
		assert.match(await text(tab, 'notice'), /your text has 9 tokens; .* the model needs at least 170/);

		await tab.setInputFiles('#file', { name: 'own.txt', mimeType: 'text/plain', buffer: Buffer.from(`${TEXT}ЖЖ`) });
		await waitForReady(tab);
		assert.match(await text(tab, 'text-info'), /^1,590 characters\. The model does not know 2 others/);
		await tab.focus('#rank');
		await tab.keyboard.press('Enter');
		await tab.locator('#save:enabled').waitFor(WAIT);
		assert.not(await tab.locator('#notice').isVisible());
		const [before, after] = [await number(tab, 'before'), await number(tab, 'validation')];
		assert.ok(after < 0.95 * before, `the loss went from ${before} to ${after}`);
		assert.match(await text(tab, 'adapter-info'), /% of the model's .* have kept all their bits/);
		const [alone, adapted] = [await tab.inputValue('#prompt').then(() => text(tab, 'alone')), await text(tab, 'adapted')];
		assert.ok(alone.startsWith('The ') && adapted.startsWith('The ') && alone !== adapted, `${alone} | ${adapted}`);
		const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
		assert.is(overflow, 0, 'a phone needs no horizontal scrolling');
		await mkdir(dirname(SCREENSHOT), { recursive: true });
		await tab.screenshot({ path: SCREENSHOT, fullPage: true, animations: 'disabled' });

		const downloads: Promise<string>[] = [];
		tab.on('download', (download) => downloads.push(download.path()));
		await tab.focus('#save');
		await tab.keyboard.press('Enter');
		await waitForReady(tab);
		while (downloads.length < 2) await tab.waitForEvent('download');
		const [config, weights] = await Promise.all(downloads.map(async (path) => readFile(await path)));
		assert.is(JSON.parse(String(config)).peft_type, 'LORA');

		await tab.reload();
		await tab.locator('#adapt:enabled').waitFor(WAIT);
		await tab.fill('#length', String(SMALL.length));
		const files = { config: { name: 'adapter_config.json', mimeType: 'application/json', buffer: config! } };
		await tab.setInputFiles('#adapter-files', files.config);
		await tab.locator('#notice').waitFor(WAIT);
		assert.match(await text(tab, 'notice'), /choose the two files/);
		const model = { name: 'adapter_model.safetensors', mimeType: 'application/octet-stream', buffer: weights! };
		await tab.setInputFiles('#adapter-files', [files.config, model]);
		await tab.locator('#save:enabled').waitFor(WAIT);
		assert.equal([await text(tab, 'alone'), await text(tab, 'adapted')], [alone, adapted], 'the same model and adapter');
		assert.equal(errors, []);
		await tab.context().close();
	},
);

/** A checkpoint of an untrained model, as `npm run gpt` writes it. */
async function checkpoint(): Promise<Buffer> {
	await init({ device: 'cpu' });
	const store = new MemoryStore();
	await GptTraining.begin({ ...SIZES, dropout: 0 }, TEXT, 'cpu').save('gpt', store);
	return Buffer.from((await store.read('gpt'))!);
}

page('opens a checkpoint, and goes on without storage and after a lost device', async ({ browser, server }) => {
	const { tab } = await open(browser, server.url, (tab) =>
		tab.addInitScript(() => {
			navigator.storage.getDirectory = () => Promise.reject(new DOMException('storage is off', 'SecurityError'));
			const request = GPUAdapter.prototype.requestDevice;
			GPUAdapter.prototype.requestDevice = async function (...args) {
				const device = await request.apply(this, args);
				Object.assign(globalThis, { lastDevice: device });
				return device;
			};
		}),
	);
	assert.match(await text(tab, 'notice'), /The saved model was not opened.*storage is off/s);
	const offer = (buffer: Buffer) =>
		tab.setInputFiles('#checkpoint', { name: 'gpt.safetensors', mimeType: 'application/octet-stream', buffer });
	await offer(Buffer.from('no checkpoint'));
	await waitForNotice(tab, 'The checkpoint was not opened');
	await offer(await checkpoint());
	await waitForNotice(tab, 'The model is not saved.*storage is off');
	assert.match(await text(tab, 'model'), /parameters: layers 2, width 16, heads 2, context 16/);
	await tab.evaluate(() => (globalThis as unknown as { lastDevice: GPUDevice }).lastDevice.destroy());
	await tab.click('#write');
	await tab.locator('#reset').waitFor(WAIT);
	assert.is(await text(tab, 'phase'), 'Stopped');
	await tab.click('#reset');
	await tab.locator('#write:enabled').waitFor(WAIT);
	await tab.click('#write');
	await tab.waitForFunction(() => document.querySelector('#alone')!.textContent!.length === 9, null, WAIT);
	await tab.context().close();
});

page.run();
