/** The built page of the MNIST example in headless Chromium, used as a person would. */
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { openTab, pageSuite, screenshot, text, waitForNumber, waitForPhase, waitForRest, waitForText } from './tab';

/** A stroke, in fractions of the box from its upper left corner. */
type Stroke = readonly (readonly [x: number, y: number])[];
const ONE: Stroke = [
	[0.53, 0.15],
	[0.5, 0.5],
	[0.47, 0.85],
];
const ZERO: Stroke = Array.from({ length: 25 }, (_, i) => {
	const angle = (2 * Math.PI * i) / 24;
	return [0.5 - 0.22 * Math.sin(angle), 0.5 - 0.33 * Math.cos(angle)] as const;
});

const page = pageSuite('the MNIST page', 'mnist');

async function draw(tab: Page, stroke: Stroke): Promise<void> {
	const box = (await tab.locator('#drawing').boundingBox())!;
	for (const [i, [x, y]] of stroke.entries()) {
		await tab.mouse.move(box.x + x * box.width, box.y + y * box.height, { steps: 3 });
		if (i === 0) await tab.mouse.down();
	}
	await tab.mouse.up();
}

/** The ten probabilities on the page, once they differ from `before`. */
async function probabilities(tab: Page, before: readonly number[] = []): Promise<number[]> {
	const shown = await tab.waitForFunction(
		(before) => {
			const values = Array.from(document.querySelectorAll<HTMLDataElement>('#probabilities data'), ({ value }) => value);
			return values.every((value) => value !== '') && values.join() !== before ? values.map(Number) : null;
		},
		before.join(),
		{ polling: 100 },
	);
	const values = (await shown.jsonValue())!;
	assert.is(values.length, 10);
	const sum = values.reduce((total, value) => total + value, 0);
	assert.ok(Math.abs(sum - 1) < 1e-5, `the probabilities sum to ${sum}`);
	return values;
}

page('trains, and guesses what is drawn', async ({ browser, url }) => {
	const { tab, errors } = await openTab(browser);
	await tab.goto(url);
	await waitForPhase(tab, /Ready/);
	assert.match(await text(tab, 'adapter'), /^WebGPU: ./);

	await draw(tab, ZERO);
	const untrained = await probabilities(tab);
	assert.ok(Math.max(...untrained) < 0.5, `the untrained network is sure of something: ${untrained}`);

	await tab.fill('#images', '960');
	await tab.fill('#batch-size', '16');
	await tab.click('#start');
	await waitForPhase(tab, /Training/);
	assert.not(await tab.locator('#images').isEnabled(), 'settings cannot be changed meanwhile');
	const atFirst = await waitForNumber(tab, 'loss');
	await probabilities(tab, untrained);

	await tab.click('#start');
	await waitForPhase(tab, /Paused/);
	const status = await waitForRest(tab);
	await tab.waitForTimeout(1000);
	assert.is(await text(tab, 'status'), status, 'nothing goes on during a pause');
	await tab.click('#start');

	await waitForPhase(tab, /Testing|Finished/);
	const atLast = await waitForNumber(tab, 'loss');
	assert.ok(atLast < 0.5 * atFirst, `the loss went from ${atFirst} to ${atLast}`);
	assert.ok((await waitForNumber(tab, 'speed')) > 0);
	assert.ok((await waitForNumber(tab, 'test-accuracy')) > 60);
	assert.ok((await tab.locator('#chart canvas').count()) > 0, 'there is a chart');

	const zero = await probabilities(tab, untrained);
	assert.is(zero.indexOf(Math.max(...zero)), 0, `a drawn 0 gets ${zero}`);
	await tab.click('#clear');
	assert.is(await tab.locator('#probabilities .best').count(), 0);
	await draw(tab, ONE);
	await waitForText(tab, 'answer', /^Looks like 1\.$/);
	await probabilities(tab, zero);

	await screenshot(tab, 'mnist-page');

	await tab.click('#reset');
	await waitForPhase(tab, /Ready/);
	assert.is(await text(tab, 'loss'), '–');
	assert.equal(errors, []);
	await tab.context().close();
});

page('same seed, same losses', async ({ browser, url }) => {
	const { tab, errors } = await openTab(browser);
	await tab.goto(url);
	await waitForPhase(tab, /Ready/);
	await tab.fill('#images', '32');
	await tab.fill('#batch-size', '8');
	const losses = [];
	for (const seed of ['5', '5', '6']) {
		await tab.fill('#seed', seed);
		await tab.click('#start');
		await waitForPhase(tab, /Testing|Finished/);
		losses.push(await waitForNumber(tab, 'loss'));
		await tab.click('#reset');
		await waitForPhase(tab, /Ready/);
	}
	assert.is(losses[0], losses[1]);
	assert.is.not(losses[0], losses[2]);
	assert.equal(errors, []);
	await tab.context().close();
});

page('without WebGPU says so, and takes the CPU when asked', async ({ browser, url }) => {
	const { tab, errors } = await openTab(browser);
	await tab.addInitScript(() => Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined }));
	await tab.goto(url);
	await tab.locator('#use-cpu').waitFor();
	assert.match(await text(tab, 'notice'), /There is no WebGPU here/);
	assert.not(await tab.locator('#start').isEnabled());

	await tab.click('#use-cpu');
	await waitForPhase(tab, /Ready/);
	assert.not(await tab.locator('#notice').isVisible());
	await draw(tab, ONE);
	const untrained = await probabilities(tab);
	await tab.fill('#images', '16');
	await tab.fill('#batch-size', '8');
	await tab.click('#start');
	await waitForPhase(tab, /Testing|Finished/);
	assert.ok((await waitForNumber(tab, 'loss')) > 0);
	await probabilities(tab, untrained);
	assert.equal(errors, []);
	await tab.context().close();
});

page('says that the GPU was lost, and starts anew', async ({ browser, url }) => {
	const { tab } = await openTab(browser);
	await tab.addInitScript(() => {
		const request = GPUAdapter.prototype.requestDevice;
		GPUAdapter.prototype.requestDevice = async function (descriptor) {
			const device = await request.call(this, descriptor);
			addEventListener('lose-device', () => device.destroy(), { once: true });
			return device;
		};
	});
	await tab.goto(url);
	await waitForPhase(tab, /Ready/);
	await tab.click('#start');
	await waitForNumber(tab, 'loss');
	await tab.evaluate(() => dispatchEvent(new Event('lose-device')));
	await tab.locator('#notice').waitFor();
	assert.match(await text(tab, 'notice'), /Training has stopped/);

	await tab.click('#reset');
	await waitForPhase(tab, /Ready/);
	assert.not(await tab.locator('#notice').isVisible());
	await tab.click('#start');
	await waitForNumber(tab, 'loss');
	await tab.context().close();
});

page('says what is wrong when the images are missing', async ({ browser, url }) => {
	const { tab } = await openTab(browser);
	await tab.route('**/mnist.bin.gz', (route) => route.fulfill({ status: 404, body: '' }));
	await tab.goto(url);
	await tab.locator('#notice').waitFor();
	assert.match(await text(tab, 'notice'), /mnist\.bin\.gz: the server answered 404/);
	await tab.context().close();
});

page.run();
