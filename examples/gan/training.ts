/** Trains generator and discriminator, and judges the samples with a classifier. */
import {
	binaryCrossEntropyWithLogits,
	compile,
	crossEntropy,
	type Device,
	full,
	manualSeed,
	type nn,
	noGrad,
	ones,
	optim,
	randn,
	softmax,
	type Tensor,
	tidy,
	zeros,
} from 'wgrad';
import { DataLoader } from 'wgrad/data';
import { LateMean } from '../latemean';
import { mnistDataset } from '../mnist/dataset';
import { discriminator, generator, judge } from './model';

export interface Settings {
	/** Random numbers per image. */
	readonly latent: number;
	/** Channels of the widest layer of generator and discriminator. */
	readonly width: number;
	readonly steps: number;
	readonly batchSize: number;
	/** Adam's learning rate for both networks. */
	readonly lr: number;
	/** Training steps of the judge. */
	readonly judgeSteps: number;
	/** The number of samples, and of test images, that the judge sees. */
	readonly judged: number;
	readonly seed: number;
	readonly device: Device;
}

/** The judge's verdict on images. */
interface Verdict {
	/** The fraction of images that it classifies with at least 90 % probability. */
	readonly sure: number;
	/** The number of these images per digit. */
	readonly counts: readonly number[];
}

export interface Result {
	readonly generator: nn.Sequential;
	/** The discriminator's accuracy over the last tenth of the steps; half of its images are real. */
	readonly discriminatorAccuracy: number;
	readonly samples: Verdict;
	readonly testImages: Verdict;
}

/** Scales pixels to -1 to 1, the range of tanh. */
const PIXELS = { scale: 2 / 255, shift: -1 };

/** The target for real images. A value below 1 prevents overconfidence: one-sided label smoothing, Salimans et al. 2016. */
const REAL = 0.9;

/** Decay of the average of the generator's weights, which is judged. It evens out the oscillation of the training: Yazici et al. 2019. */
const DECAY = 0.98;
const CALIBRATIONS = 40;

/** The probability that makes the judge sure of an image. */
const SURE = 0.9;

const REPORTS = 10;

/** Yields endless batches of training images with labels, in a new order each epoch. */
async function* batches({ batchSize, seed, device }: Settings): AsyncGenerator<readonly [images: Tensor, labels: Tensor]> {
	const loader = new DataLoader(mnistDataset('train', PIXELS), { batchSize, shuffle: true, dropLast: true, seed, device });
	while (true) for await (const [images, labels] of loader) yield [images!, labels!];
}

export async function train(settings: Settings): Promise<Result> {
	const { latent, width, steps, batchSize, lr, seed } = settings;
	manualSeed(seed);
	const artist = generator(latent, width);
	const critic = discriminator(width);
	const betas = [0.5, 0.999] as const;
	const artistOptimizer = new optim.Adam(artist.parameters(), { lr, betas });
	const criticOptimizer = new optim.Adam(critic.parameters(), { lr, betas });
	const average = new optim.EMA(artist.parameters(), { decay: DECAY, warmup: true });
	const data = batches(settings);
	const [artistLosses, criticLosses, accuracies] = [new LateMean(), new LateMean(), new LateMean()];
	let discriminatorAccuracy = Number.NaN;
	const compete = compile((images: Tensor) => {
		const fakes = artist.forward(randn([batchSize, latent]));
		const onReal = critic.forward(images);
		const onFake = critic.forward(fakes.detach());
		const criticLoss = binaryCrossEntropyWithLogits(onReal, full([batchSize, 1], REAL)).add(
			binaryCrossEntropyWithLogits(onFake, zeros([batchSize, 1])),
		);
		criticOptimizer.zeroGrad();
		criticLoss.backward();
		criticOptimizer.step();

		// This pass also computes unused gradients of the discriminator; its next zeroGrad drops them.
		const artistLoss = binaryCrossEntropyWithLogits(critic.forward(fakes), ones([batchSize, 1]));
		artistOptimizer.zeroGrad();
		artistLoss.backward();
		artistOptimizer.step();
		average.update();
		const right = onReal.gt(0).sum().add(onFake.lt(0).sum());
		return [artistLoss.detach(), criticLoss.detach(), right.to('float32').div(2 * batchSize)] as const;
	});

	for (let step = 1; step <= steps; step++) {
		const [images, labels] = (await data.next()).value;
		const [artistLoss, criticLoss, accuracy] = compete(images);
		images.dispose();
		labels.dispose();
		await artistLosses.add(artistLoss);
		await criticLosses.add(criticLoss);
		await accuracies.add(accuracy);
		if (step % Math.ceil(steps / REPORTS) !== 0 && step < steps) continue;
		discriminatorAccuracy = await accuracies.take();
		console.log(
			`step ${step}/${steps}: generator's loss ${(await artistLosses.take()).toFixed(3)}, ` +
				`discriminator's ${(await criticLosses.take()).toFixed(3)}, which was right in ${(100 * discriminatorAccuracy).toFixed(1)} %`,
		);
	}
	await data.return(undefined);

	average.copyTo();
	average.dispose();
	// The running statistics of batch normalisation belong to other weights, so compute them again.
	for (let i = 0; i < CALIBRATIONS; i++) noGrad(() => tidy(() => void artist.forward(randn([batchSize, latent]))));
	artist.eval();
	const expert = await trainJudge(settings);
	using samples = noGrad(() => artist.forward(randn([settings.judged, latent])));
	const [testImages, labels] = mnistDataset('t10k', PIXELS).batch(
		Array.from({ length: settings.judged }, (_, i) => i),
		settings.device,
	) as [Tensor, Tensor];
	labels.dispose();
	const verdicts = { samples: await verdict(expert, samples), testImages: await verdict(expert, testImages) };
	testImages.dispose();
	return { generator: artist, discriminatorAccuracy, ...verdicts };
}

/** Trains the classifier on MNIST only; it never sees a sample. */
async function trainJudge(settings: Settings): Promise<nn.Sequential> {
	const expert = judge();
	const optimizer = new optim.Adam(expert.parameters(), { lr: 0.003 });
	const data = batches(settings);
	const learn = compile((images: Tensor, labels: Tensor) => {
		optimizer.zeroGrad();
		crossEntropy(expert.forward(images), labels).backward();
		optimizer.step();
	});
	for (let step = 0; step < settings.judgeSteps; step++) {
		const [images, labels] = (await data.next()).value;
		learn(images, labels);
		images.dispose();
		labels.dispose();
	}
	await data.return(undefined);
	return expert;
}

async function verdict(expert: nn.Sequential, images: Tensor): Promise<Verdict> {
	const [sure, digits] = noGrad(() =>
		tidy(() => {
			const probabilities = softmax(expert.forward(images), 1);
			return [probabilities.amax(1).ge(SURE), probabilities.argmax(1)] as const;
		}),
	);
	const [isSure, digit] = await Promise.all([sure.data(), digits.data()]);
	sure.dispose();
	digits.dispose();
	const counts = new Array<number>(10).fill(0);
	for (let i = 0; i < digit.length; i++) if (isSure[i] === 1) counts[digit[i]!]!++;
	return { sure: counts.reduce((sum, count) => sum + count) / digit.length, counts };
}
