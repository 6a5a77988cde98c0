/** Trains the deeper network on colour images, with regularization and augmentation. */
import { crossEntropy, type Device, manualSeed, optim } from 'wgrad';
import { DataLoader, transforms } from 'wgrad/data';
import { Accuracy, ConfusionMatrix } from 'wgrad/metrics';
import { evaluate, fit } from 'wgrad/train';
import { deepCnn } from '../digits/model';
import type { Source } from './sources';
import { SIDE } from './synthetic';

export interface Settings {
	readonly batchNorm: boolean;
	readonly dropout: number;
	/** L2 penalty. */
	readonly weightDecay: number;
	readonly augment: boolean;
	readonly epochs: number;
	readonly batchSize: number;
	/** Adam's initial learning rate; it falls to 0 along half a cosine. */
	readonly lr: number;
	readonly seed: number;
	readonly device: Device;
}

export interface Result {
	/** The accuracy on training and test images. */
	readonly trainAccuracy: number;
	readonly testAccuracy: number;
	/** Counts of the test images by true class (row) and predicted class (column). */
	readonly confusion: readonly (readonly number[])[];
}

/** Scales pixels of 0 to 1 to about zero mean and unit variance. */
const normalise = transforms.normalize(0.5, 0.25);

const augmentation = transforms.compose(
	transforms.randomHorizontalFlip(),
	transforms.randomCrop(SIDE, { padding: 3, paddingMode: 'reflect' }),
	transforms.randomRotation(15, { paddingMode: 'reflect' }),
	normalise,
);

export async function train({ train, test, classes }: Source, settings: Settings): Promise<Result> {
	const { batchNorm, dropout, weightDecay, augment, epochs, batchSize, lr, seed, device } = settings;
	manualSeed(seed);
	const model = deepCnn({ channels: 3, side: SIDE, classes: classes.length, batchNorm, dropout });
	console.log(model.summary([1, 3, SIDE, SIDE]));
	const optimizer = new optim.Adam(model.parameters(), { lr, weightDecay });
	const transform = augment ? augmentation : normalise;
	const loader = new DataLoader(train, { batchSize, shuffle: true, seed, device, transform });
	const scheduler = new optim.lrScheduler.CosineAnnealingLR(optimizer, epochs * loader.length);
	const testLoader = new DataLoader(test, { batchSize: 250, device, transform: normalise });
	const history = await fit(model, loader, {
		loss: crossEntropy,
		optimizer,
		scheduler: { scheduler, interval: 'step' },
		epochs,
		metrics: { accuracy: new Accuracy() },
		validationData: testLoader,
	});
	const { accuracy, confusion } = await evaluate(model, testLoader, {
		loss: crossEntropy,
		metrics: { accuracy: new Accuracy(), confusion: new ConfusionMatrix({ numClasses: classes.length }) },
	});
	return { trainAccuracy: history.epochs.at(-1)!.accuracy!, testAccuracy: accuracy, confusion };
}
