/** Trains on MNIST with `fit`, with a choice of networks, targets and schedules. */
import { readFile } from 'node:fs/promises';
import { crossEntropy, type Device, io, manualSeed, type nn, oneHot, optim, type Tensor } from 'wgrad';
import { DataLoader, type Dataset, MapDataset, transforms } from 'wgrad/data';
import { type KerasModel, loadKeras, saveKeras } from 'wgrad/formats';
import { evaluate, fit, type History } from 'wgrad/train';
import { mnistDataset, NORMALISED } from '../mnist/dataset';
import { mnistCnn } from '../mnist/model';
import { deepCnn } from './model';

export interface Settings {
	/** small: one convolution; deep: three. */
	readonly model: 'small' | 'deep';
	/** Class numbers, or a row of probabilities per image. */
	readonly targets: 'sparse' | 'onehot';
	readonly schedule: 'cosine' | 'onecycle' | 'constant';
	/** Whether to shift training images by up to two pixels. */
	readonly augment: boolean;
	readonly epochs: number;
	readonly batchSize: number;
	/** Adam's highest learning rate. */
	readonly lr: number;
	/** Numbers of training images (of 60,000) and of test images (of 10,000). */
	readonly images: number;
	readonly testImages: number;
	readonly seed: number;
	readonly device: Device;
	/** The file of Keras (.keras or .h5) to save the network to. */
	readonly save?: string;
}

export interface Result {
	readonly model: nn.Sequential;
	readonly history: History;
	/** The accuracy on the test images. */
	readonly accuracy: number;
}

const SHIFT = 2;

export async function train(settings: Settings): Promise<Result> {
	const { epochs, batchSize, lr, seed, device } = settings;
	manualSeed(seed);
	const model = settings.model === 'small' ? mnistCnn() : deepCnn();
	console.log(model.summary([1, 1, 28, 28]));
	const optimizer = new optim.Adam(model.parameters(), { lr });

	const sparse = mnistDataset('train', { limit: settings.images, ...NORMALISED });
	const data = settings.targets === 'onehot' ? withOneHotTargets(sparse) : sparse;
	// Fill the edges with paper, which is 0 before normalisation.
	const shift = transforms.randomCrop(28, { padding: SHIFT, fill: NORMALISED.shift });
	const transform = settings.augment ? { transform: shift } : {};
	const loader = new DataLoader(data, { batchSize, shuffle: true, seed, device, ...transform });
	const testData = mnistDataset('t10k', { limit: settings.testImages, ...NORMALISED });

	const scheduler = schedule(settings.schedule, optimizer, lr, epochs * loader.length);
	const history = await fit(model, loader, {
		loss: crossEntropy,
		optimizer,
		...(scheduler === null ? {} : { scheduler: { scheduler, interval: 'step' } }),
		epochs,
		metrics: { accuracy },
	});
	const result = await evaluate(model, testData, { loss: crossEntropy, metrics: { accuracy }, batchSize: 500, device });
	if (settings.save !== undefined) {
		await saveKeras(model, settings.save, { inputShape: [1, 28, 28], optimizer });
		console.log(`saved ${settings.save}: keras.models.load_model() reads it too`);
	}
	return { model, history, accuracy: result.accuracy };
}

/** The accuracy of a network in a file of Keras on the test images, which it takes as they are here: with channels first. */
export async function loaded(file: string, { testImages, device }: Settings): Promise<{ model: KerasModel; accuracy: number }> {
	const { model } = await loadKeras(file, { channels: 'first', device });
	const testData = mnistDataset('t10k', { limit: testImages, ...NORMALISED });
	const result = await evaluate(model, testData, { loss: crossEntropy, metrics: { accuracy }, batchSize: 500, device });
	return { model, accuracy: result.accuracy };
}

export interface TrainedOptions extends Pick<Settings, 'images' | 'testImages' | 'epochs' | 'seed' | 'device'> {
	/** A file of weights that `npm start` has written. */
	readonly digits?: string;
}

/** The network of `npm start`, with the weights of its file, or trained here. */
export async function trainedDigits({ digits, ...settings }: TrainedOptions): Promise<nn.Sequential> {
	const common = { model: 'small', targets: 'sparse', schedule: 'cosine', augment: false, batchSize: 64, lr: 0.002 } as const;
	if (digits === undefined) return (await train({ ...common, ...settings })).model;
	const model = mnistCnn();
	model.loadStateDict(io.loadSafetensors(await readFile(digits)));
	return model;
}

/** Replaces classes by rows of probabilities. */
function withOneHotTargets(data: Dataset): Dataset {
	return new MapDataset(data, ([images, labels]) => [images!, oneHot(labels!, 10).to('float32') as Tensor], { batched: true });
}

/** The accuracy of a batch, for either kind of target. */
function accuracy(logits: Tensor, target: Tensor): Tensor {
	const labels = target.ndim === 2 ? target.argmax(1) : target;
	return logits.argmax(1).eq(labels).to('float32').mean();
}

function schedule(
	name: Settings['schedule'],
	optimizer: optim.Adam,
	lr: number,
	steps: number,
): optim.lrScheduler.LRScheduler | null {
	if (name === 'constant') return null;
	if (name === 'onecycle') return new optim.lrScheduler.OneCycleLR(optimizer, lr, { totalSteps: steps });
	return new optim.lrScheduler.CosineAnnealingLR(optimizer, steps);
}
