#!/usr/bin/env node
/** Trains an LSTM or GRU to distinguish passages of Moby Dick from reversed ones. Reaches 99 % on unseen passages. */
import { compile, crossEntropy, type Device, manualSeed, noGrad, optim, type Tensor, tidy } from 'wgrad';
import { batchSizeOption, cycleRateOption, number, oneOf, program, run, startDevice, stepsOption, whole } from '../program';
import { TextClassifier } from './model';
import { Characters } from './task';
import { readText } from './text';

interface Options {
	readonly cell: 'lstm' | 'gru';
	readonly text?: string;
	readonly steps: number;
	readonly batchSize: number;
	readonly length: number;
	readonly hidden: number;
	readonly layers: number;
	readonly dropout: number;
	readonly lr: number;
	readonly seed: number;
	readonly device: Device;
}

const command = program('Trains an LSTM or GRU to tell whether a passage of a text runs forwards or backwards.')
	.option('--cell <name>', 'lstm or gru', oneOf('lstm', 'gru'), 'lstm')
	.option('--text <file>', 'a text of at least some 10,000 characters (default: Moby Dick)')
	.addOption(stepsOption(300))
	.addOption(batchSizeOption('passages', 64))
	.option('--length <n>', 'characters of the longest passage; the shortest has half as many', whole(2), 40)
	.option('--hidden <n>', 'units of a layer', whole(1), 64)
	.option('--layers <n>', 'layers', whole(1), 2)
	.option('--dropout <p>', 'between layers', number(0, 1), 0.1)
	.addOption(cycleRateOption(0.005));

await run<Options>(command, async ({ cell, text: file, steps, batchSize, length, hidden, layers, dropout, lr, seed, device }) => {
	await startDevice(device);
	manualSeed(seed);
	const text = new Characters(await readText(file, length));
	const split = Math.round(0.9 * text.length);
	const passage = { minLength: Math.ceil(length / 2), maxLength: length, device };
	const model = new TextClassifier({
		vocabulary: text.vocabulary,
		classes: 2,
		cell,
		features: 32,
		hidden,
		layers,
		dropout,
	});
	const optimizer = new optim.Adam(model.parameters(), { lr });
	const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, lr, { totalSteps: steps });
	const unseen = await text.draw(2000, [split, text.length], passage);
	const accuracy = async () => {
		model.eval();
		using share = noGrad(() =>
			tidy(() => model.forward(unseen.tokens, unseen.lengths).argmax(1).eq(unseen.labels).to('float32').mean()),
		);
		model.train();
		return `${(100 * (await share.item())).toFixed(1)} %`;
	};

	const learn = compile((tokens: Tensor, lengths: Tensor, labels: Tensor) => {
		const loss = crossEntropy(model.forward(tokens, lengths), labels);
		optimizer.zeroGrad();
		loss.backward();
		optimizer.step();
		scheduler.step();
		return loss.detach();
	});
	const started = performance.now();
	for (let step = 1; step <= steps; step++) {
		const { tokens, lengths, labels } = await text.draw(batchSize, [0, split], passage);
		using loss = learn(tokens, lengths, labels);
		for (const used of [tokens, lengths, labels]) used.dispose();
		if (step % 50 !== 0 && step !== steps) continue;
		const seconds = ((performance.now() - started) / 1000).toFixed(1);
		console.log(`step ${step}: loss ${(await loss.item()).toFixed(4)}, unseen passages ${await accuracy()}, ${seconds} s`);
	}
});
