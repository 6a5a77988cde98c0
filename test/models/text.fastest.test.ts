/** LSTM and GRU learn to tell passages of Moby Dick from the same letters backwards. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, init, manualSeed } from 'wgrad';
import { mobyDick } from '../../examples/text/mobyDick';
import { TextClassifier } from '../../examples/text/model';
import { Characters } from '../../examples/text/task';
import { accuracyOf, learn } from './learning';

test.before(async () => {
	await init({ device: 'webgpu' });
});

for (const [cell, lr] of [
	['lstm', 1e-2],
	['gru', 2e-2],
] as const) {
	test(`${cell} finds the direction of 93 % of unseen passages`, async () => {
		manualSeed(1);
		const text = new Characters(mobyDick());
		const [first, last] = [Math.round(0.9 * text.length), text.length];
		const passage = { minLength: 10, maxLength: 20, device: 'webgpu' } as const;
		const model = new TextClassifier({ vocabulary: text.vocabulary, classes: 2, cell, features: 16, hidden: 32 });
		await learn(
			model.parameters(),
			{ steps: 100, lr },
			() => text.draw(64, [0, first], passage),
			({ tokens, lengths, labels }) => crossEntropy(model.forward(tokens, lengths), labels),
		);
		const { tokens, lengths, labels } = await text.draw(1000, [first, last], passage);
		const accuracy = await accuracyOf(() => model.forward(tokens, lengths), labels);
		assert.ok(accuracy >= 0.93, `it knows ${accuracy}`);
	});
}
test.run();
