/** The built pages that open pretrained models, in headless Chromium, used as a person would. */
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { init } from 'wgrad';
import { SETTINGS, TOKENIZER } from '../pretrained/byteTokenizer';
import { filesOf, GOLDEN } from '../pretrained/models';
import { openTab, pageSuite, screenshot, text, waitForPhase, waitForText } from './tab';

interface Upload {
	readonly name: string;
	readonly mimeType: string;
	readonly buffer: Buffer;
}

const json = (name: string, value: object): Upload => ({
	name,
	mimeType: 'application/json',
	buffer: Buffer.from(JSON.stringify(value)),
});

/** The files of a small model with random weights whose tokens are bytes. */
async function modelFiles(kind: 'gpt2' | 'bert', table: string): Promise<Upload[]> {
	const golden = GOLDEN[kind]!;
	const config = { ...golden.config, vocab_size: 260, n_positions: 120, max_position_embeddings: 120, eos_token_id: 259 };
	const shapes = { ...golden.shapes, [table]: [260, 12] };
	const position = kind === 'gpt2' ? 'transformer.wpe.weight' : 'embeddings.position_embeddings.weight';
	const files = await filesOf({ ...golden, config, shapes: { ...shapes, [position]: [120, 12] } });
	const uploads = files.map(async (file) => ({
		name: file.name,
		mimeType: 'application/octet-stream',
		buffer: Buffer.from(await file.arrayBuffer()),
	}));
	return [...(await Promise.all(uploads)), json('tokenizer.json', TOKENIZER), json('tokenizer_config.json', SETTINGS)];
}

const gpt2 = () => modelFiles('gpt2', 'transformer.wte.weight');
const bert = () => modelFiles('bert', 'embeddings.word_embeddings.weight');

async function noticeOf(tab: Page, pattern: RegExp): Promise<void> {
	await waitForText(tab, 'notice', pattern);
	await waitForPhase(tab, /Ready/);
}

async function requireNoOverflow(tab: Page): Promise<void> {
	assert.is(await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
}

const PHONE = { viewport: { width: 390, height: 844 } };

const pages = pageSuite('the pages that open models');

pages.before(async () => void (await init({ device: 'cpu' })));

pages('chat: answers token by token by keyboard, stops, and begins anew', async ({ browser, url }) => {
	const { tab, errors } = await openTab(browser, { viewport: { width: 1280, height: 900 } });
	await tab.goto(`${url}chat/`);
	await waitForPhase(tab, /Ready/);
	assert.not(await tab.locator('#send').isEnabled());
	await tab.setInputFiles('#files', await gpt2());
	await waitForText(tab, 'model', /^your files: gpt2, 8,\d{3} parameters, up to 120 tokens\. It answers by its chat template\.$/);
	await waitForPhase(tab, /Ready/);
	await tab.fill('#length', '12');
	await tab.locator('#message').focus();
	await tab.keyboard.type('Hello');
	await tab.keyboard.press('Shift+Enter');
	await tab.keyboard.type('you');
	await tab.keyboard.press('Enter');
	await waitForText(tab, 'tokens', /\d/);
	await waitForPhase(tab, /Ready/);
	assert.is(await tab.locator('#log li').count(), 2);
	assert.is(await tab.locator('#log .user p').innerText(), 'Hello\nyou');
	assert.ok(Number(await text(tab, 'speed')) > 0);
	assert.match(await text(tab, 'memory'), /^\d+\.\d MiB$/);
	await screenshot(tab, 'chat-page');

	await tab.fill('#message', 'x'.repeat(200));
	await tab.click('#send');
	await noticeOf(tab, /leaves no room/);
	assert.is(await tab.locator('#log li.assistant').count(), 1);
	await tab.fill('#message', 'On');
	await tab.fill('#length', '1000');
	// The answer may be complete before a key from outside arrives.
	await tab.evaluate(() => {
		const log = document.querySelector('#log')!;
		new MutationObserver((_, observer) => {
			const [, , , answer] = log.querySelectorAll('p');
			if (answer === undefined || answer.textContent === '…') return;
			observer.disconnect();
			log.classList.add(document.querySelector('#send')!.textContent === 'Stop' ? 'is-stopped' : 'is-late');
			log.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
		}).observe(log, { childList: true, characterData: true, subtree: true });
	});
	await tab.click('#send');
	await tab.locator('#log.is-stopped').waitFor();
	await waitForPhase(tab, /Ready/);
	const answered = Number(await text(tab, 'tokens'));
	assert.ok(answered < 120, `${answered} tokens in spite of Escape`);
	assert.not(await tab.locator('#notice').isVisible(), 'stopping is no problem');
	await tab.click('#clear');
	assert.is(await tab.locator('#log li').count(), 0);
	assert.equal(errors, []);
	await tab.context().close();
});

pages('chat: says in plain words why a model does not open, on a phone', async ({ browser, url }) => {
	const { tab, errors } = await openTab(browser, PHONE);
	await tab.goto(`${url}chat/`);
	await waitForPhase(tab, /Ready/);
	await requireNoOverflow(tab);
	const files = await gpt2();
	await tab.setInputFiles(
		'#files',
		files.filter(({ name }) => name !== 'config.json'),
	);
	await noticeOf(tab, /There is no config\.json\. Choose the whole folder/);
	await tab.setInputFiles('#files', [
		...files.filter(({ name }) => name !== 'config.json'),
		json('config.json', { model_type: 'mamba' }),
	]);
	await noticeOf(tab, /does not know this kind of model\..*'mamba'; wgrad has gpt2, llama/);
	await tab.setInputFiles('#files', await bert());
	await noticeOf(tab, /A model of the kind 'bert' does not write text/);
	await tab.setInputFiles(
		'#files',
		files.filter(({ name }) => !name.endsWith('.safetensors')),
	);
	await noticeOf(tab, /The weights cannot be read/);
	await tab.route('**/models.example/**', (route) => route.abort());
	await tab.fill('#address', 'https://models.example/tiny');
	await tab.keyboard.press('Enter');
	await noticeOf(tab, /could not be downloaded\. Check the address and the network/);
	assert.is(await text(tab, 'model'), 'None yet.');
	await requireNoOverflow(tab);
	await screenshot(tab, 'chat-page-phone');
	assert.equal(
		errors.filter((error) => !/net::ERR_FAILED/.test(error)),
		[],
	);
	await tab.context().close();
});

pages('similarity: ranks the sentences, and the same one comes first', async ({ browser, url }) => {
	const { tab, errors } = await openTab(browser, { viewport: { width: 1280, height: 900 } });
	await tab.goto(`${url}similarity/`);
	await waitForPhase(tab, /Ready/);
	assert.not(await tab.locator('#compare').isEnabled());
	await tab.setInputFiles('#files', await gpt2());
	await noticeOf(tab, /A model of the kind 'gpt2' gives no vectors of sentences/);
	await tab.setInputFiles('#files', await bert());
	await waitForText(tab, 'model', /^your files: [\d,]+ parameters\.$/);
	await tab.fill('#query', 'the whale');
	await tab.fill('#sentences', 'a ship\n\nthe whale\nthe sea and the sky');
	await tab.locator('#query').press('Enter');
	await waitForText(tab, 'summary', /^3 sentences in \d+ ms\. 12 numbers/);
	assert.is(await tab.locator('#ranking li').count(), 3);
	assert.match(await tab.locator('#ranking li').first().innerText(), /the whale\s+1\.000/);
	await screenshot(tab, 'similarity-page');
	await tab.setViewportSize(PHONE.viewport);
	await requireNoOverflow(tab);
	await screenshot(tab, 'similarity-page-phone');
	assert.equal(errors, []);
	await tab.context().close();
});

pages('upscale: doubles the sample, saves it, and names a file that is no picture', async ({ browser, url }) => {
	const { tab, errors } = await openTab(browser, PHONE);
	await tab.goto(`${url}upscale/`);
	await waitForPhase(tab, /Ready/);
	await requireNoOverflow(tab);
	assert.not(await tab.locator('#save').isEnabled());
	await tab.focus('#sample');
	await tab.keyboard.press('Enter');
	await waitForText(tab, 'status', /100 %/);
	await waitForPhase(tab, /Ready/);
	assert.is(await text(tab, 'size'), '128 × 128');
	assert.is(await text(tab, 'result'), '256 × 256');
	assert.ok(Number(await text(tab, 'speed')) > 0);
	// The network keeps the colours, and adds what the browser does not.
	const apart = await tab.evaluate(() => {
		const [a, b] = ['before', 'after'].map(
			(id) => (document.getElementById(id) as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, 256, 256).data,
		);
		return a!.reduce((sum, value, i) => sum + Math.abs(value - b![i]!), 0) / a!.length;
	});
	assert.ok(apart > 0.1 && apart < 12, `the pictures differ by ${apart} on average`);
	await screenshot(tab, 'upscale-page');
	const [saved] = await Promise.all([tab.waitForEvent('download'), tab.click('#save')]);
	assert.is(saved.suggestedFilename(), 'enlarged.png');
	await tab.setInputFiles('#file', { name: 'text.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
	await noticeOf(tab, /cannot read this file as a picture/);
	assert.equal(errors, []);
	await tab.context().close();
});

pages.run();
