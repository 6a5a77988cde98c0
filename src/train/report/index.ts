/** Writes the report of a run as one HTML file, which needs no other files and no network. */
import uplotScript from 'uplot/dist/uPlot.iife.min.js?text';
import uplotStyle from 'uplot/dist/uPlot.min.css?text';
import uplotLicense from 'uplot/LICENSE?text';
import { backendOf, hasBackend } from '../../backends/registry';
import type { DType } from '../../core/dtype';
import { ArgumentError } from '../../core/errors';
import { formatBytes } from '../../core/format';
import { checkOptions } from '../../core/options';
import { Module } from '../../nn/module';
import { type ModelSummary, summarize, totals } from '../../nn/summary';
import type { History, Setting } from '../history';
import { confusionSection, requireMatrix } from './confusion';
import { type Chart, chartsOf, columns, titleOf } from './curves';
import { formatDuration, formatNumber, type Html, html, imageSource, inline, jsonScript } from './html';
import pageStyle from './page.css?text';
import pageScript from './page.js?text';

/** An image in a report. */
export interface ReportImage {
	/** The bytes of a PNG, JPEG, GIF or WebP file, or a `data:image/...` URL. */
	readonly source: Uint8Array | string;
	/** The caption, which is also the text for screen readers. */
	readonly caption: string;
}

export interface ReportOptions {
	/** Default 'Training report'. */
	readonly title?: string;
	/** The model. The report lists its layers, with shapes and FLOPs if `inputShape` is given. */
	readonly model?: Module;
	/** The shape of a batch, as for `model.summary`. */
	readonly inputShape?: readonly number[] | readonly (readonly number[])[];
	/** The dtype of the input, as for `model.summary`. Default float32. */
	readonly inputDtype?: DType | readonly DType[];
	/** Settings to add to those of the history; they replace settings with the same name. */
	readonly settings?: Readonly<Record<string, Setting>>;
	/** Counts by true class (rows) and predicted class (columns), as computed by `metrics.ConfusionMatrix`. */
	readonly confusionMatrix?: readonly (readonly number[])[];
	/** Names of the classes, in order. Default: their numbers. */
	readonly classNames?: readonly string[];
	readonly images?: readonly ReportImage[];
	/** Paragraphs below the title. */
	readonly notes?: string | readonly string[];
	/** Entries to add to those found automatically: device, adapter, seed, duration. */
	readonly environment?: Readonly<Record<string, Setting>>;
}

/**
 * Returns a report of a history as one HTML file: curves of losses, metrics and learning rate, all figures by epoch, the confusion matrix
 * with precision and recall, settings, model, environment and images. It works offline, in light and dark mode, in print, and with keyboard
 * and screen reader. Escapes all text.
 */
export function htmlReport(history: History, options: ReportOptions = {}): string {
	if (!Array.isArray(history?.epochs) || typeof history.settings !== 'object')
		throw new ArgumentError('htmlReport: the first argument must be the history that fit() returned');
	checkOptions('htmlReport', options, [
		'title',
		'model',
		'inputShape',
		'inputDtype',
		'settings',
		'confusionMatrix',
		'classNames',
		'images',
		'notes',
		'environment',
	]);
	const { title = 'Training report', model, confusionMatrix, classNames, images = [], notes = [] } = options;
	if (model !== undefined && !(model instanceof Module))
		throw new ArgumentError('htmlReport: model must be an nn.Module; describe other models in notes');
	if (confusionMatrix !== undefined) requireMatrix(confusionMatrix, classNames);
	const charts = chartsOf(history);
	const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>${title}</title>
${inline('style', uplotStyle + pageStyle)}
</head>
<body>
<main>
<h1>${title}</h1>
<p class="quiet">${outcome(history)}</p>
${[notes].flat().map((note) => html`<p>${note}</p>`)}
${curvesSection(charts, history)}
${confusionMatrix === undefined ? null : confusionSection(confusionMatrix, classNames)}
${imagesSection(images)}
${pairs('settings', 'Settings', { ...history.settings, ...options.settings })}
${model === undefined ? null : modelSection(model, options)}
${pairs('environment', 'Environment', { ...environmentOf(history), ...options.environment })}
</main>
${charts.length === 0 ? null : script(charts, history)}
</body>
</html>
`;
	return page.text;
}

function outcome({ epochs, steps, seconds, stoppedEarly, stopReason }: History): string {
	const ran = `${epochs.length} ${epochs.length === 1 ? 'epoch' : 'epochs'}, ${formatNumber(steps)} steps, ${formatDuration(seconds)}`;
	return stoppedEarly ? `${ran}; stopped early${stopReason ? `: ${stopReason}` : ''}` : ran;
}

function curvesSection(charts: readonly Chart[], history: History): Html | null {
	if (charts.length === 0) return null;
	return html`<section aria-labelledby="by-epoch">
<h2 id="by-epoch">By epoch</h2>
<p class="quiet keys">Point at a curve, or focus a chart and use the arrow keys, to read its values. Drag to zoom, double-click to zoom out.</p>
<div class="charts">
${charts.map(
	(chart, i) => html`<figure>
<figcaption id="chart-${i}">${chart.title}</figcaption>
<div class="plot" data-chart="${i}" tabindex="0" role="img" aria-labelledby="chart-${i}" aria-describedby="about-${i}"></div>
<p class="reading" aria-live="polite"></p>
<p class="quiet" id="about-${i}">${chart.description}</p>
</figure>
`,
)}</div>
<noscript><p>The curves need JavaScript; the table below has all of their figures.</p></noscript>
<details>
<summary>All figures as a table</summary>
${epochsTable(history)}
</details>
</section>`;
}

function epochsTable(history: History): Html {
	const names = columns(history);
	return html`<div class="scroll" role="region" aria-label="Figures by epoch" tabindex="0">
<table>
<caption>Figures by epoch</caption>
<thead><tr>${['epoch', 'step', ...names, 'seconds'].map((name) => html`<th scope="col">${titleOf(name)}</th>`)}</tr></thead>
<tbody>
${history.epochs.map(
	(
		record,
	) => html`<tr><th scope="row">${record.epoch}</th>${['step', ...names, 'seconds'].map((name) => html`<td>${formatNumber(record[name])}</td>`)}</tr>
`,
)}</tbody>
</table>
</div>`;
}

function imagesSection(images: readonly ReportImage[]): Html | null {
	if (images.length === 0) return null;
	return html`<section aria-labelledby="images">
<h2 id="images">Images</h2>
<div class="images">
${images.map(
	({
		source,
		caption,
	}) => html`<figure><img src="${imageSource(source)}" alt="${caption}"><figcaption>${caption}</figcaption></figure>
`,
)}</div>
</section>`;
}

function pairs(id: string, title: string, values: Readonly<Record<string, Setting | undefined>>): Html | null {
	const rows = Object.entries(values).filter(([, value]) => value !== undefined);
	if (rows.length === 0) return null;
	return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
<div class="scroll">
<table class="text">
<caption class="quiet">${title} of the run</caption>
<tbody>
${rows.map(
	([
		name,
		value,
	]) => html`<tr><th scope="row">${titleOf(name)}</th><td>${typeof value === 'number' ? formatNumber(value) : String(value)}</td></tr>
`,
)}</tbody>
</table>
</div>
</section>`;
}

function modelSection(model: Module, { inputShape, inputDtype = 'float32' }: ReportOptions): Html {
	const summary: ModelSummary = summarize(model, inputShape, { dtype: inputDtype });
	const { flops, memory, layers } = summary;
	const titles = [
		'Layer',
		'Type',
		...(flops === null ? [] : ['Output shape']),
		'Parameters',
		...(flops === null ? [] : ['FLOPs']),
		...(memory.activations === null ? [] : ['Activations']),
	];
	return html`<section aria-labelledby="model">
<h2 id="model">Model</h2>
${totals(summary).map((line) => html`<p>${line}</p>`)}
<div class="scroll" role="region" aria-label="Layers" tabindex="0">
<table class="layers">
<caption>Layers; a line counts what a layer does itself, without those below it</caption>
<thead><tr>${titles.map((title) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>
${layers.map(
	(layer) => html`<tr><th scope="row">${layer.path || 'model'}</th><td>${layer.kind}</td>${[
		...(flops === null ? [] : [layer.output]),
		formatNumber(layer.parameters),
		...(flops === null ? [] : [formatNumber(layer.flops!)]),
		...(layer.activations === null ? [] : [formatBytes(layer.activations)]),
	].map((cell) => html`<td>${cell}</td>`)}</tr>
`,
)}</tbody>
</table>
</div>
</section>`;
}

/** The environment of the run that this process knows. */
function environmentOf({ settings, seconds }: History): Record<string, Setting | undefined> {
	const device = settings.device ?? (hasBackend('webgpu') ? 'webgpu' : 'cpu');
	const gpu = device === 'webgpu' && hasBackend('webgpu') ? backendOf('webgpu') : null;
	const node = (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node;
	return {
		device,
		adapter: (gpu as { info?: { description?: string } } | null)?.info?.description,
		runtime: node === undefined ? globalThis.navigator?.userAgent : `Node ${node}`,
		seed: settings.seed,
		duration: formatDuration(seconds),
		reported: new Date()
			.toISOString()
			.replace('T', ' ')
			.replace(/\.\d+Z$/, ' UTC'),
	};
}

/** uPlot formats numbers in the browser's language. With the POSIX locale that is not a valid language name. */
const SAFE_LANGUAGE = `try { new Intl.NumberFormat(navigator.language); }
catch { Object.defineProperty(navigator, 'language', { value: 'en-US' }); }
`;

function script(charts: readonly Chart[], { epochs }: History): Html {
	return html`${jsonScript('curves', { epochs: epochs.map(({ epoch }) => epoch), charts })}
<!-- The charts are drawn by uPlot.
${uplotLicense}-->
${inline('script', SAFE_LANGUAGE + uplotScript)}
${inline('script', pageScript)}`;
}
