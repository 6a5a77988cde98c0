/** What every page must have: no violation that axe-core finds, and nothing that hangs out at the side. */
import { readFileSync } from 'node:fs';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';

let script: string | undefined;

/** Throws with each violation and the elements that it concerns. */
export async function requireAccessible(tab: Page): Promise<void> {
	script ??= readFileSync('node_modules/axe-core/axe.min.js', 'utf8');
	await tab.evaluate(script);
	const { violations } = (await tab.evaluate('axe.run()')) as AxeResults;
	const found = violations.map(
		({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' ')}`,
	);
	assert.equal(found, []);
}

/** Throws if the page is wider than its window. */
export async function requireNoOverflow(tab: Page): Promise<void> {
	assert.is(await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
}

export const WIDE = { viewport: { width: 1280, height: 900 } };
export const PHONE = { viewport: { width: 390, height: 844 } };
