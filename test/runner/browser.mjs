/** Tests in headless Chromium: one browser, one page for each session of test files. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
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

	/** The browser; a new one if the last one has crashed. */
	async #open() {
		if (this.#browser === undefined || !(await this.#browser).isConnected()) {
			// Loading it takes a second, which runs without a browser save.
			const { launchChromium } = await import('../../adapters/chromium.mjs');
			this.#browser = launchChromium();
		}
		return this.#browser;
	}

	/**
	 * The adapter that the browser finds; empty if there is none.
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
	 * Runs bundled test files in one page, one after the other. If one of them does not end, a new page runs the rest.
	 *
	 * @param {readonly string[]} bundles their paths in the served folder
	 * @param {number} timeout of each, in milliseconds
	 * @param {(report: import('./node.mjs').Report) => void} onReport called for each bundle, in their order
	 */
	async run(bundles, timeout, onReport) {
		for (let done = 0; done < bundles.length; ) done += await this.#runPage(bundles.slice(done), timeout, onReport);
	}

	/**
	 * @param {readonly string[]} bundles
	 * @param {number} timeout
	 * @param {(report: import('./node.mjs').Report) => void} onReport
	 * @returns {Promise<number>} the number of bundles that it has reported on: at least one
	 */
	async #runPage(bundles, timeout, onReport) {
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
		let reported = 0;
		/** @type {NodeJS.Timeout | undefined} */
		let timer;
		try {
			/** @type {Promise<never>} */
			const died = new Promise((_, reject) => {
				page.on('crash', () => reject(new Error(`the page crashed at '${running}'`)));
				browser.on('disconnected', () => reject(new Error(`the browser died at '${running}'`)));
			});
			// The page may die after nobody waits for it any more.
			died.catch(() => {});
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
			for (const bundle of bundles) {
				const late = new Promise((_, reject) => {
					timer = setTimeout(() => reject(new Error(`still at '${running}' after ${timeout / 1000} s`)), timeout);
				});
				const finished = page.evaluate(async (path) => (await import(path)).run(), `/${bundle}`);
				finished.catch(() => {});
				const outcome = /** @type {import('./outcome').Outcome} */ (await Promise.race([finished, died, late]));
				clearTimeout(timer);
				if (bundle === bundles.at(-1)) await page.close();
				outcome.failures = outcome.failures.map(stripVTControlCharacters);
				onReport({ output, outcome, ...(uncaught !== undefined && { problem: uncaught }) });
				reported++;
				output = '';
				running = 'loading';
				uncaught = undefined;
			}
			return reported;
		} catch (error) {
			// A page that hangs does not close, and its work would slow down later tests.
			await browser.close();
			onReport({ output, problem: error instanceof Error ? error.message : String(error) });
			return reported + 1;
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
