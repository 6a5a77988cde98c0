/** The playground and the page of reasons in headless Chromium, used as a person would, at both widths. */
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { PHONE, requireAccessible, requireNoOverflow, WIDE } from './axe';
import { openTab, pageSuite, screenshot, text, waitForNumber, waitForPhase, waitForText } from './tab';

const pages = pageSuite('the pages of the gallery');

/** Checks the page at both widths, and keeps a picture of each. */
async function requireFit(tab: Page, name: string): Promise<void> {
	await requireNoOverflow(tab);
	await requireAccessible(tab);
	await screenshot(tab, `${name}-page`);
	await tab.setViewportSize(PHONE.viewport);
	await requireNoOverflow(tab);
	await requireAccessible(tab);
	await screenshot(tab, `${name}-page-phone`);
}

/** Whether the canvas has many colours, and so a picture. */
async function requirePicture(tab: Page, id: string): Promise<void> {
	const colours = await tab.evaluate((id) => {
		const canvas = document.getElementById(id) as HTMLCanvasElement;
		const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
		return new Set(new Uint32Array(data.buffer)).size;
	}, id);
	assert.ok(colours > 8, `#${id} has ${colours} colours`);
}

pages('playground: learns, folds its settings away on a phone, races, saves and loads', async ({ browser, url }) => {
	const { tab, errors } = await openTab(browser, WIDE);
	await tab.goto(`${url}playground/`);
	await waitForPhase(tab, /Ready/);
	await tab.selectOption('#shape', 'clouds');
	for (const [id, value] of Object.entries({ layers: 1, width: 4, steps: 60, 'batch-size': 50, points: 100 }))
		await tab.fill(`#${id}`, String(value));
	await tab.focus('#start');
	await tab.setViewportSize(PHONE.viewport);
	assert.ok(await tab.locator('#settings').isVisible());
	await tab.keyboard.press('Enter');
	await waitForPhase(tab, /Training/);
	assert.not(await tab.locator('#settings').isVisible(), 'the settings fold away');
	await waitForPhase(tab, /Finished/);
	assert.ok(await tab.locator('#settings').isVisible(), 'and come back');
	await tab.setViewportSize(WIDE.viewport);
	assert.ok((await waitForNumber(tab, 'accuracy')) > 90);
	assert.ok((await waitForNumber(tab, 'speed')) > 0);
	await waitForText(tab, 'activity', /^\d+\.\d MiB$/);
	assert.is(await tab.locator('#units canvas').count(), 4);
	await requirePicture(tab, 'plane');

	const accuracy = await text(tab, 'accuracy');
	const [saved] = await Promise.all([tab.waitForEvent('download'), tab.click('#save-model')]);
	assert.is(saved.suggestedFilename(), 'plane.safetensors');
	const path = await saved.path();
	await tab.click('#reset');
	await waitForText(tab, 'accuracy', /^(?!–)/);
	await tab.fill('#width', '7');
	await tab.setInputFiles('#load-model', path);
	await tab.waitForFunction((accuracy) => document.querySelector('#accuracy')!.textContent === accuracy, accuracy);
	assert.is(await tab.locator('#width').inputValue(), '4', 'the settings are those of the file');
	await tab.setInputFiles('#load-model', { name: 'other.safetensors', mimeType: 'a/b', buffer: Buffer.from('no model') });
	await waitForText(tab, 'notice', /The file cannot be loaded/);

	await tab.selectOption('#surface-kind', 'ravine');
	await tab.fill('#race-steps', '8');
	await tab.click('#race');
	await waitForText(tab, 'race-status', /^step 8$/);
	assert.is(await tab.locator('#standings li').count(), 4);
	// All begin at a height of (4.5² + 30 * 3²) / 10.
	const heights = await tab
		.locator('#standings data')
		.evaluateAll((list) => list.map((item) => Number((item as HTMLDataElement).value)));
	assert.ok(
		heights.every((height, i) => height < 29.025 && height >= (heights[i - 1] ?? 0)),
		`heights ${heights}`,
	);
	await requirePicture(tab, 'surface');
	await requireFit(tab, 'playground');
	assert.equal(errors, []);

	await tab.click('text=View the source of this page');
	await tab.locator('pre').first().waitFor();
	assert.match(await tab.locator('pre').first().innerText(), /chooseDevice/);
	await requireAccessible(tab);
	await tab.context().close();
});

pages('explain: shows mistakes, filters and reasons, and explains another class', async ({ browser, url }) => {
	const { tab, errors } = await openTab(browser, WIDE);
	await tab.goto(`${url}explain/`);
	await waitForPhase(tab, /Ready/);
	await waitForText(tab, 'verdict', /^This is a circle\./);
	for (const [id, value] of Object.entries({ images: 64, tests: 20, epochs: 1, 'batch-size': 32 }))
		await tab.fill(`#${id}`, String(value));
	await tab.click('#start');
	await waitForPhase(tab, /Finished/);
	assert.ok((await waitForNumber(tab, 'accuracy')) >= 0);
	await waitForText(tab, 'count', /of 20 test pictures are mistaken/);
	const mistake = tab.locator('#mistakes button').first();
	const name = (await mistake.getAttribute('aria-label'))!;
	const [, label, predicted] = /^a (\w+), taken for: (\w+) /.exec(name)!;
	await mistake.focus();
	await tab.keyboard.press('Enter');
	await waitForText(tab, 'verdict', new RegExp(`This is a ${label}\\. The network gives \\d+ % to a ${predicted}\\.`));
	await tab.selectOption('#target', { label: `a ${label}` });
	await waitForText(tab, 'verdict', new RegExp(`to a ${label}\\.`));
	for (const id of ['picture', 'map-saliency', 'map-integrated', 'map-occlusion', 'map-cam', 'filters', 'activations'])
		await requirePicture(tab, id);
	await requireFit(tab, 'explain');
	assert.equal(errors, []);
	await tab.context().close();
});

pages('latent: learns a plane of digits, and a key moves through it', async ({ browser, url }) => {
	const { tab, errors } = await openTab(browser, WIDE);
	await tab.goto(`${url}latent/`);
	await waitForPhase(tab, /Ready/);
	for (const [id, value] of Object.entries({ images: 640, epochs: 1, 'batch-size': 16, lr: 0.005, hidden: 64 }))
		await tab.fill(`#${id}`, String(value));
	await tab.click('#start');
	await waitForPhase(tab, /Finished/);
	// A network that gives each pixel probability 1/2 pays 784 ln 2 = 543 nats.
	assert.ok((await waitForNumber(tab, 'loss')) < 400);
	await requirePicture(tab, 'plane');
	const before = await tab.locator('#decoded').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
	await tab.focus('#plane');
	for (let i = 0; i < 3; i++) await tab.keyboard.press('ArrowRight');
	await tab.keyboard.press('ArrowUp');
	await waitForText(tab, 'place', /^0\.30, 0\.10$/);
	assert.is.not(await tab.locator('#decoded').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL()), before);
	const box = (await tab.locator('#plane').boundingBox())!;
	await tab.mouse.click(box.x + box.width / 4, box.y + box.height / 2);
	await waitForText(tab, 'place', /^-1\.[45]\d, -?0\.0\d$/);
	await requireFit(tab, 'latent');
	assert.equal(errors, []);
	await tab.context().close();
});

pages.run();
