#!/usr/bin/env node
/**
 * `npm run test:site`: builds the site and drives it in headless Chromium, as a reader would: every kind of page at 1280 and at 390 pixels,
 * without WebGPU too, with axe-core, and with a budget for the start page. Checks all links. Screenshots go to .cache/artifacts/site.
 *
 * Not a part of `npm test`: the build takes half a minute of a processor.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launchChromium } from '../adapters/chromium.mjs';
import { root } from '../build.mjs';
import { serve } from '../examples/serve.mjs';
import { buildSite } from './build.mjs';

const SIZES = { wide: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };
const TIMEOUT = 60_000;
/** Of all that the start page loads before the reader scrolls: gzipped bytes, and milliseconds of this machine's processor. */
const BUDGET = { bytes: 250_000, blocking: 3000 };

/** @typedef {import('playwright-core').Page} Page */
/** @type {import('uvu').Test<{ url: string, folder: string, above: string, browser: import('playwright-core').Browser, close: () => void }>} */
const site = suite('the site');

site.before(async (context) => {
	const folder = await buildSite();
	// Under a path, as on a page of a project.
	const above = await mkdtemp(join(tmpdir(), 'wgrad-site-'));
	await symlink(folder, join(above, 'path'));
	await mkdir(join(above, 'under'));
	await cp(folder, join(above, 'under/path'), {
		recursive: true,
		filter: (path) => !path.startsWith(join(folder, 'api', 'types')),
	});
	await rm(join(above, 'path'));
	const { url, close } = await serve(above);
	Object.assign(context, { folder, above, close, url: `${url}under/path/`, browser: await launchChromium() });
});
site.after(async ({ browser, close, above }) => {
	await browser?.close();
	close?.();
	if (above !== undefined) await rm(above, { recursive: true, force: true });
});

/** A tab with its own profile. Errors, and addresses outside of the site, collect. */
async function open(
	/** @type {any} */ { browser, url },
	/** @type {{ width: number, height: number }} */ viewport,
	webgpu = true,
) {
	const profile = await browser.newContext({ locale: 'en-US', viewport });
	profile.setDefaultTimeout(TIMEOUT);
	/** @type {Page} */
	const tab = await profile.newPage();
	/** @type {string[]} */
	const errors = [];
	tab.on('pageerror', (error) => errors.push(String(error.stack)));
	tab.on('console', (message) => {
		if (message.type() === 'error') errors.push(`${message.text()} ${message.location().url}`);
	});
	tab.on('request', (request) => {
		if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(url)) errors.push(`asks for ${request.url()}`);
	});
	if (!webgpu) await tab.addInitScript(() => Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined }));
	return { tab, errors, close: () => profile.close() };
}

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8').catch(() => '');

/**
 * What axe-core objects to. TypeDoc's own pages have links within the heads of what folds, headings that skip a level, and notes of sources that
 * are landmarks within another: these three rules do not hold there.
 */
async function violations(/** @type {Page} */ tab) {
	await tab.evaluate(axe);
	return tab.evaluate(async () => {
		const off = { enabled: !location.pathname.includes('/api/') };
		const rules = { 'nested-interactive': off, 'heading-order': off, 'landmark-complementary-is-top-level': off };
		const { violations } = await /** @type {any} */ (globalThis).axe.run({ rules });
		return violations.map(
			(/** @type {any} */ { id, nodes }) =>
				`${id}: ${nodes
					.slice(0, 3)
					.map((/** @type {any} */ node) => node.html.slice(0, 160))
					.join(' | ')}`,
		);
	});
}

async function screenshot(/** @type {Page} */ tab, /** @type {string} */ name) {
	const path = join(root, `.cache/artifacts/site/${name}.png`);
	await mkdir(dirname(path), { recursive: true });
	await tab.screenshot({ path, animations: 'disabled' });
}

/** Every kind of page, and its main action. @type {Record<string, { path: string, act?: (tab: Page, width: number) => Promise<void> }>} */
const KINDS = {
	start: {
		path: '',
		async act(tab) {
			await tab.locator('.live').scrollIntoViewIfNeeded();
			await tab.waitForFunction(() => /Step \d+, loss/.test(document.querySelector('.live-status')?.textContent ?? ''));
			assert.match(await tab.locator('.live-device').innerText(), /WebGPU/);
			await tab.click('.live-pause');
			assert.is(await tab.locator('.live-pause').innerText(), 'Go on');
			assert.ok((await tab.locator('.live table, .vp-doc table').count()) >= 2, 'figures and a comparison');
		},
	},
	guide: {
		path: 'tensors.html',
		async act(tab, width) {
			// To another page, without loading the site anew, and back.
			if (width < 960) await tab.click('.VPLocalNav .menu');
			await tab.click('.VPSidebar a[href$="autograd.html"]');
			await tab.waitForFunction(() => document.querySelector('h1')?.textContent?.startsWith('Autograd'));
			await tab.goBack();
			await tab.waitForFunction(() => document.querySelector('h1')?.textContent?.startsWith('Tensors'));
		},
	},
	gallery: {
		path: 'gallery.html',
		async act(tab) {
			assert.ok((await tab.locator('.gallery a').count()) >= 7);
		},
	},
	pictures: { path: 'how-it-works.html' },
	api: {
		path: 'api/index.html',
		async act(tab) {
			const [link] = await tab.locator('a[href="../index.html"]').all();
			assert.ok(link !== undefined, 'a way back to the site');
		},
	},
	'api class': { path: 'api/classes/train_node.EarlyStopping.html' },
	'api function': { path: 'api/functions/index.tidy.html' },
};

for (const [kind, { path, act }] of Object.entries(KINDS)) {
	for (const [size, viewport] of Object.entries(SIZES)) {
		site(`${kind}, ${size}`, async (context) => {
			const { tab, errors, close } = await open(context, viewport);
			const answer = await tab.goto(context.url + path);
			assert.is(answer?.status(), 200);
			await tab.waitForLoadState('load');
			await act?.(tab, viewport.width);
			const wide = await tab.evaluate(() => document.documentElement.scrollWidth);
			assert.ok(wide <= viewport.width, `the page is ${wide} pixels wide`);
			await screenshot(tab, `${kind.replace(' ', '-')}-${size}`);
			assert.equal(await violations(tab), []);
			if (kind === 'guide') {
				await tab.evaluate(() => document.documentElement.classList.add('dark'));
				// The colours change slowly.
				await tab.waitForTimeout(1500);
				assert.equal(await violations(tab), [], 'in the dark');
				await screenshot(tab, `${kind}-dark-${size}`);
			}
			assert.equal(errors, []);
			await close();
		});
	}
}

site('search finds a guide', async (context) => {
	const { tab, errors, close } = await open(context, SIZES.wide);
	await tab.goto(`${context.url}guide.html`);
	await tab.click('.VPNavBarSearch button');
	await tab.fill('#localsearch-input', 'checkpointing');
	await tab.click('.VPLocalSearchBox .result');
	await tab.waitForURL(/autograd/);
	assert.equal(errors, []);
	await close();
});

site('without WebGPU the start page says so, and trains on the CPU', async (context) => {
	const { tab, close } = await open(context, SIZES.phone, false);
	await tab.goto(context.url);
	await tab.locator('.live').scrollIntoViewIfNeeded();
	await tab.waitForFunction(() => /Step \d+, loss/.test(document.querySelector('.live-status')?.textContent ?? ''));
	assert.match(await tab.locator('.live-device').innerText(), /no WebGPU here, so this run computes on the CPU/);
	assert.equal(await violations(tab), []);
	await close();
});

site('the start page keeps its budget', async (context) => {
	const { tab, close } = await open(context, SIZES.phone);
	/** @type {Map<string, number>} */
	const sizes = new Map();
	tab.on('response', async (response) => {
		const body = await response.body().catch(() => Buffer.alloc(0));
		sizes.set(response.url().slice(context.url.length), gzipSync(body).length);
	});
	await tab.addInitScript(() => {
		/** @type {any} */ (globalThis).blocked = 0;
		new PerformanceObserver((list) => {
			for (const { duration } of list.getEntries()) /** @type {any} */ (globalThis).blocked += duration - 50;
		}).observe({ type: 'longtask', buffered: true });
	});
	const start = performance.now();
	await tab.goto(context.url, { waitUntil: 'load' });
	// The theme's switch works as soon as the page has its scripts.
	await tab.waitForFunction(() => /** @type {any} */ (document.querySelector('#app'))?.__vue_app__ !== undefined);
	const interactive = performance.now() - start;
	await tab.waitForLoadState('networkidle');
	const blocking = await tab.evaluate(() => /** @type {any} */ (globalThis).blocked);
	const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
	console.log(
		`\n  start page: ${bytes} bytes gzipped in ${sizes.size} files, interactive after ${Math.round(interactive)} ms, of which ${Math.round(blocking)} ms beyond 50 ms in long tasks`,
	);
	assert.ok(!sizes.has('live.js'), 'the run loads when it comes into view');
	assert.ok(bytes < BUDGET.bytes, JSON.stringify([...sizes]));
	assert.ok(blocking < BUDGET.blocking, `long tasks block for ${blocking} ms`);
	await close();
});

site('the pages of the guides compute', async (context) => {
	// The HTML programs of docs/, beside the browser build.
	const folder = join(context.above, 'under/path/programs');
	await mkdir(folder, { recursive: true });
	await cp(join(root, 'dist/browser'), join(folder, 'wgrad'), { recursive: true, filter: (path) => !path.endsWith('.map') });
	let count = 0;
	for (const file of await readdir(join(root, 'docs'))) {
		if (!file.endsWith('.md')) continue;
		for (const [, page = ''] of (await readFile(join(root, 'docs', file), 'utf8')).matchAll(/```html\n(.*?)```/gs)) {
			await writeFile(join(folder, `${++count}.html`), page);
			const { tab, errors, close } = await open(context, SIZES.phone);
			await tab.addInitScript(() => {
				// A camera.
				Object.defineProperty(navigator, 'mediaDevices', {
					value: {
						async getUserMedia() {
							const canvas = document.createElement('canvas');
							const context = canvas.getContext('2d');
							setInterval(() => context?.fillRect(0, 0, 99, 99), 30);
							return canvas.captureStream(30);
						},
					},
				});
			});
			await tab.goto(`${context.url}programs/${count}.html`);
			if ((await tab.locator('button').count()) > 0) {
				await tab.waitForFunction(() => document.querySelector('button')?.onclick !== null);
				await tab.click('button');
			}
			const isDone = () => {
				const output = document.querySelector('output');
				if (output !== null) return /webgpu: 0|results from the worker|red \d/.test(output.textContent ?? '');
				return (document.querySelector('canvas')?.width ?? 300) !== 300;
			};
			await tab.waitForFunction(isDone, undefined, { polling: 100 });
			assert.equal(
				errors.filter((error) => !error.includes('favicon')),
				[],
				`${file}, program ${count}`,
			);
			await close();
		}
	}
	assert.ok(count >= 4, `${count} programs`);
});

site('links lead somewhere', async ({ folder }) => {
	/** The ids of each page. @type {Map<string, Set<string>>} */
	const ids = new Map();
	/** @type {[from: string, to: string, id: string][]} */
	const links = [];
	for (const file of await readdir(folder, { recursive: true })) {
		if (!file.endsWith('.html')) continue;
		const path = file.replaceAll('\\', '/');
		const text = await readFile(join(folder, file), 'utf8');
		ids.set(path, new Set([...text.matchAll(/\s(?:id|name)="([^"]+)"/g)].map(([, id = '']) => id)));
		for (const [, address = ''] of text.matchAll(/\s(?:href|src)="([^"]+)"/g)) {
			if (/^(https?|data|mailto):/.test(address)) continue;
			const [to = '', id = ''] = address.replaceAll('&amp;', '&').split('#');
			const target =
				to === '' ? path : normalize(join(dirname(path), decodeURIComponent(to.split('?')[0] ?? ''))).replaceAll('\\', '/');
			links.push([path, target, decodeURIComponent(id)]);
		}
	}
	assert.ok(ids.size > 500 && links.length > 10_000, `${ids.size} pages with ${links.length} links`);
	const wrong = links.filter(([, to, id]) => {
		const page = ids.get(to) ?? ids.get(`${to.replace(/\/$/, '')}/index.html`.replace(/^\.\//, ''));
		if (page === undefined) return !existsSync(join(folder, to));
		return id !== '' && !page.has(id);
	});
	assert.equal([...new Set(wrong.map(([from, to, id]) => `${from}: ${to}#${id}`))].slice(0, 20), []);
});

site.run();
