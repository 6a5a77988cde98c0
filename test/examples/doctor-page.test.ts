/** The built page that tests a GPU, in headless Chromium, used as a person would. */
import { readFile } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import type { DoctorReport } from '../../bench/doctor/report';
import { openTab, pageSuite, screenshot, text, waitForPhase } from './tab';

const page = pageSuite('the page that tests a GPU', 'doctor');

page(
	'compares kernels with the CPU for the time that it has, shows what it found, and saves the report',
	async ({ browser, url }) => {
		const { tab, errors } = await openTab(browser, { viewport: { width: 390, height: 844 } });
		await tab.goto(url);
		await waitForPhase(tab, /Ready/);
		await tab.fill('#seconds', '5');
		await tab.uncheck('#with-speed');
		// By keyboard.
		await tab.focus('#start');
		await tab.keyboard.press('Enter');
		await waitForPhase(tab, /Testing/);
		await waitForPhase(tab, /Ready/);
		assert.match(await text(tab, 'verdict'), /^Everything is right: \d+ checks of \d+ kernel variants in \d+ s\./);
		assert.match(await text(tab, 'facts'), /adapter/);
		assert.ok((await tab.locator('#kernels tr').count()) > 0);
		assert.not(await tab.locator('#wrong').isVisible());
		const wide = await tab.evaluate(() => document.documentElement.scrollWidth);
		assert.ok(wide <= 390, `the page is ${wide} pixels wide on a phone`);
		await screenshot(tab, 'doctor-page');
		const [download] = await Promise.all([tab.waitForEvent('download'), tab.click('#save')]);
		assert.is(download.suggestedFilename(), 'wgrad-doctor.json');
		const report = JSON.parse(await readFile(await download.path(), 'utf8')) as DoctorReport;
		assert.ok(report.correctness.passed > 0 && report.speed === null);
		assert.equal(errors, []);
		await tab.context().close();
	},
);

page('stops when asked', async ({ browser, url }) => {
	const { tab } = await openTab(browser);
	await tab.goto(url);
	await waitForPhase(tab, /Ready/);
	await tab.click('#start');
	await tab.click('#stop');
	await waitForPhase(tab, /Ready/);
	assert.match(await text(tab, 'verdict'), /There was no time for \d+ further checks/);
	await tab.context().close();
});

page.run();
