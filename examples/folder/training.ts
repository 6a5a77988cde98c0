/** Trains a network on two classes of images and measures it. */
import { binaryCrossEntropyWithLogits, type Device, manualSeed, nn, optim, sigmoid, type Tensor, tensor, tidy } from 'wgrad';
import { DataLoader, type ImageFolder, trainTestSplit, transforms } from 'wgrad/data';
import { f1, precision, type RocCurveValues, recall, rocAuc, rocCurve } from 'wgrad/metrics';
import { fit, predict } from 'wgrad/train';

export interface Settings {
	readonly epochs: number;
	readonly batchSize: number;
	/** AdamW's highest learning rate. */
	readonly lr: number;
	readonly seed: number;
	readonly device: Device;
}

/** Results on the test images; class 1 is the positive one. */
export interface Result {
	readonly precision: number;
	readonly recall: number;
	readonly f1: number;
	readonly auc: number;
	readonly curve: RocCurveValues;
}

/** Height and width of the scaled images. */
export const SIDE = 32;

/** Maps images [N, 3, 32, 32] to logits [N, 1] of class 1. */
export function network(): nn.Sequential {
	const block = (inputs: number, outputs: number) => [
		new nn.Conv2d(inputs, outputs, 3, { padding: 1, bias: false }),
		new nn.BatchNorm2d(outputs),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
	];
	return new nn.Sequential(
		...block(3, 16),
		...block(16, 32),
		...block(32, 32),
		new nn.Flatten(),
		new nn.Dropout(0.2),
		new nn.Linear(32 * 4 * 4, 1),
	);
}

const normalise = transforms.normalize(0.5, 0.25);

const augmentation = transforms.compose(
	transforms.randomHorizontalFlip(),
	transforms.randomVerticalFlip(),
	transforms.randomRotation(10, { paddingMode: 'reflect' }),
	transforms.randomZoom(0.15, { paddingMode: 'reflect' }),
	transforms.randomBrightness(0.2),
	normalise,
);

export async function train(images: ImageFolder, settings: Settings): Promise<Result> {
	const { epochs, batchSize, lr, seed, device } = settings;
	manualSeed(seed);
	const [trainData, testData] = trainTestSplit(images, { testSize: 0.25, seed, stratify: images.labels });
	const loader = new DataLoader(trainData, { batchSize, shuffle: true, seed, device, transform: augmentation });
	const testLoader = new DataLoader(testData, { batchSize: 100, device, transform: normalise });
	const model = network();
	const optimizer = new optim.AdamW(model.parameters(), { lr });
	await fit(model, loader, {
		trainStep: (model, [images, labels]) => {
			const output = model.forward(images!).flatten();
			const target = labels!.to('float32') as Tensor;
			return { loss: binaryCrossEntropyWithLogits(output, target), output, target };
		},
		optimizer,
		scheduler: new optim.lrScheduler.OneCycleLR(optimizer, lr, { totalSteps: epochs * loader.length }),
		epochs,
		metrics: { accuracy: (logits, target) => logits.gt(0).eq(target.gt(0)).to('float32').mean() },
		validationData: testLoader,
	});

	using logits = await predict(model, testLoader);
	using labels = tensor(
		Array.from(testData.indices, (index) => images.labels[index]!),
		{ dtype: 'int32', device },
	);
	using probabilities = tidy(() => sigmoid(logits.flatten()));
	using predicted = probabilities.gt(0.5);
	return {
		precision: await precision(predicted, labels),
		recall: await recall(predicted, labels),
		f1: await f1(predicted, labels),
		auc: await rocAuc(probabilities, labels),
		curve: await rocCurve(probabilities, labels),
	};
}
