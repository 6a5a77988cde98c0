/** Pages of the examples in headless Chromium, used as a person would. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { type Context, suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { launchChromium } from '../../adapters/chromium.mjs';
import { serve } from '../../examples/serve.mjs';

/** How long a test waits for the page. Other tests may keep the machine busy meanwhile. */
const TIMEOUT = 300_000;

export interface Pages extends Context {
	browser: Browser;
	url: string;
}

/** A suite with a browser and a server of the built folder `dist/examples/<folder>`. */
export function pageSuite(title: string, folder = ''): Test<Pages> {
	const pages = suite<Pages & { close(): void }>(title);
	pages.before(async (context) => {
		const root = `dist/examples/${folder}`;
		assert.ok(existsSync(root), `${root} is not there: run 'node build.mjs' first`);
		const { url, close } = await serve(root);
		Object.assign(context, { url, close, browser: await launchChromium() });
	});
	pages.after(async ({ browser, close }) => {
		await browser?.close();
		close?.();
	});
	return pages as unknown as Test<Pages>;
}

/** A tab with a profile of its own. Its errors collect in `errors`. */
export async function openTab(browser: Browser, options: BrowserContextOptions = {}): Promise<{ tab: Page; errors: string[] }> {
	// The browser may not know the machine's own locale.
	const profile = await browser.newContext({ locale: 'en-US', viewport: { width: 1180, height: 960 }, ...options });
	profile.setDefaultTimeout(TIMEOUT);
	const tab = await profile.newPage();
	const errors: string[] = [];
	tab.on('pageerror', (error) => errors.push(String(error.stack)));
	tab.on('console', (message) => {
		if (message.type() === 'error') errors.push(message.text());
	});
	return { tab, errors };
}

export const text = (tab: Page, id: string) => tab.locator(`#${id}`).innerText();

/**
 * Waits until the text of the element matches, and returns it. Fails with the page's notice if the page stops, needs a decision or
 * does not get there in time.
 */
export async function waitForText(tab: Page, id: string, pattern: RegExp): Promise<string> {
	const fail = async (why: string) => {
		throw new Error(`#${id} is '${await text(tab, id)}', not ${pattern}: ${why}. ${await tab.locator('body').innerText()}`);
	};
	const seen = await tab
		.waitForFunction(
			([id, source]) => {
				const shown = document.getElementById(id!)!.textContent!;
				if (new RegExp(source!).test(shown)) return { shown };
				return /Stopped|Waiting/.test(document.querySelector('#phase')!.textContent!) && { shown: undefined };
			},
			[id, pattern.source],
			{ polling: 100 },
		)
		.catch((error) => fail(String(error)));
	const { shown } = (await seen.jsonValue()) as { shown?: string };
	return shown ?? fail('the page waits or has stopped');
}

export const waitForPhase = (tab: Page, phase: RegExp) => waitForText(tab, 'phase', phase);

export async function waitForNumber(tab: Page, id: string): Promise<number> {
	return Number.parseFloat(await waitForText(tab, id, /\d/));
}

/** Waits until the page's status has not changed for a second: a step that was under way has ended. */
export async function waitForRest(tab: Page): Promise<string> {
	for (let status = ''; ; ) {
		const before = status;
		status = await text(tab, 'status');
		if (status === before) return status;
		await tab.waitForTimeout(1000);
	}
}

export async function screenshot(tab: Page, name: string): Promise<void> {
	const path = `.cache/artifacts/${name}.png`;
	await mkdir(dirname(path), { recursive: true });
	await tab.screenshot({ path, fullPage: true, animations: 'disabled' });
}
