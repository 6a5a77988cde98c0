/** Trains the classifier, tests it, and explains a prediction. */
import {
	crossEntropy,
	type Device,
	interpolate,
	manualSeed,
	type nn,
	noGrad,
	optim,
	randperm,
	softmax,
	type Tensor,
	tensor,
	tidy,
} from 'wgrad';
import { transforms } from 'wgrad/data';
import { activations, gradCam, integratedGradients, occlusion, saliency } from 'wgrad/interpret';
import { batchOf, drawPictures, type Pictures, SIDE } from './data';
import { classifier, LAYERS } from './model';

export interface Settings {
	/** Training pictures, and test pictures. */
	readonly images: number;
	readonly tests: number;
	readonly epochs: number;
	readonly batchSize: number;
	readonly lr: number;
	/** Whether pictures are flipped, turned, moved and covered at random. */
	readonly augment: boolean;
	readonly seed: number;
}

export interface Step {
	readonly step: number;
	readonly images: number;
	readonly loss: number;
}

/** The judgement of one test picture. */
export interface Judged {
	readonly index: number;
	readonly label: number;
	readonly predicted: number;
	/** The probability of the predicted class. */
	readonly sure: number;
}

/** Maps of one picture, row by row, and what is inside of the network. */
export interface Explanation {
	readonly probabilities: ArrayLike<number>;
	/** One value for each pixel. */
	readonly maps: Readonly<Record<'saliency' | 'integrated' | 'occlusion' | 'gradCam', ArrayLike<number>>>;
	/** [16, 3, 5, 5] and [16, 32, 32]. */
	readonly filters: ArrayLike<number>;
	readonly activations: ArrayLike<number>;
}

const TEST_BATCH: Readonly<Record<Device, number>> = { webgpu: 200, cpu: 20 };

const augmentation = transforms.compose(
	transforms.randomHorizontalFlip(),
	transforms.randomRotation(15, { paddingMode: 'edge' }),
	transforms.randomShift(0.1, { paddingMode: 'edge' }),
	transforms.randomErasing({ p: 0.3, scale: [0.02, 0.1] }),
);

export class Training {
	readonly model: nn.Sequential;
	readonly test: Pictures;
	readonly #train: Pictures;
	readonly #optimizer: optim.Adam;

	constructor(
		readonly settings: Settings,
		readonly device: Device,
	) {
		const { images, tests, seed, lr } = settings;
		this.#train = drawPictures(images, seed);
		this.test = drawPictures(tests, seed + 1);
		manualSeed(seed);
		this.model = classifier();
		this.#optimizer = new optim.Adam(this.model.parameters(), { lr });
	}

	get total(): number {
		return this.settings.epochs * Math.ceil(this.settings.images / this.settings.batchSize);
	}

	async *steps(): AsyncGenerator<Step> {
		const { images, epochs, batchSize } = this.settings;
		let step = 0;
		let before: Promise<Step> | null = null;
		for (let epoch = 0; epoch < epochs; epoch++) {
			const order = Array.from(await randperm(images, { device: 'cpu' }).data());
			for (let start = 0; start < images; start += batchSize) {
				const next = this.#step(++step, order.slice(start, start + batchSize));
				// One step runs ahead of the loss that the page waits for.
				if (before !== null) yield await before;
				before = next;
				if (this.device === 'cpu') await new Promise((resolve) => setTimeout(resolve));
			}
		}
		if (before !== null) yield await before;
	}

	#step(step: number, batch: readonly number[]): Promise<Step> {
		const loss = tidy(() => {
			const images = batchOf(this.#train, batch, this.device);
			const [seen] = this.settings.augment ? augmentation([images]) : [images];
			const labels = tensor(
				Int32Array.from(batch, (i) => this.#train.labels[i]!),
				{ device: this.device },
			);
			const loss = crossEntropy(this.model.forward(seen!), labels);
			this.#optimizer.zeroGrad();
			loss.backward();
			this.#optimizer.step();
			return loss.detach();
		});
		const read = loss.item().then((loss) => ({ step, images: batch.length, loss }));
		loss.dispose();
		read.catch(() => {});
		return read;
	}

	async #judgeSome(indices: readonly number[]): Promise<Judged[]> {
		using probabilities = noGrad(() => tidy(() => softmax(this.model.forward(batchOf(this.test, indices, this.device)), 1)));
		const values = await probabilities.data();
		const classes = values.length / indices.length;
		return indices.map((index, n) => {
			const own = Array.from({ length: classes }, (_, c) => values[n * classes + c]!);
			const sure = Math.max(...own);
			return { index, label: this.test.labels[index]!, predicted: own.indexOf(sure), sure };
		});
	}

	/** Judges one test picture. */
	async judgeOne(index: number): Promise<Judged> {
		const [judged] = await this.#judgeSome([index]);
		return judged!;
	}

	/** Judges the test pictures, some at a time. */
	async *judge(): AsyncGenerator<Judged[]> {
		const size = TEST_BATCH[this.device];
		for (let start = 0; start < this.test.labels.length; start += size) {
			yield await this.#judgeSome(Array.from({ length: Math.min(size, this.test.labels.length - start) }, (_, i) => start + i));
			if (this.device === 'cpu') await new Promise((resolve) => setTimeout(resolve));
		}
	}

	/** Says why the network holds test picture `index` for class `target`. Maps are sums over the colours. */
	async explain(index: number, target: number): Promise<Explanation> {
		const { model } = this;
		const found = tidy(() => {
			const image = batchOf(this.test, [index], this.device);
			const map = gradCam(model, LAYERS.maps, image, { target, reluAttributions: true });
			const overColours = (attributions: Tensor) => attributions.sum(1);
			return [
				noGrad(() => softmax(model.forward(image), 1)),
				overColours(saliency(model, image, { target })),
				overColours(integratedGradients(model, image, { target, nSteps: 16 })),
				overColours(occlusion(model, image, { target, slidingWindowShapes: [3, 6, 6], strides: [3, 3, 3] })),
				interpolate(map, { size: [SIDE, SIDE], mode: 'bilinear' }),
				model.getParameter(`${LAYERS.filters}.weight`).detach(),
				activations(model, [LAYERS.activations], image)[LAYERS.activations]!,
			];
		});
		const [probabilities, slopes, integrated, occluded, cam, filters, inside] = await Promise.all(
			found.map((each) => each.data()),
		);
		for (const each of found) each.dispose();
		return {
			probabilities: probabilities!,
			maps: { saliency: slopes!, integrated: integrated!, occlusion: occluded!, gradCam: cam! },
			filters: filters!,
			activations: inside!,
		};
	}
}
