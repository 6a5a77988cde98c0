/** Headless Chromium with WebGPU on SwiftShader, from the npm package `@sparticuz/chromium`, driven by Playwright. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { unpack } from './archive.mjs';

const FLAGS = [
	'--no-sandbox',
	'--enable-unsafe-webgpu',
	'--use-webgpu-adapter=swiftshader',
	'--enable-unsafe-swiftshader',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-domain-reliability',
	'--disable-sync',
	'--no-pings',
	'--no-first-run',
	'--force-color-profile=srgb',
	'--font-render-hinting=none',
];

/**
 * Starts the browser. On systems other than Linux x64, or if WGRAD_CHROMIUM names an executable, uses an installed browser.
 *
 * @returns {Promise<import('playwright-core').Browser>}
 */
export async function launchChromium() {
	const installed = process.env.WGRAD_CHROMIUM;
	if (installed !== undefined) return chromium.launch({ executablePath: installed, args: FLAGS });
	const folder = await unpack('chromium', {
		'chromium.br': '',
		'swiftshader.tar.br': '',
		'al2023.tar.br': '',
		'fonts.tar.br': '',
	});
	if (folder === undefined) return chromium.launch({ channel: 'chrome', args: FLAGS });

	// The archive's own configuration refers to folders of another system.
	const fonts = join(folder, 'fonts.conf');
	await writeFile(
		fonts,
		`<fontconfig><dir>${join(folder, 'fonts')}</dir><cachedir>${join(folder, 'fonts-cache')}</cachedir></fontconfig>\n`,
	);
	const libraries = [join(folder, 'lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
	return chromium.launch({
		executablePath: join(folder, 'chromium'),
		args: FLAGS,
		env: { ...process.env, LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: fonts },
	});
}
