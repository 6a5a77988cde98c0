/** The game of two networks, and the judgement of a third on what comes of it. */
import {
	binaryCrossEntropyWithLogits,
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
	/** Random numbers that become one image. */
	readonly latent: number;
	/** Channels of the largest layer of generator and discriminator. */
	readonly width: number;
	readonly steps: number;
	readonly batchSize: number;
	/** Adam's, of both networks. */
	readonly lr: number;
	/** Steps for which the judge is trained. */
	readonly judgeSteps: number;
	/** Images that the judge sees: that many samples, and as many test images. */
	readonly judged: number;
	readonly seed: number;
	readonly device: Device;
}

/** What the judge says of images. */
export interface Verdict {
	/** The share of images of which it is at least 90 % sure. */
	readonly sure: number;
	/** Images it takes for each digit, of those it is sure of. */
	readonly counts: readonly number[];
}

export interface Result {
	readonly generator: nn.Sequential;
	/** The share of images, half of them real, that the discriminator told right over the last tenth of the steps. */
	readonly discriminatorAccuracy: number;
	readonly samples: Verdict;
	readonly testImages: Verdict;
}

/** Pixels from -1 to 1, as tanh draws them. */
const PIXELS = { scale: 2 / 255, shift: -1 };

/** Target of real images: less than 1 keeps the discriminator from being too sure. Salimans et al. 2016, one-sided label smoothing. */
const REAL = 0.9;

/** The generator that is judged is an average of the last ones, which go round in circles: Yazici et al. 2019. */
const DECAY = 0.98;
const CALIBRATIONS = 40;

/** How sure the judge must be of an image. */
const SURE = 0.9;

const REPORTS = 10;

/** Endless batches of training images with labels, in a new order each time through. */
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

	for (let step = 1; step <= steps; step++) {
		const [images, labels] = (await data.next()).value;
		const [artistLoss, criticLoss, accuracy] = tidy(() => {
			const fakes = artist.forward(randn([batchSize, latent]));
			const onReal = critic.forward(images);
			const onFake = critic.forward(fakes.detach());
			const criticLoss = binaryCrossEntropyWithLogits(onReal, full([batchSize, 1], REAL)).add(
				binaryCrossEntropyWithLogits(onFake, zeros([batchSize, 1])),
			);
			criticOptimizer.zeroGrad();
			criticLoss.backward();
			criticOptimizer.step();

			// The discriminator's gradients of this pass are of no use; its next zeroGrad drops them.
			const artistLoss = binaryCrossEntropyWithLogits(critic.forward(fakes), ones([batchSize, 1]));
			artistOptimizer.zeroGrad();
			artistLoss.backward();
			artistOptimizer.step();
			average.update();
			const right = onReal.gt(0).sum().add(onFake.lt(0).sum());
			return [artistLoss.detach(), criticLoss.detach(), right.to('float32').div(2 * batchSize)] as const;
		});
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
	// The running statistics of batch normalisation were those of other weights.
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

/** A network that tells digits apart, trained on MNIST alone: it has never seen a sample. */
async function trainJudge(settings: Settings): Promise<nn.Sequential> {
	const expert = judge();
	const optimizer = new optim.Adam(expert.parameters(), { lr: 0.003 });
	const data = batches(settings);
	for (let step = 0; step < settings.judgeSteps; step++) {
		const [images, labels] = (await data.next()).value;
		tidy(() => {
			optimizer.zeroGrad();
			crossEntropy(expert.forward(images), labels).backward();
			optimizer.step();
		});
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
