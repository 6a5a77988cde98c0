/** Trains either autoencoder in a written-out loop. */
import { compile, type Device, manualSeed, noGrad, optim, type Tensor, tidy } from 'wgrad';
import { DataLoader } from 'wgrad/data';
import { LateMean } from '../latemean';
import { mnistDataset } from '../mnist/dataset';
import { Autoencoder, VariationalAutoencoder } from './model';

export interface Settings {
	readonly variational: boolean;
	/** Numbers in the code of an image. */
	readonly latent: number;
	/** Units of the layer between pixels and code. */
	readonly hidden: number;
	readonly epochs: number;
	readonly batchSize: number;
	/** Adam's initial learning rate; it falls to 0 along half a cosine. */
	readonly lr: number;
	/** Numbers of training images (of 60,000) and of test images (of 10,000). */
	readonly images: number;
	readonly testImages: number;
	readonly seed: number;
	readonly device: Device;
}

export interface Result {
	readonly model: Autoencoder | VariationalAutoencoder;
	/** The loss on the test images. */
	readonly testLoss: number;
}

export async function train(settings: Settings): Promise<Result> {
	const { variational, hidden, latent, epochs, batchSize, lr, seed, device } = settings;
	manualSeed(seed);
	const data = mnistDataset('train', { limit: settings.images });
	const loader = new DataLoader(data, { batchSize, shuffle: true, seed, device });
	const model = variational ? new VariationalAutoencoder(hidden, latent) : new Autoencoder(hidden, latent);
	const optimizer = new optim.Adam(model.parameters(), { lr });
	const scheduler = new optim.lrScheduler.CosineAnnealingLR(optimizer, epochs * loader.length);
	const losses = new LateMean();
	const step = compile((images: Tensor) => {
		const { loss } = model.forward(images);
		optimizer.zeroGrad();
		loss.backward();
		optimizer.step();
		scheduler.step();
		return loss.detach();
	});

	for (let epoch = 1; epoch <= epochs; epoch++) {
		const started = performance.now();
		for await (const [images, labels] of loader) {
			await losses.add(step(images!), images!.shape[0]!);
			images!.dispose();
			labels!.dispose();
		}
		const seconds = (performance.now() - started) / 1000;
		console.log(`epoch ${epoch}/${epochs}: loss ${(await losses.take()).toFixed(3)} an image, ${seconds.toFixed(1)} s`);
	}
	return { model, testLoss: await test(model, settings) };
}

async function test(model: Result['model'], { testImages, device }: Settings): Promise<number> {
	const losses = new LateMean();
	for await (const [images, labels] of new DataLoader(mnistDataset('t10k', { limit: testImages }), { batchSize: 500, device })) {
		const loss = noGrad(() => tidy(() => model.forward(images!).loss));
		await losses.add(loss, images!.shape[0]!);
		images!.dispose();
		labels!.dispose();
	}
	return await losses.take();
}
