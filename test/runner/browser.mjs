/** Tests in headless Chromium: one browser, one page for each test file. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { launchChromium } from '../../adapters/chromium.mjs';
import { serve } from '../../examples/serve.mjs';

export class BrowserRunner {
	/** @type {Promise<import('playwright-core').Browser> | undefined} */
	#browser;
	/** @type {{ url: string, close: () => void } | undefined} */
	#server;

	/** @param {string} folder the bundles, served to the pages */
	async start(folder) {
		await writeFile(join(folder, 'index.html'), '<!doctype html><meta charset="utf-8"><title>wgrad tests</title>\n');
		this.#server = await serve(folder);
	}

	/** The browser, a new one when the last has crashed. */
	async #open() {
		if (this.#browser === undefined || !(await this.#browser).isConnected()) this.#browser = launchChromium();
		return this.#browser;
	}

	/**
	 * The adapter that the browser finds, empty where there is none.
	 *
	 * @returns {Promise<string>}
	 */
	async probe() {
		const page = await (await this.#open()).newPage();
		await page.goto(this.#url);
		const name = await page.evaluate(async () => {
			const adapter = await navigator.gpu?.requestAdapter();
			return adapter ? adapter.info.description || `${adapter.info.vendor} ${adapter.info.architecture}` : '';
		});
		await page.close();
		return name;
	}

	/**
	 * @param {string} bundle path of the bundle in the served folder
	 * @param {number} timeout in milliseconds
	 * @returns {Promise<import('./node.mjs').Report>}
	 */
	async run(bundle, timeout) {
		const browser = await this.#open();
		const page = await browser.newPage();
		let output = '';
		let running = 'loading';
		/** @type {string | undefined} */
		let uncaught;
		page.on('console', (message) => {
			output += `${stripVTControlCharacters(message.text()).trimEnd()}\n`;
		});
		page.on('pageerror', (error) => {
			uncaught ??= `an uncaught error at '${running}': ${error.stack ?? error.message}`;
		});
		/** @type {NodeJS.Timeout | undefined} */
		let timer;
		const failed = new Promise((_, reject) => {
			timer = setTimeout(() => reject(new Error(`still at '${running}' after ${timeout / 1000} s`)), timeout);
			page.on('crash', () => reject(new Error(`the page crashed at '${running}'`)));
			browser.on('disconnected', () => reject(new Error(`the browser died at '${running}'`)));
		});
		const finished = (async () => {
			await page.exposeFunction('testStarted', (/** @type {string} */ name) => {
				running = name;
			});
			const { WGRAD_CASES, WGRAD_SEED } = process.env;
			await page.addInitScript((settings) => Object.assign(globalThis, settings), {
				WGRAD_ADAPTER: 'chromium',
				WGRAD_CASES,
				WGRAD_SEED,
			});
			await page.goto(this.#url);
			return page.evaluate(async (path) => (await import(path)).run(), `/${bundle}`);
		})();
		try {
			const outcome = /** @type {import('./outcome').Outcome} */ (await Promise.race([finished, failed]));
			await page.close();
			outcome.failures = outcome.failures.map(stripVTControlCharacters);
			return { output, outcome, ...(uncaught !== undefined && { problem: uncaught }) };
		} catch (error) {
			finished.catch(() => {});
			// A page that hangs does not close, and its work would slow down the tests that follow.
			await browser.close();
			return { output, problem: error instanceof Error ? error.message : String(error) };
		} finally {
			clearTimeout(timer);
		}
	}

	get #url() {
		if (this.#server === undefined) throw new Error('the test server has not been started');
		return this.#server.url;
	}

	async close() {
		await (await this.#browser)?.close();
		this.#server?.close();
	}
}
