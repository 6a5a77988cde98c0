/** The HTML report: its contents, and that no text becomes markup. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { nn } from 'wgrad';
import { type History, htmlReport, writeReport } from 'wgrad/train';
import { HOSTILE, history, options, shortRun } from './reportExample';

/** The text between the tags of a piece of HTML. */
function texts(html: string): string[] {
	return html.split(/<[^>]*>/).filter((text) => text.trim() !== '');
}

function section(page: string, id: string): string {
	const found = page.split('<section').find((part) => part.includes(`aria-labelledby="${id}"`));
	if (found === undefined) throw new Error(`no section ${id}`);
	return found;
}

test('no text becomes markup', () => {
	const page = htmlReport(history, options);
	assert.not.ok(page.includes('<img src=x'));
	assert.not.ok(page.includes('<script>alert'));
	assert.not.ok(page.includes('<b>'));
	// The scripts of the page: its data, uPlot and the drawing code.
	assert.is(page.match(/<script/g)?.length, 3);
	assert.is(page.match(/<\/script/g)?.length, 3);
	assert.is(page.match(/onerror/g)?.length, page.match(/&lt;img src=x onerror=alert\(2\)&gt;|\\u003cimg src=x onerror/g)?.length);
	assert.ok(
		page.includes(
			HOSTILE.replaceAll('&', '&amp;')
				.replaceAll('<', '&lt;')
				.replaceAll('>', '&gt;')
				.replaceAll('"', '&quot;')
				.replaceAll("'", '&#39;'),
		),
	);
	assert.not.ok(htmlReport({ ...history, settings: { a: 'x\u0000\u001b[31m' } }).includes('\u001b'));
});

/** The tags of a page with the names of their attributes. */
function tags(page: string): string {
	return page
		.match(/<[/!a-z](?:"[^"]*"|[^">])*>/gi)!
		.map((tag) => tag.replace(/"[^"]*"/g, '""'))
		.join('\n');
}

test('the page has the same elements and attributes for any text', () => {
	const page = (text: string) => {
		const Layer = { [text]: class extends nn.ReLU {} }[text]!;
		return htmlReport(
			{
				...history,
				epochs: history.epochs.map((record) => ({ ...record, [text]: 1 })),
				settings: { [text]: text },
				stopReason: text,
			},
			{
				title: text,
				notes: [text],
				model: new nn.Sequential({ [text.replaceAll('.', '')]: new Layer() }),
				settings: { [text]: text },
				confusionMatrix: [[1]],
				classNames: [text],
				images: [{ source: `data:image/png;base64,${text}`, caption: text }],
				environment: { [text]: text },
			},
		);
	};
	const harmless = tags(page('text'));
	for (const text of [
		HOSTILE,
		'<!--<script>',
		'--><script>alert(1)</script>',
		']]><svg/onload=alert(1)>',
		'</style></title></noscript><iframe srcdoc="<script>alert(1)</script>">',
		'" onmouseover="alert(1)',
		"' autofocus onfocus='alert(1)",
		'`$' + '{alert(1)}`',
		'<\u0000script>alert(1)</script>',
		'\u2028alert(1)\u2029//',
		'&lt;script&gt;&#60;script&#62;',
		'\ud800<b>',
	]) {
		assert.is(tags(page(text)), harmless, text);
	}
});

test('the page makes no network requests', () => {
	const page = htmlReport(history, options);
	const addresses = [...page.matchAll(/\s(?:src|href|action|srcset)="([^"]*)"|url\(([^)]*)\)/g)].map(
		(match) => match[1] ?? match[2]!,
	);
	assert.is(addresses.length, 1);
	assert.match(addresses[0]!, /^data:image\/png;base64,/);
	assert.match(page, /Content-Security-Policy" content="default-src 'none'/);
	assert.not.match(page, /<link|@import/);
});

test('precision, recall and F1 of each class, and their mean', () => {
	const page = section(htmlReport(history, options), 'confusion');
	const table = texts(page.slice(page.indexOf('Scores by class</caption>')));
	const row = (name: string) => table.slice(table.indexOf(name) + 1, table.indexOf(name) + 5);
	assert.equal(row('cat'), ['88.9 %', '80.0 %', '84.2 %', '10']);
	assert.equal(row('dog'), ['56.3 %', '90.0 %', '69.2 %', '10']);
	// A class that is never predicted has no precision, which counts as 0.
	assert.ok(page.includes('<td>–</td><td>0.0 %</td><td>0.0 %</td><td>5</td>'));
	assert.equal(row('Mean of the classes'), ['48.4 %', '56.7 %', '51.1 %', '25']);
	assert.match(page, /Accuracy 68\.0 % of 25 samples/);
	assert.match(page, /<td class="wrong" style="--share:1\.000" title="100\.0 % of the row">5<\/td>/);
});

test('curves: losses and metrics with their validation, the learning rate on a logarithmic scale', () => {
	const page = htmlReport(history, options);
	const data = JSON.parse(/<script type="application\/json" id="curves">(.*?)<\/script>/.exec(page)![1]!);
	assert.equal(
		data.epochs,
		history.epochs.map(({ epoch }) => epoch),
	);
	assert.equal(
		data.charts.map(({ title, curves, logarithmic }: { title: string; curves: { label: string }[]; logarithmic: boolean }) => [
			title,
			curves.map(({ label }) => label),
			logarithmic,
		]),
		[
			['Loss', ['training', 'validation'], false],
			['Accuracy', ['training', 'validation'], false],
			[`<b>${HOSTILE}`, ['training'], false],
			['Learning rate', ['learning rate'], true],
		],
	);
	assert.is(data.charts[0].curves[1].values[3], null);
	assert.match(
		page,
		/Training: from 2\.3 at epoch 1 to 0\.19167 at epoch 12; lowest 0\.19167 at epoch 12, highest 2\.3 at epoch 1\./,
	);
	const table = texts(page.slice(page.indexOf('Figures by epoch</caption>')));
	assert.equal(table.slice(2, 6), ['Step', 'Loss', 'Val loss', 'Accuracy']);
});

test('settings, model, environment, notes and the end of the run', () => {
	const page = htmlReport(history, options);
	const settings = texts(section(page, 'settings'));
	assert.equal(settings.slice(settings.indexOf('Batch size'), settings.indexOf('Batch size') + 2), ['Batch size', '64']);
	assert.equal(settings.slice(settings.indexOf('Augmentation'), settings.indexOf('Augmentation') + 2), ['Augmentation', 'null']);
	const model = texts(section(page, 'model'));
	assert.ok(model.includes('67 parameters, 67 trainable'));
	assert.equal(model.slice(model.indexOf('Linear') - 1, model.indexOf('Linear') + 5), [
		'0',
		'Linear',
		'[2, 8]',
		'40',
		'128',
		'0 B',
	]);
	const environment = texts(section(page, 'environment'));
	assert.equal(environment.slice(environment.indexOf('Duration'), environment.indexOf('Duration') + 2), [
		'Duration',
		'1 h 02 min 05 s',
	]);
	assert.ok(environment.some((text) => /^Node \d/.test(text)));
	assert.match(page, /12 epochs, 1,200 steps, 1 h 02 min 05 s; stopped early: valLoss did not improve/);
	assert.match(page, /<p>First note<\/p>/);
});

test('a run of one epoch, and of none', () => {
	const { settings, steps, stopReason } = history;
	const one: History = {
		epochs: [{ epoch: 1, step: 3, loss: 0.5, lr: 0.01, seconds: 0.02 }],
		settings,
		steps,
		stoppedEarly: false,
		stopReason,
		seconds: 0.02,
	};
	assert.match(htmlReport(one), /1 epoch, 1,200 steps, 0\.02 s<\/p>/);
	const none = htmlReport({ ...one, epochs: [] });
	assert.not.match(none, /<script|By epoch/);
	assert.match(none, /Settings/);
});

test('wrong calls throw clear errors', () => {
	assert.throws(() => htmlReport({} as History), /htmlReport: the first argument must be the history that fit\(\) returned/);
	assert.throws(() => htmlReport({ epochs: [] } as unknown as History), /the history that fit\(\) returned/);
	assert.throws(() => htmlReport(history, { model: {} as never }), /htmlReport: model must be an nn\.Module/);
	assert.throws(() => htmlReport(history, { confusionMatrix: [[1, 2]] }), /confusionMatrix must be a square array/);
	assert.throws(() => htmlReport(history, { ...options, classNames: ['a'] }), /1 classNames for a confusion matrix of 3 classes/);
	assert.throws(
		() => htmlReport(history, { images: [{ source: 'https://example.com/a.png', caption: '' }] }),
		/data:image\/ URL, because the report must work offline/,
	);
	assert.throws(() => htmlReport(history, { images: [{ source: new Uint8Array(8), caption: '' }] }), /PNG, JPEG, GIF or WebP/);
	assert.throws(() => htmlReport(history, { titel: 'x' } as object), /there is no option 'titel'/);
});

test('a run of fit becomes a file', async () => {
	const folder = await mkdtemp(join(tmpdir(), 'wgrad-report-'));
	try {
		const path = join(folder, 'runs/1/report.html');
		const run = await shortRun();
		await writeReport(path, run.history, run.options);
		assert.equal(await readdir(join(folder, 'runs/1')), ['report.html']);
		const page = await readFile(path, 'utf8');
		assert.match(page, /<title>Three clouds<\/title>/);
		const words = texts(section(page, 'settings'));
		for (const [name, value] of [
			['Loss', 'crossEntropy'],
			['Optimizer', 'Adam'],
			['Scheduler', 'CosineAnnealingLR'],
			['Batch size', '16'],
			['Seed', '5'],
		])
			assert.is(words[words.indexOf(name!) + 1], value);
		assert.match(section(page, 'confusion'), /Accuracy \d+\.\d % of 90 samples/);
		// The multiply-adds of two layers, and ReLU.
		assert.match(
			section(page, 'model'),
			new RegExp(`${(16 * (2 * 2 * 16 + 16 + 2 * 16 * 3)).toLocaleString('en-US')} FLOPs forward`),
		);
		assert.is(page.match(/<figure>/g)?.length, 3);
	} finally {
		await rm(folder, { recursive: true });
	}
});

test.run();
