/** The GPT example on WebGPU: it learns, resumes with the same bits, and a token costs the same at every position. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { counters, init, tensor } from 'wgrad';
import { MemoryStore } from 'wgrad/train';
import { GptTraining } from '../../examples/gpt/training';
import { collect, LEARNING, SMALL, TEXT } from './gpt';

test.before(async () => {
	await init({ device: 'webgpu' });
});

test('it learns: within 60 steps the loss falls below a third', async () => {
	const training = GptTraining.begin(LEARNING, TEXT, 'webgpu');
	const before = await training.validate();
	await collect(training.run());
	const after = await training.validate();
	assert.ok(after < before / 3, `the validation loss went from ${before} to ${after}`);
	assert.is((await collect(training.write('The whale ', 6, { temperature: 0 }))).at(-1), 'The whale swims.');
});

test('a run resumed from a checkpoint gives the same bits', async () => {
	const whole = GptTraining.begin(SMALL, TEXT, 'webgpu');
	await collect(whole.run());
	const store = new MemoryStore();
	const first = GptTraining.begin(SMALL, TEXT, 'webgpu');
	await collect(first.run(4));
	await first.validate();
	await first.save('run', store);
	const second = await GptTraining.resume('run', TEXT, 'webgpu', { store });
	await collect(second.run());
	assert.equal(second.losses, whole.losses);
	const [expected, actual] = [whole.model.parameters(), second.model.parameters()];
	for (const [i, parameter] of actual.entries()) assert.equal(await parameter.data(), await expected[i]!.data());
});

test('with caches each token costs the same launches and writes', async () => {
	const { model, tokenizer } = GptTraining.begin(SMALL, TEXT, 'webgpu');
	const caches = model.caches();
	const tokens = tokenizer.encode(TEXT.slice(0, SMALL.context));
	const costs = [];
	for (const token of tokens) {
		const before = counters();
		using scores = model.next(tensor([[token]], { dtype: 'int32' }), caches);
		await scores.data();
		const after = counters();
		costs.push({ launches: after.launches - before.launches, uploaded: after.bytesUploaded - before.bytesUploaded });
	}
	for (const cost of costs.slice(1)) assert.equal(cost, costs[1]);
	for (const cache of caches) cache.dispose();
});

test.run();
