/** A masked language model learns to find hidden tokens, and masking has the right shares. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, manualSeed, noGrad, randint, tidy } from 'wgrad';
import { MASK, MaskedLanguageModel, maskTokens } from '../../examples/masked/model';
import { drawPhrases } from '../../examples/masked/phrases';
import { learn } from './learning';

test.before(async () => {
	await init({ device: 'webgpu' });
});

test('15 % of the tokens are targets: 80 % of them hidden, 10 % exchanged, 10 % unchanged', async () => {
	manualSeed(2);
	const [count, vocabulary] = [40_000, 1000];
	const tokens = randint(MASK + 1, vocabulary, [200, count / 200]);
	const masked = maskTokens(tokens, vocabulary);
	const [before, after, labels] = await Promise.all([tokens.data(), masked.tokens.data(), masked.labels.data()]);
	const shares = { asked: 0, hidden: 0, exchanged: 0, left: 0 };
	for (const [i, label] of labels.entries()) {
		if (label === -100) {
			assert.is(after[i], before[i], 'what is not asked for stays');
			continue;
		}
		assert.is(label, before[i]);
		shares.asked++;
		shares[after[i] === MASK ? 'hidden' : after[i] === label ? 'left' : 'exchanged']++;
	}
	const near = (share: number, expected: number) => Math.abs(share - expected) < 0.02;
	assert.ok(near(shares.asked / count, 0.15), `${shares.asked} of ${count} are asked for`);
	for (const [fate, expected] of [
		['hidden', 0.8],
		['exchanged', 0.1],
		['left', 0.1],
	] as const) {
		assert.ok(near(shares[fate] / shares.asked, expected), `${shares[fate]} of ${shares.asked} are ${fate}`);
	}
});

test('it predicts 93 % of the target tokens', async () => {
	manualSeed(1);
	const language = { vocabulary: 12, phrase: 4, times: 4 };
	const model = new MaskedLanguageModel({ vocabulary: 12, maxLength: 16, width: 32, heads: 2, layers: 1 });
	const draw = (count: number) => tidy(() => maskTokens(drawPhrases(count, language, 'webgpu'), language.vocabulary));
	await learn(
		model.parameters(),
		{ steps: 80, lr: 5e-3 },
		() => draw(32),
		(batch) => model.judge(batch).loss,
	);
	const { accuracy } = noGrad(() => model.judge(draw(200)));
	const share = await accuracy.item();
	assert.ok(share >= 0.93, `it knows ${share}`);
});
test.run();
