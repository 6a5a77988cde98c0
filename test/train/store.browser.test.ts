/** Checkpoints and logs in the page's private file system. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, optim } from 'wgrad';
import { BrowserStore, CsvLogger, fit, JsonlLogger, loadCheckpoint, ModelCheckpoint, saveCheckpoint } from 'wgrad/train';
import { assertRejects, linear, points, weightsOf } from './setting';

const store = new BrowserStore();

async function clear(): Promise<void> {
	for (const name of [...(await store.list('')), ...(await store.list('runs/'))]) {
		if (name !== 'runs') await store.remove(name);
	}
}

test.before.each(clear);
test.after(clear);

test('bytes are written, replaced, listed and removed', async () => {
	assert.is(await store.read('runs/a'), null);
	await store.write('runs/a', new Uint8Array([1, 2, 3]));
	await store.write('runs/a', new Uint8Array([4, 5]));
	await store.write('runs/ab', new Uint8Array([6]));
	assert.equal(Array.from((await store.read('runs/a'))!), [4, 5]);
	assert.equal((await store.list('runs/a')).sort(), ['runs/a', 'runs/ab']);
	await store.remove('runs/a');
	await store.remove('runs/a');
	assert.equal(await store.list('runs/'), ['runs/ab']);
	assert.equal(await store.list('elsewhere/'), []);
});

test('a run saves, logs and resumes by names alone', async () => {
	const run = async (epochs: number, resume: boolean) => {
		const model = linear(2, 'cpu');
		const optimizer = new optim.Adam(model.parameters());
		await fit(model, points(40, 'cpu'), {
			loss: crossEntropy,
			optimizer,
			epochs,
			seed: 1,
			verbose: 0,
			callbacks: [
				new ModelCheckpoint('runs/{epoch}.safetensors', { keep: 2 }),
				new CsvLogger('runs/log.csv'),
				new JsonlLogger('runs/log.jsonl', { everySteps: 1 }),
			],
			...(resume && { resumeFrom: 'runs/2.safetensors' }),
		});
		return weightsOf(model);
	};
	const logs = async () => {
		const texts = await Promise.all(['csv', 'jsonl'].map((kind) => store.read(`runs/log.${kind}`)));
		return texts.map((bytes) => new TextDecoder().decode(bytes!).replace(/[^,]*\n|"seconds":[^}]*/g, ''));
	};
	const whole = await run(3, false);
	assert.equal((await store.list('runs/')).sort(), [
		'runs/2.safetensors',
		'runs/3.safetensors',
		'runs/log.csv',
		'runs/log.jsonl',
	]);
	const before = await logs();
	assert.equal(await run(3, true), whole);
	assert.equal(await logs(), before);

	const model = linear(2, 'cpu');
	await saveCheckpoint('runs/own', { model }, { extra: 5 });
	assert.is(await loadCheckpoint('runs/own', { model }), 5);
	await assertRejects(() => loadCheckpoint('runs/none', { model }), /loadCheckpoint: there is no checkpoint 'runs\/none'/);
});

test.run();
