#!/usr/bin/env node
/**
 * Trains the digits CNN or a small GPT on several ranks: `mpirun -np 2 node dist/examples/parallel/train.mjs`. Without mpirun it trains alone.
 *
 * Each rank takes its part of every global batch, so the number of ranks changes the speed, not the result. With --checkpoint a job that was
 * killed goes on, on any number of ranks.
 */
import { crossEntropy, type Device, manualSeed, type nn, noGrad, optim, type Tensor, tidy } from 'wgrad';
import {
	DistributedDataParallel,
	DistributedSampler,
	initProcessGroup,
	loadCheckpoint,
	SharedStore,
	saveCheckpoint,
} from 'wgrad/distributed';
import { FileStore } from 'wgrad/train';
import { deepCnn } from '../digits/model';
import { Corpus, windows } from '../gpt/corpus';
import { Gpt } from '../gpt/model';
import { readText } from '../gpt/text';
import { tokenizerOf } from '../gpt/tokenizer';
import { accuracyOf } from '../mnist/accuracy';
import { Mnist } from '../mnist/data';
import { mnistDataset, NORMALISED } from '../mnist/dataset';
import { type Goal, mustReach, number, oneOf, program, run, startDevice, WrongOption, whole } from '../program';

const GOALS = {
	cnn: { figure: 'test accuracy of the CNN', atLeast: 97, unit: '%' },
	gpt: { figure: 'validation loss of the GPT', atMost: 2.6, unit: 'nats a character', digits: 3 },
} as const satisfies Record<string, Goal>;

interface Settings {
	readonly model: 'cnn' | 'gpt';
	readonly steps: number;
	readonly batchSize: number;
	readonly lr: number;
	readonly checkpoint?: string;
	readonly device: Device;
	readonly seed: number;
}

interface Task {
	readonly net: nn.Module;
	/** The number of samples. */
	readonly size: number;
	/** The mean loss of these samples. */
	loss(model: { forward(x: Tensor): Tensor }, samples: Int32Array): Tensor;
	/** The figure of the goal. */
	measure(): Promise<number>;
}

/** Images that rank 0 tests. */
const TEST_IMAGES = 2000;
const CONTEXT = 64;
const SAVE_EVERY = 50;

const command = program('Trains one model on the ranks of mpirun.', GOALS.cnn, GOALS.gpt)
	.name('parallel')
	.option(
		'--model <name>',
		'cnn: the deep network of digits on MNIST; gpt: 2 layers of width 64 on Moby Dick',
		oneOf('cnn', 'gpt'),
		'cnn',
	)
	.option('--steps <n>', 'steps of all ranks together', whole(1), 400)
	.option('--batch-size <n>', 'samples a step, of all ranks together', whole(1), 64)
	.option('--lr <x>', "Adam's learning rate", number(1e-9, 1000), 0.002)
	.option('--checkpoint <file>', 'write a checkpoint every 50 steps, and go on from it');

await run<Settings>(command, async (settings) => {
	const { steps, batchSize, checkpoint, device, seed } = settings;
	const { rank, worldSize, engine } = await initProcessGroup({ agree: JSON.stringify(settings) });
	if (batchSize % worldSize !== 0) throw new WrongOption(`--batch-size ${batchSize} does not divide among ${worldSize} ranks`);
	await startDevice(device);
	if (rank === 0)
		console.log(`${worldSize} ranks${engine === null ? '' : ` by ${engine}`}, ${batchSize / worldSize} samples each a step`);
	manualSeed(seed);
	const task = settings.model === 'cnn' ? digits(device) : await characters(device);
	const model = await DistributedDataParallel.wrap(task.net);
	const optimizer = new optim.Adam(model.parameters(), { lr: settings.lr });
	const parts = { model: task.net, optimizer };
	let step = 0;
	if (checkpoint !== undefined && (await new SharedStore(new FileStore()).read(checkpoint)) !== null) {
		step = ((await loadCheckpoint(checkpoint, parts)) as { step: number }).step;
		if (rank === 0) console.log(`going on from step ${step}`);
	}
	const sampler = new DistributedSampler(task.size, { seed, dropLast: true });
	const stepsPerEpoch = Math.floor(task.size / batchSize);
	let order: Int32Array | null = null;
	const started = performance.now();
	const first = step;
	for (; step < steps; ) {
		const epoch = Math.floor(step / stepsPerEpoch);
		if (order === null || step % stepsPerEpoch === 0) {
			sampler.setEpoch(epoch);
			order = sampler.indices();
		}
		const share = batchSize / worldSize;
		const at = (step % stepsPerEpoch) * share;
		const own = order.subarray(at, at + share);
		optimizer.zeroGrad();
		const loss = tidy(() => {
			const loss = task.loss(model as unknown as { forward(x: Tensor): Tensor }, own);
			loss.backward();
			return loss.detach();
		});
		await model.synchronize();
		optimizer.step();
		step++;
		if (step % SAVE_EVERY === 0 || step === steps) {
			const value = await loss.item();
			const seconds = (performance.now() - started) / 1000;
			if (rank === 0)
				console.log(`step ${step}: loss ${value.toFixed(4)}, ${Math.round(((step - first) * batchSize) / seconds)} samples/s`);
			if (checkpoint !== undefined) await saveCheckpoint(checkpoint, parts, { extra: { step } });
		}
		loss.dispose();
	}
	if (rank === 0) mustReach(GOALS[settings.model], await task.measure());
});

function digits(device: Device): Task {
	const net = deepCnn();
	const data = new Mnist('train');
	return {
		net,
		size: data.length,
		loss: (model, samples) => {
			const { images, labels } = data.batch(samples, device);
			return crossEntropy(model.forward(images), labels);
		},
		measure: () => accuracyOf(net, mnistDataset('t10k', { limit: TEST_IMAGES, ...NORMALISED }), device),
	};
}

async function characters(device: Device): Promise<Task> {
	const text = await readText(undefined);
	const corpus = new Corpus(text, tokenizerOf('char', text));
	const net = new Gpt({ vocabularySize: corpus.tokenizer.size, context: CONTEXT, width: 64, layers: 2, heads: 4 });
	const lossOf = (model: { forward(x: Tensor): Tensor }, tokens: Int32Array, starts: ArrayLike<number>) => {
		const { inputs, targets } = windows(tokens, starts, CONTEXT, device);
		return crossEntropy(model.forward(inputs).reshape([-1, corpus.tokenizer.size]), targets);
	};
	return {
		net,
		size: corpus.training.length - CONTEXT,
		loss: (model, samples) => lossOf(model, corpus.training, samples),
		measure: () => {
			const starts = Int32Array.from({ length: 64 }, (_, i) => i * CONTEXT);
			return noGrad(() => tidy(() => lossOf(net as unknown as { forward(x: Tensor): Tensor }, corpus.validation, starts))).item();
		},
	};
}
