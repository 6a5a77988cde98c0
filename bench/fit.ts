/**
 * The overhead of `fit` over a handwritten loop: the MNIST CNN, images of MNIST's size, batches of 64, accuracy, losses read in
 * groups. The two alternate for some steps each within one run, so that other load on the machine disturbs both alike.
 */
import { crossEntropy, manualSeed, optim, randperm, sync, tensor, tidy } from 'wgrad';
import { ArrayDataset, DataLoader } from 'wgrad/data';
import { Accuracy } from 'wgrad/metrics';
import { fit } from 'wgrad/train';
import { mnistCnn } from '../examples/mnist/model';
import { type Measurement, summarize } from './measure';

const BATCH = 64;
const STEPS = 20;
const SIDE = 28;
const PIXELS = SIDE * SIDE;
const [MEAN, DEVIATION] = [0.1307, 0.3081];
/** As in examples/mnist/train.ts, which has the same loop. */
const LOSSES_PER_READ = 10;

interface Images {
	readonly pixels: Uint8Array;
	readonly labels: Uint8Array;
}

/** Images of noise; their content does not affect the time. */
function noise(count: number): Images {
	let state = 1;
	const next = () => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return state >>> 24;
	};
	return {
		pixels: Uint8Array.from({ length: count * PIXELS }, next),
		labels: Uint8Array.from({ length: count }, () => next() % 10),
	};
}

/** Makes batches as examples/mnist/images.ts does. */
function batchOf({ pixels, labels }: Images, indices: Int32Array) {
	const images = new Float32Array(indices.length * PIXELS);
	const classes = new Int32Array(indices.length);
	indices.forEach((index, i) => {
		classes[i] = labels[index]!;
		for (let p = 0; p < PIXELS; p++) images[i * PIXELS + p] = (pixels[index * PIXELS + p]! / 255 - MEAN) / DEVIATION;
	});
	const shape = [indices.length, 1, SIDE, SIDE];
	return { images: tensor(images, { shape, device: 'webgpu' }), labels: tensor(classes, { device: 'webgpu' }) };
}

function setUp() {
	manualSeed(1);
	const model = mnistCnn();
	return { model, optimizer: new optim.Adam(model.parameters(), { lr: 1e-3 }) };
}

/** One turn of the loop of examples/mnist/train.ts. */
function byHand(data: Images): () => Promise<void> {
	const { model, optimizer } = setUp();
	return async () => {
		const order = (await randperm(STEPS * BATCH, { device: 'cpu' }).data()) as Int32Array;
		const window: [loss: Promise<number>, hits: Promise<number>][] = [];
		let total = 0;
		for (let step = 0; step < STEPS; step++) {
			const [loss, hits] = tidy(() => {
				const { images, labels } = batchOf(data, order.subarray(step * BATCH, (step + 1) * BATCH));
				const logits = model.forward(images);
				const loss = crossEntropy(logits, labels);
				optimizer.zeroGrad();
				loss.backward();
				optimizer.step();
				return [loss.detach(), logits.argmax(1).eq(labels).sum()] as const;
			});
			window.push([loss.item(), hits.item()]);
			loss.dispose();
			hits.dispose();
			if (window.length < LOSSES_PER_READ && step < STEPS - 1) continue;
			for (const [loss, hits] of window.splice(0)) total += (await loss) + (await hits);
		}
		if (!(total > 0)) throw new Error(`the losses add up to ${total}`);
	};
}

/** One turn of `fit`: an epoch with the same number of samples. */
function byFit(data: Images): () => Promise<void> {
	const { model, optimizer } = setUp();
	const { pixels, labels } = data;
	const shape = [labels.length, 1, SIDE, SIDE];
	const images = { data: pixels, shape, scale: 1 / 255 / DEVIATION, shift: -MEAN / DEVIATION };
	const dataset = new ArrayDataset(images, { data: labels, dtype: 'int32' });
	const loader = new DataLoader(dataset, { batchSize: BATCH, shuffle: true, device: 'webgpu' });
	const metrics = { accuracy: new Accuracy() };
	return async () => void (await fit(model, loader, { loss: crossEntropy, optimizer, metrics, verbose: 0 }));
}

/**
 * Milliseconds of a step, by hand and by `fit`, and the overhead of `fit` in percent within each pair of turns. `percent` uses
 * the clock. `processorPercent` uses the processor time of this process, which other programs disturb less; on a software adapter
 * it covers all work.
 */
interface FitResult {
	readonly hand: Measurement;
	readonly fit: Measurement;
	readonly percent: Measurement;
	readonly processorPercent: Measurement;
}

interface Turn {
	readonly clock: number;
	readonly processor: number;
}

export async function measureFit(turns: number): Promise<FitResult> {
	const data = noise(STEPS * BATCH);
	const timed = async (turn: () => Promise<void>): Promise<Turn> => {
		const [start, used] = [performance.now(), process.cpuUsage()];
		await turn();
		await sync();
		const { user, system } = process.cpuUsage(used);
		return { clock: (performance.now() - start) / STEPS, processor: (user + system) / 1000 / STEPS };
	};
	const [hand, fitted] = [byHand(data), byFit(data)];
	await timed(hand);
	await timed(fitted);
	const pairs: [hand: Turn, fit: Turn][] = [];
	for (let i = 0; i < turns; i++) {
		// Both go first equally often.
		if (i % 2 === 0) pairs.push([await timed(hand), await timed(fitted)]);
		else {
			const fit = await timed(fitted);
			pairs.push([await timed(hand), fit]);
		}
	}
	const percent = (of: keyof Turn) => summarize(pairs.map(([hand, fit]) => 100 * (fit[of] / hand[of] - 1)));
	return {
		hand: summarize(pairs.map(([hand]) => hand.clock)),
		fit: summarize(pairs.map(([, fit]) => fit.clock)),
		percent: percent('clock'),
		processorPercent: percent('processor'),
	};
}

/** The result on one line. */
export function fitLine({ hand, fit, percent, processorPercent }: FitResult): string {
	const range = ({ median, low, high }: Measurement) => `${median.toFixed(1)} % (${low.toFixed(1)} to ${high.toFixed(1)})`;
	return `fit, MNIST CNN, batch ${BATCH}: ${fit.median.toFixed(1)} ms a step, by hand ${hand.median.toFixed(1)} ms; more by the clock ${range(percent)}, by processor time ${range(processorPercent)}`;
}
