/** An encoder-decoder Transformer learns to reverse and to sort, and writes the results token by token. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, manualSeed } from 'wgrad';
import { SYMBOLS, Translator } from '../../examples/reverse/model';
import { drawPairs, exactMatches } from '../../examples/reverse/task';
import { learn } from './learning';

test.before(async () => {
	await init({ device: 'webgpu' });
});

for (const [kind, steps] of [
	['reverse', 120],
	['sort', 100],
] as const) {
	test(`${kind}: 80 % of 200 new sequences come out right from end to end`, async () => {
		manualSeed(1);
		const task = { kind, symbols: 6, minLength: 3, maxLength: 5 };
		const model = new Translator({ vocabulary: SYMBOLS + task.symbols, maxLength: 5, width: 32, heads: 2, layers: 1 });
		await learn(
			model.parameters(),
			{ steps, lr: 1e-2 },
			() => drawPairs(task, 64, 'webgpu'),
			({ source, target }) => model.loss(source, target),
		);
		const share = await exactMatches(model, await drawPairs(task, 200, 'webgpu'));
		assert.ok(share >= 0.8, `${share} are right`);
	});
}
test.run();
