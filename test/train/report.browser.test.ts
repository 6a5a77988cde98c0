/** The opened HTML report: it draws curves, reads them out with keys, makes no requests, and runs no text as code. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { htmlReport } from 'wgrad/train';
import { history, options, shortRun } from './reportExample';

/** Opens the page in a frame, and waits until its scripts have run and drawn. */
async function open(page: string): Promise<{ frame: HTMLIFrameElement; content: Document; view: Window & typeof globalThis }> {
	const frame = document.createElement('iframe');
	frame.width = '900';
	frame.height = '700';
	frame.srcdoc = page;
	const loaded = new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }));
	document.body.append(frame);
	await loaded;
	await new Promise((resolve) => setTimeout(resolve, 100));
	return { frame, content: frame.contentDocument!, view: frame.contentWindow as Window & typeof globalThis };
}

/** The number of coloured pixels of a canvas: neither grey nor transparent. */
function coloured(canvas: HTMLCanvasElement): number {
	const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
	let count = 0;
	for (let i = 0; i < data.length; i += 4) {
		const [r, g, b, a] = [data[i]!, data[i + 1]!, data[i + 2]!, data[i + 3]!];
		if (a > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 60) count++;
	}
	return count;
}

test('the curves are drawn, and no text of the run is executed', async () => {
	let alerts = 0;
	window.alert = () => alerts++;
	const { frame, content, view } = await open(htmlReport(history, options));
	view.alert = window.alert;
	const canvases = [...content.querySelectorAll('canvas')];
	assert.is(canvases.length, 4);
	for (const canvas of canvases) {
		const pixels = coloured(canvas);
		assert.ok(pixels > 300, `only ${pixels} pixels of curves`);
	}
	assert.is(content.querySelectorAll('script').length, 3);
	assert.is(content.querySelectorAll('img').length, 1);
	assert.is(content.querySelector('img')!.naturalWidth, 1);
	assert.is(alerts, 0);
	const requests = Array.from(view.performance.getEntriesByType('resource'), ({ name }) => name);
	assert.equal(
		requests.filter((name) => !name.startsWith('data:')),
		[],
	);
	frame.remove();
});

test('arrow keys walk over the epochs', async () => {
	const { frame, content, view } = await open(htmlReport(history, options));
	const plot = content.querySelector<HTMLElement>('.plot')!;
	const reading = plot.parentElement!.querySelector('.reading')!;
	const press = (key: string) => plot.dispatchEvent(new view.KeyboardEvent('keydown', { key, bubbles: true }));
	press('ArrowRight');
	press('ArrowRight');
	assert.is(reading.textContent, 'Epoch 2: training 1.15, validation 1.25');
	press('End');
	press('ArrowRight');
	assert.match(reading.textContent!, /^Epoch 12: training 0\.19167/);
	press('Home');
	assert.match(reading.textContent!, /^Epoch 1: /);
	assert.is(plot.tabIndex, 0);
	frame.remove();
});

test('everything opens for printing, and closes again', async () => {
	const { frame, content, view } = await open(htmlReport(history, options));
	const details = content.querySelector('details')!;
	assert.not.ok(details.open);
	view.dispatchEvent(new view.Event('beforeprint'));
	assert.ok(details.open);
	assert.is(view.getComputedStyle(content.body).backgroundColor, 'rgb(255, 255, 255)');
	assert.is(content.querySelectorAll('canvas').length, 4);
	view.dispatchEvent(new view.Event('afterprint'));
	assert.not.ok(details.open);
	frame.remove();
});

test('every table has a caption, and every control a name', async () => {
	const { frame, content } = await open(htmlReport(history, options));
	const tables = [...content.querySelectorAll('table:not(.u-legend)')];
	assert.ok(tables.length >= 6);
	for (const table of tables) assert.ok(table.querySelector('caption')?.textContent);
	for (const region of content.querySelectorAll('[tabindex]'))
		assert.ok(region.getAttribute('aria-label') ?? region.getAttribute('aria-labelledby'));
	for (const element of content.querySelectorAll('[aria-labelledby], [aria-describedby]'))
		for (const id of `${element.getAttribute('aria-labelledby') ?? ''} ${element.getAttribute('aria-describedby') ?? ''}`
			.trim()
			.split(/\s+/))
			assert.ok(content.getElementById(id)?.textContent, `nothing has the id ${id}`);
	frame.remove();
});

test('a run of fit in the page becomes a report with its curves', async () => {
	const run = await shortRun();
	const { frame, content } = await open(htmlReport(run.history, run.options));
	assert.equal(
		Array.from(content.querySelectorAll('figcaption'), ({ textContent }) => textContent),
		['Loss', 'Accuracy', 'Learning rate'],
	);
	for (const canvas of content.querySelectorAll('canvas')) assert.ok(coloured(canvas) > 300);
	assert.is(content.querySelectorAll('.heat td.right').length, 3);
	frame.remove();
});

test.run();
