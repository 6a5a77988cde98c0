#!/usr/bin/env node
/**
 * Quantises the trained GPT and the trained MNIST network, and prints loss, accuracy, bytes and speed beside float32.
 *
 * The weights come from `npm run gpt` (its checkpoint) and `npm start`. Without them, the program trains for as long as `--steps` says.
 */
import { readFile } from 'node:fs/promises';
import { crossEntropy, type Device, io, manualSeed, type nn, noGrad, optim, quantize, randperm, type Tensor, tidy } from 'wgrad';
import { quantizeGpt } from '../gpt/model';
import { DEFAULTS } from '../gpt/settings';
import { readText } from '../gpt/text';
import { GptTraining } from '../gpt/training';
import { Mnist } from '../mnist/data';
import { mnistCnn } from '../mnist/model';
import { type Goal, mustReach, program, run, startDevice, whole } from '../program';

interface Options {
	readonly device: Device;
	readonly seed: number;
	readonly gpt?: string;
	readonly digits?: string;
	readonly steps: number;
	readonly groupSize: number;
	readonly tokens: number;
}

type Bits = 32 | 8 | 4;

const BITS: readonly Bits[] = [32, 8, 4];
const BATCH = 1000;
const ROUNDS = 9;
const PROMPT = 'Call me Ishmael. ';

const lossGoal = (bits: Bits, atMost: number): Goal => ({
	figure: `loss above float32 at ${bits} bits`,
	atMost,
	unit: '%',
});
const accuracyGoal = (bits: Bits, atMost: number): Goal => ({
	figure: `accuracy below float32 at ${bits} bits`,
	atMost,
	unit: 'points',
});
const LOSS_GOALS = [lossGoal(8, 0.5), lossGoal(4, 3)];
const ACCURACY_GOALS = [accuracyGoal(8, 0.2), accuracyGoal(4, 0.5)];

/** Loads the trained run from its checkpoint, or trains one. */
async function trainedGpt({ gpt, steps, seed, device }: Options): Promise<() => Promise<GptTraining>> {
	const text = await readText(undefined);
	if (gpt !== undefined) return () => GptTraining.resume(gpt, text, device);
	const training = GptTraining.begin({ ...DEFAULTS, steps, warmup: Math.min(DEFAULTS.warmup, steps), seed }, text, device);
	for await (const { step, loss } of training.run())
		if (step % 50 === 0) console.log(`GPT: step ${step}, loss ${loss.toFixed(3)}`);
	const state = training.model.stateDict();
	return async () => {
		const copy = GptTraining.begin(training.settings, text, device);
		copy.model.loadStateDict(state);
		return copy;
	};
}

async function compareGpt(options: Options): Promise<void> {
	const load = await trainedGpt(options);
	const losses: number[] = [];
	const models: GptTraining[] = [];
	for (const bits of BITS) {
		const training = await load();
		let bytes = training.model.parameters().reduce((sum, { size }) => sum + 4 * size, 0);
		if (bits !== 32) bytes = quantizeGpt(training.model, { bits, groupSize: options.groupSize }).bytesAfter;
		const loss = await training.validate();
		losses.push(loss);
		models.push(training);
		const above = (100 * (loss / losses[0]! - 1)).toFixed(2);
		console.log(`GPT, ${bits} bits: validation loss ${loss.toFixed(4)} (${above} %), ${bytes} bytes`);
	}
	await compareSpeed(models, options.tokens);
	for (const [i, goal] of LOSS_GOALS.entries()) mustReach(goal, 100 * (losses[i + 1]! / losses[0]! - 1));
}

/** Measures in turn, so that other work on the machine slows all models alike. */
async function compareSpeed(models: readonly GptTraining[], tokens: number): Promise<void> {
	const times: number[][] = models.map(() => []);
	for (let round = 0; round <= ROUNDS; round++) {
		for (const [i, training] of models.entries()) {
			const started = performance.now();
			for await (const _ of training.write(PROMPT, tokens));
			// The first round compiles the kernels.
			if (round > 0) times[i]!.push(performance.now() - started);
		}
	}
	for (const [i, bits] of BITS.entries()) {
		const speed = (1000 * tokens) / median(times[i]!);
		const ratio = median(times[i]!.map((time, round) => times[0]![round]! / time));
		console.log(`GPT, ${bits} bits: ${speed.toFixed(1)} tokens/s, ${ratio.toFixed(2)} times float32`);
	}
}

function median(values: readonly number[]): number {
	return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

async function trainedDigits({ digits, steps, seed, device }: Options): Promise<() => Promise<nn.Sequential>> {
	const model = mnistCnn();
	if (digits !== undefined) {
		const state = io.loadSafetensors(await readFile(digits));
		model.loadStateDict(state);
	} else {
		manualSeed(seed);
		const data = new Mnist('train');
		const order = await randperm(data.length, { device: 'cpu' }).data();
		const optimizer = new optim.Adam(model.parameters(), { lr: 0.002 });
		for (let step = 0; step < steps; step++) {
			using loss = tidy(() => {
				const { images, labels } = data.batch(order.subarray((step * 64) % 59_000, ((step * 64) % 59_000) + 64), device);
				optimizer.zeroGrad();
				const loss = crossEntropy(model.forward(images), labels);
				loss.backward();
				optimizer.step();
				return loss.detach();
			});
			if (step % 50 === 49) console.log(`digits: step ${step + 1}, loss ${(await loss.item()).toFixed(3)}`);
		}
	}
	const state = model.stateDict();
	return async () => {
		const copy = mnistCnn();
		copy.loadStateDict(state);
		return copy;
	};
}

async function compareDigits(options: Options): Promise<void> {
	const load = await trainedDigits(options);
	const test = new Mnist('t10k');
	const accuracies: number[] = [];
	for (const bits of BITS) {
		const model = (await load()).eval();
		let bytes = model.parameters().reduce((sum, { size }) => sum + 4 * size, 0);
		if (bits !== 32) bytes = quantize(model, { bits, groupSize: options.groupSize }).report.bytesAfter;
		let hits = 0;
		for (let start = 0; start < test.length; start += BATCH) hits += await right(model, test, start, options.device);
		accuracies.push((100 * hits) / test.length);
		console.log(`digits, ${bits} bits: accuracy ${accuracies.at(-1)!.toFixed(2)} %, ${bytes} bytes`);
	}
	for (const [i, goal] of ACCURACY_GOALS.entries()) mustReach(goal, accuracies[0]! - accuracies[i + 1]!);
}

async function right(model: nn.Sequential, test: Mnist, start: number, device: Device): Promise<number> {
	const chosen = Array.from({ length: Math.min(BATCH, test.length - start) }, (_, i) => start + i);
	using hits: Tensor = noGrad(() =>
		tidy(() => {
			const { images, labels } = test.batch(chosen, device);
			return model.forward(images).argmax(1).eq(labels).sum();
		}),
	);
	return await hits.item();
}

async function compare(options: Options): Promise<void> {
	await startDevice(options.device);
	await compareDigits(options);
	await compareGpt(options);
}

const command = program('Compares 8 and 4 bits with float32.', ...LOSS_GOALS, ...ACCURACY_GOALS)
	.name('node dist/examples/quantize/compare.mjs')
	.option('--gpt <file>', 'the checkpoint of a trained GPT (npm run gpt)')
	.option('--digits <file>', 'the weights of the trained MNIST network (npm start)')
	.option('--steps <n>', 'training steps without those files', whole(1), 500)
	.option('--group-size <n>', 'columns that share a scale', whole(1), 32)
	.option('--tokens <n>', 'tokens to generate in each of 9 rounds, in which the models take turns', whole(1, 1000), 50);
await run<Options>(command, compare);
