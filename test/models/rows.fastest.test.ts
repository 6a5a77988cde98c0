/** Convolutions, TimeDistributed and LSTM learn MNIST by bands of rows. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, init, manualSeed } from 'wgrad';
import { Mnist } from '../../examples/mnist/data';
import { RowClassifier } from '../../examples/rows/model';
import { accuracyOf, learn } from './learning';

test.before(async () => {
	await init({ device: 'webgpu' });
});

test('after 6,400 images read in bands of 7 rows it knows 80 % of the digits', async () => {
	manualSeed(1);
	const [train, digits] = [new Mnist('train'), new Mnist('t10k')];
	const range = (start: number, count: number) => Array.from({ length: count }, (_, i) => start + i);
	const model = new RowClassifier({ band: 7, channels: 4, hidden: 48 });
	await learn(
		model.parameters(),
		{ steps: 100, lr: 1e-2 },
		(step) => train.batch(range(64 * step, 64), 'webgpu'),
		({ images, labels }) => crossEntropy(model.forward(images), labels),
	);
	const { images, labels } = digits.batch(range(0, 500), 'webgpu');
	const accuracy = await accuracyOf(() => model.forward(images), labels);
	assert.ok(accuracy >= 0.8, `it knows ${accuracy}`);
});
test.run();
