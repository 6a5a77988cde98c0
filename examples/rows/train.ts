#!/usr/bin/env node
/** Trains convolutions, TimeDistributed and an LSTM to read MNIST's digits from top to bottom. Reaches 94 % after 20,000 images. */
import { compile, crossEntropy, type Device, manualSeed, noGrad, optim, randperm, type Tensor, tidy } from 'wgrad';
import { Mnist } from '../mnist/data';
import { SIDE } from '../mnist/images';
import { batchSizeOption, cycleRateOption, program, run, startDevice, WrongOption, whole } from '../program';
import { RowClassifier } from './model';

interface Options {
	readonly band: number;
	readonly images: number;
	readonly epochs: number;
	readonly batchSize: number;
	readonly channels: number;
	readonly hidden: number;
	readonly lr: number;
	readonly seed: number;
	readonly device: Device;
}

const EVALUATION_BATCH = 500;

const command = program('Trains a network that reads the rows of MNIST images one after another.')
	.option('--band <n>', 'rows that it reads at a time: 1, 2, 4, 7, 14 or 28', whole(1, SIDE), 1)
	.option('--images <n>', 'training images to use, up to 60000', whole(1, 60_000), 20_000)
	.option('--epochs <n>', 'passes over them', whole(1), 1)
	.addOption(batchSizeOption('images', 64, 60_000))
	.option('--channels <n>', 'of the convolution', whole(1), 8)
	.option('--hidden <n>', 'units of the LSTM', whole(1), 128)
	.addOption(cycleRateOption(0.003));

await run<Options>(command, async ({ band, images: limit, epochs, batchSize, channels, hidden, lr, seed, device }) => {
	if (SIDE % band !== 0) throw new WrongOption(`bands of ${band} rows do not divide an image of ${SIDE}`);
	await startDevice(device);
	manualSeed(seed);
	const [train, test] = [new Mnist('train'), new Mnist('t10k')];
	const model = new RowClassifier({ band, channels, hidden });
	const steps = Math.ceil(limit / batchSize);
	const optimizer = new optim.Adam(model.parameters(), { lr });
	const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, lr, { totalSteps: epochs * steps });

	const learn = compile((images: Tensor, labels: Tensor) => {
		const loss = crossEntropy(model.forward(images), labels);
		optimizer.zeroGrad();
		loss.backward();
		optimizer.step();
		scheduler.step();
		return loss.detach();
	});
	const started = performance.now();
	for (let epoch = 1; epoch <= epochs; epoch++) {
		const order = await randperm(limit, { device: 'cpu' }).data();
		for (let step = 1; step <= steps; step++) {
			const batch = order.subarray((step - 1) * batchSize, step * batchSize);
			using loss = tidy(() => {
				const { images, labels } = train.batch(batch, device);
				return learn(images, labels);
			});
			if (step % 50 !== 0 && step !== steps) continue;
			const seconds = ((performance.now() - started) / 1000).toFixed(1);
			console.log(`epoch ${epoch}, step ${step} of ${steps}: loss ${(await loss.item()).toFixed(4)}, ${seconds} s`);
		}
	}

	let correct = 0;
	for (let start = 0; start < test.length; start += EVALUATION_BATCH) {
		using hits = noGrad(() =>
			tidy(() => {
				const indices = Array.from({ length: EVALUATION_BATCH }, (_, i) => start + i);
				const { images, labels } = test.batch(indices, device);
				return model.forward(images).argmax(1).eq(labels).sum();
			}),
		);
		correct += await hits.item();
	}
	console.log(`test accuracy: ${((100 * correct) / test.length).toFixed(2)} % of ${test.length} images`);
});
