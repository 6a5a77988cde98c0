/** `generate` repeats the GPU's work of a token: the same tokens and logits as with calls that run as usual, and as without fixed spans. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, manualSeed, nn, rand, shutdown, tensor, tidy } from 'wgrad';
import { type CausalModel, GPT2LMHeadModel, LlamaForCausalLM } from 'wgrad/models';

test.before(async () => {
	await init({ device: 'webgpu' });
});
test.after(() => shutdown());

const MODELS: Readonly<Record<string, () => CausalModel>> = {
	'GPT-2': () => new GPT2LMHeadModel({ vocab_size: 40, n_positions: 100, n_embd: 16, n_layer: 2, n_head: 2 }),
	'Mistral, with a window': () =>
		new LlamaForCausalLM({
			model_type: 'mistral',
			vocab_size: 40,
			hidden_size: 16,
			intermediate_size: 24,
			num_hidden_layers: 2,
			num_attention_heads: 4,
			num_key_value_heads: 2,
			max_position_embeddings: 100,
			sliding_window: 9,
		}),
};
/** The caches grow over 64 rows, so that the span changes. */
const PROMPTS = [48, 45].map((length) => Array.from({ length }, (_, i) => (i * i + length) % 40));
const OPTIONS = { maxNewTokens: 24, temperature: 2, seed: 4 };

async function written(model: CausalModel, compile: boolean) {
	const steps = [];
	for await (const step of model.generateBatch(PROMPTS, { ...OPTIONS, compile })) steps.push(step);
	return steps;
}

for (const [name, make] of Object.entries(MODELS)) {
	test(`${name}: compiled, as usual, and in one pass`, async () => {
		manualSeed(1);
		const model = make().eval();
		const usual = await written(model, false);
		assert.is(usual.length, 24);
		assert.equal(await written(model, true), usual);
		// The logits of the last token, from the whole text at once.
		const text = [3, 1, 4, 1, 5, ...usual.slice(0, 8).map(([token]) => token!)];
		const caches = model.makeCaches(1, 64);
		const ids = (tokens: number[]) => tensor(tokens, { shape: [1, tokens.length], dtype: 'int32' });
		model.next(ids(text.slice(0, 5)), { caches });
		let last: number[] = [];
		for (const [i, token] of text.slice(5).entries()) {
			const logits = model.step(ids([token]), tensor([5 + i], { dtype: 'int32' }), { caches, span: 32 });
			for (const cache of caches) cache.advance();
			last = [...(await logits.data())];
		}
		const whole = [...(await model.next(ids(text)).data())];
		for (const [i, value] of whole.entries())
			assert.ok(Math.abs(value - last[i]!) < 1e-5, `logit ${i}: ${last[i]}, not ${value}`);
	});
}

test('a row at a position of the device, and wrong calls', async () => {
	const cache = new nn.KVCache({ batch: 2, heads: 1, maxLength: 4, headSize: 3 });
	const row = rand([2, 1, 1, 3]);
	const at = (i: number) => tensor([i], { dtype: 'int32' });
	tidy(() => void cache.append(rand([2, 1, 2, 3]), rand([2, 1, 2, 3])));
	const { key } = cache.put(row, row, at(2), 4);
	cache.advance();
	assert.is(cache.length, 3);
	assert.equal([...(await key.select(2, 2).data())], [...(await row.data())]);
	assert.equal([...(await key.select(2, 3).data())], [0, 0, 0, 0, 0, 0]);
	assert.throws(() => cache.put(rand([2, 1, 2, 3]), row, at(3), 4), /KVCache.put: key \[2, 1, 2, 3\] must be \[2, 1, 1, 3\]/);
	assert.throws(() => cache.put(row, row, rand([1]), 4), /KVCache.put: position has dtype float32; it takes int32/);
	assert.throws(() => cache.put(row, row, at(3), 5), /span 5 must lie between 1 and maxLength 4/);
	cache.advance();
	assert.throws(() => cache.advance(), /all 4 rows are in use/);
});

test.run();
