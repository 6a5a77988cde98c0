/** GPT-2's logits and 20 training steps on the CPU path against PyTorch's, which are in float64. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type DType, io, noGrad } from 'wgrad';
import { requireClose } from '../proofs/compare';
import { file, golden, pretrained, tokensOf, trainOnBatch } from './gpt2';

for (const [dtype, relative] of [
	['float32', 1e-5],
	['float64', 1e-10],
] as readonly [DType, number][]) {
	test(`a GPT-2 file gives PyTorch's logits, in ${dtype}`, async () => {
		const model = await pretrained('cpu', dtype);
		const logits = noGrad(() => model.forward(tokensOf(golden.tokens, 'cpu')));
		requireClose('logits', await logits.data(), golden.logits, { relative, absolute: relative });
	});

	test(`20 steps give PyTorch's losses, in ${dtype}`, async () => {
		const { losses, norms, squares } = await trainOnBatch('cpu', dtype);
		const { training } = golden;
		requireClose('losses', losses, training.losses, { relative, absolute: 0 });
		requireClose('norms of gradients', norms, training.norms, { relative, absolute: 0 });
		assert.equal(Object.keys(squares).sort(), Object.keys(training.squares).sort());
		for (const [name, expected] of Object.entries(training.squares)) {
			requireClose(name, [squares[name]!], [expected], { relative, absolute: 0 });
		}
	});
}

test('the state has the keys and shapes of the file, after the prefix, and the head is the table', async () => {
	const model = await pretrained('cpu', 'float32');
	const state = model.stateDict();
	const saved = io.loadSafetensors(file, { device: 'cpu' });
	const keys = Object.keys(saved).filter((key) => !key.endsWith('.attn.bias'));
	assert.equal(Object.keys(state).sort(), [...keys.map((key) => `transformer.${key}`), 'lm_head.weight'].sort());
	for (const key of keys) assert.equal(state[`transformer.${key}`]!.shape, saved[key]!.shape);
	assert.is(state['lm_head.weight']!.storage, state['transformer.wte.weight']!.storage);
	assert.is(model.parameters().length, keys.length);
});

test('a state that does not fit throws a clear error', async () => {
	const model = await pretrained('cpu', 'float32');
	const { 'wpe.weight': _, ...rest } = io.loadSafetensors(file, { device: 'cpu' });
	assert.throws(() => model.loadPretrained(rest), /missing keys: transformer\.wpe\.weight/);
});

test.run();
