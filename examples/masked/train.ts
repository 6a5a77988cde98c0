#!/usr/bin/env node
/** Trains a masked language model on the characters of Moby Dick. Predicts 45 % of the hidden characters of unseen passages. */
import { compile, type Device, manualSeed, noGrad, optim, randint, type Tensor, tensor } from 'wgrad';
import {
	batchSizeOption,
	cycleRateOption,
	headsOption,
	number,
	program,
	requireHeadsToDivide,
	run,
	startDevice,
	stepsOption,
	whole,
	widthOption,
} from '../program';
import { readText } from '../text/text';
import { MaskedLanguageModel, maskTokens } from './model';

interface Options {
	readonly text?: string;
	readonly length: number;
	readonly steps: number;
	readonly batchSize: number;
	readonly width: number;
	readonly heads: number;
	readonly layers: number;
	readonly dropout: number;
	readonly lr: number;
	readonly seed: number;
	readonly device: Device;
}

const command = program('Trains a Transformer to guess hidden characters of a text from both sides.')
	.option('--text <file>', 'a text (default: Moby Dick)')
	.option('--length <n>', 'characters of a passage', whole(2), 32)
	.addOption(stepsOption(1000))
	.addOption(batchSizeOption('passages', 32))
	.addOption(widthOption(64))
	.addOption(headsOption(4))
	.option('--layers <n>', 'layers', whole(1), 2)
	.option('--dropout <p>', 'while training', number(0, 1), 0)
	.addOption(cycleRateOption(0.003));

/** Draws passages of a text, int32 [count, length], with tokens from 1. */
async function drawPassages(tokens: Int32Array, count: number, length: number, device: Device): Promise<Tensor> {
	const starts = await randint(tokens.length - length, [count], { device: 'cpu' }).data();
	const rows = new Int32Array(count * length);
	for (const [row, start] of starts.entries()) rows.set(tokens.subarray(start, start + length), row * length);
	return tensor(rows, { shape: [count, length], device });
}

await run<Options>(command, async ({ text: file, length, steps, batchSize, width, heads, layers, dropout, lr, seed, device }) => {
	requireHeadsToDivide(width, heads);
	await startDevice(device);
	manualSeed(seed);
	const text = await readText(file, length);
	const known = [...new Set(text)].sort();
	const vocabulary = known.length + 1;
	const tokens = Int32Array.from(text, (character) => known.indexOf(character) + 1);
	const split = Math.round(0.9 * tokens.length);
	const model = new MaskedLanguageModel({ vocabulary, maxLength: length, width, heads, layers, dropout });
	const optimizer = new optim.AdamW(model.parameters(), { lr });
	const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, lr, { totalSteps: steps });
	const unseen = maskTokens(await drawPassages(tokens.subarray(split), 100, length, device), vocabulary);

	const learn = compile((passages: Tensor) => {
		const { loss } = model.judge(maskTokens(passages, vocabulary));
		optimizer.zeroGrad();
		loss.backward();
		optimizer.step();
		scheduler.step();
		return loss.detach();
	});
	const started = performance.now();
	for (let step = 1; step <= steps; step++) {
		using passages = await drawPassages(tokens.subarray(0, split), batchSize, length, device);
		using loss = learn(passages);
		if (step % 50 !== 0 && step !== steps) continue;
		model.eval();
		const judged = noGrad(() => model.judge(unseen));
		model.train();
		const [mean, share] = [await judged.loss.item(), await judged.accuracy.item()];
		const seconds = ((performance.now() - started) / 1000).toFixed(1);
		console.log(
			`step ${step}: loss ${(await loss.item()).toFixed(4)}; unseen: loss ${mean.toFixed(4)}, ${(100 * share).toFixed(1)} % known, ${seconds} s`,
		);
	}
});
