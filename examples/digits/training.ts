/** MNIST by `fit`: networks, targets and schedules to choose from. */
import { crossEntropy, type Device, manualSeed, type nn, oneHot, optim, type Tensor } from 'wgrad';
import { DataLoader, type Dataset, MapDataset, transforms } from 'wgrad/data';
import { evaluate, fit, type History } from 'wgrad/train';
import { mnistDataset } from '../mnist/dataset';
import { mnistCnn } from '../mnist/model';
import { deepCnn } from './model';

export interface Settings {
	/** small: one convolution; deep: three. */
	readonly model: 'small' | 'deep';
	/** Classes as numbers, or as a row of probabilities for each image. */
	readonly targets: 'sparse' | 'onehot';
	readonly schedule: 'cosine' | 'onecycle' | 'constant';
	/** Whether training images are moved by up to two pixels. */
	readonly augment: boolean;
	readonly epochs: number;
	readonly batchSize: number;
	/** Adam's, at its highest. */
	readonly lr: number;
	/** Images to train with, of 60,000, and to test with, of 10,000. */
	readonly images: number;
	readonly testImages: number;
	readonly seed: number;
	readonly device: Device;
}

export interface Result {
	readonly model: nn.Sequential;
	readonly history: History;
	/** The share of test images that the network gets right. */
	readonly accuracy: number;
}

/** Mean and standard deviation of all training pixels, scaled to [0, 1]. */
const MEAN = 0.1307;
const DEVIATION = 0.3081;
const NORMALISED = { scale: 1 / (255 * DEVIATION), shift: -MEAN / DEVIATION };

const SHIFT = 2;

export async function train(settings: Settings): Promise<Result> {
	const { epochs, batchSize, lr, seed, device } = settings;
	manualSeed(seed);
	const model = settings.model === 'small' ? mnistCnn() : deepCnn();
	console.log(model.summary([1, 1, 28, 28]));
	const optimizer = new optim.Adam(model.parameters(), { lr });

	const sparse = mnistDataset('train', { limit: settings.images, ...NORMALISED });
	const data = settings.targets === 'onehot' ? withOneHotTargets(sparse) : sparse;
	// Paper, that is 0 before it was normalised, is what moves in at the edges.
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
	return { model, history, accuracy: result.accuracy };
}

/** Rows of probabilities in the place of classes. */
function withOneHotTargets(data: Dataset): Dataset {
	return new MapDataset(data, ([images, labels]) => [images!, oneHot(labels!, 10).to('float32') as Tensor], { batched: true });
}

/** The share of a batch that is right, whichever targets it has. */
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
