/** The site's pages: see site/build.mjs, which gathers the texts. */
import { readFileSync } from 'node:fs';
import { FURTHER, GUIDES } from '../pages.mjs';

const icon =
	"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='7' fill='%233b5bdb'/><path d='M8 22c5 0 5-12 8-12s3 12 8 12' fill='none' stroke='white' stroke-width='3' stroke-linecap='round'/></svg>";

/** @param {string} name */
function titleOf(name) {
	const [, title = name] = /^# (.*)$/m.exec(readFileSync(new URL(`../dist/pages/${name}.md`, import.meta.url), 'utf8')) ?? [];
	return title;
}

const item = (/** @type {string} */ name) => ({ text: titleOf(name), link: `/${name}` });

export default {
	title: 'wgrad',
	description:
		'Train and run neural networks on the GPU, in the browser and in Node, with PyTorch’s names and handwritten WebGPU kernels',
	lang: 'en',
	srcDir: 'dist/pages',
	cacheDir: 'dist/cache',
	head: [['link', { rel: 'icon', href: icon }]],
	// Pages that VitePress does not make.
	ignoreDeadLinks: [/^\.\/(gallery|api)\//, /LICENSE/],
	markdown: {
		theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
		config(/** @type {import('markdown-it').default} */ markdown) {
			// Wide tables scroll in a box that the keyboard can reach.
			markdown.renderer.rules.table_open = () => '<div class="wide" tabindex="0"><table>\n';
			markdown.renderer.rules.table_close = () => '</table></div>\n';
		},
	},
	themeConfig: {
		search: { provider: 'local' },
		outline: { level: [2, 3] },
		nav: [
			{ text: 'Guides', link: '/guide' },
			{ text: 'Gallery', link: '/gallery' },
			{ text: 'Test your GPU', link: '/gallery/doctor/index.html', target: '_self' },
			{ text: 'API', link: '/api/index.html', target: '_self' },
		],
		sidebar: [
			...GUIDES.map(({ text, pages }) => ({ text, items: pages.map(item) })),
			{ text: 'The project', items: Object.keys(FURTHER).map(item) },
		],
	},
};
