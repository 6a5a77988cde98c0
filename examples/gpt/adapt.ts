#!/usr/bin/env node
/**
 * Adapts a GPT that was trained on Moby Dick to another text by low-rank adapters, about 1 % of its parameters: in float32, in mixed precision,
 * or on a quantised model. Prints the loss before and after, reads the adapter's files back, and shows that the model has kept its bits.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Device, manualSeed, nn } from 'wgrad';
import { type Goal, mustReach, number, oneOf, program, run, startDevice, whole } from '../program';
import { addAdapters, baseDigest, countOf, readable } from './adapting';
import { Corpus } from './corpus';
import { quantizeGpt } from './model';
import { DEFAULTS, type Settings } from './settings';
import { readText } from './text';
import { GptTraining } from './training';

const GOAL: Goal = { figure: 'validation loss after adapting, as a part of the loss before', atMost: 0.9 };

interface Options {
	readonly from?: string;
	readonly pretrain: number;
	readonly text?: string;
	readonly rank: number;
	readonly alpha: number;
	readonly steps: number;
	readonly lr: number;
	readonly batchSize: number;
	readonly precision: Settings['precision'];
	readonly bits: '32' | '8' | '4';
	readonly out: string;
	readonly seed: number;
	readonly device: Device;
}

/** The guides of this repository. Their words and their form differ from those of Moby Dick. */
const GUIDES = ['README.md', 'CONTRIBUTING.md', 'docs/tensors.md', 'docs/training.md', 'docs/design.md', 'docs/reliability.md'];

async function otherText(file: string | undefined): Promise<string> {
	if (file !== undefined) return readFile(file, 'utf8');
	return (await Promise.all(GUIDES.map((name) => readFile(name, 'utf8')))).join('\n');
}

/** A model of a checkpoint, or one that this program trains. */
async function pretrained({ from, pretrain, seed, device }: Options): Promise<GptTraining> {
	const text = await readText(undefined);
	if (from !== undefined) return GptTraining.resume(from, text, device);
	const training = GptTraining.begin({ ...DEFAULTS, steps: pretrain, seed }, text, device);
	for await (const { step, loss } of training.run())
		if (step % 50 === 0) console.log(`pretraining, step ${step}: ${loss.toFixed(4)}`);
	return training;
}

async function write(training: GptTraining, prompt: string): Promise<void> {
	let written = prompt;
	for await (const text of training.write(prompt, 120, { temperature: 0.7 })) written = text;
	console.log(`  | ${written.replaceAll('\n', '\n  | ')}`);
}

/** Writes an adapter's files to a folder, and returns what reading them gives. */
async function throughFiles(lora: nn.lora.LoraModel, folder: string): Promise<nn.lora.LoraFiles> {
	await mkdir(folder, { recursive: true });
	for (const [name, content] of Object.entries(await nn.lora.save(lora))) await writeFile(join(folder, name), content);
	return {
		'adapter_config.json': await readFile(join(folder, 'adapter_config.json'), 'utf8'),
		'adapter_model.safetensors': await readFile(join(folder, 'adapter_model.safetensors')),
	};
}

async function adapt(options: Options): Promise<void> {
	const { steps, lr, batchSize, precision, bits, out, seed, device } = options;
	await startDevice(device);
	const training = await pretrained(options);
	const { model } = training;
	const size = countOf(model.parameters());
	let whaling = await training.validate();
	console.log(`Moby Dick: ${whaling.toFixed(4)} nats a token`);
	if (bits !== '32') {
		const { bytesBefore, bytesAfter } = quantizeGpt(model, { bits: bits === '8' ? 8 : 4 });
		whaling = await training.validate();
		console.log(`Moby Dick at ${bits} bits: ${whaling.toFixed(4)}, ${bytesAfter} of ${bytesBefore} bytes`);
	}
	const digest = await baseDigest(model);

	const corpus = new Corpus(readable(await otherText(options.text), training.tokenizer), training.tokenizer);
	manualSeed(seed);
	let lora = addAdapters(model, options);
	const share = countOf(lora.parameters()) / size;
	console.log(
		`${countOf(lora.parameters()).toLocaleString('en')} of ${size.toLocaleString('en')} parameters learn: ${(100 * share).toFixed(2)} %`,
	);
	const settings: Settings = { ...training.settings, steps, warmup: 0, weightDecay: 0, lr, batchSize, precision, seed };
	const adapting = new GptTraining(settings, corpus, device, { model, lora });
	const before = await adapting.validate();
	await write(training, 'The ');
	for await (const { step, loss } of adapting.run())
		if (step % 25 === 0 || step === steps) console.log(`step ${step}: ${loss.toFixed(4)}`);
	const after = await adapting.validate();
	console.log(`the other text: ${before.toFixed(4)} nats a token before, ${after.toFixed(4)} after`);
	await write(training, 'The ');

	const files = await throughFiles(lora, out);
	lora.unload();
	lora = nn.lora.load(model, files);
	const again = await adapting.validate();
	console.log(`adapter: ${out}; read back, it gives ${again.toFixed(4)}${again === after ? ', the same bits' : ''}`);
	if (bits === '32') {
		lora.merge();
		console.log(`merged: ${(await adapting.validate()).toFixed(4)}`);
		lora.unmerge();
	}
	lora.use(null);
	const alone = await training.validate();
	const same = (await baseDigest(model)) === digest && alone === whaling && again === after;
	console.log(
		`Moby Dick without the adapter: ${alone.toFixed(4)}; SHA-256 of the weights before: ${digest.slice(0, 16)}…, now ${same ? 'the same' : 'ANOTHER'}`,
	);
	mustReach(GOAL, same ? after / before : Number.NaN);
}

const command = program('Adapts a GPT to another text by low-rank adapters.', GOAL)
	.name('gpt/adapt')
	.option('--from <file>', 'a checkpoint of npm run gpt (default: train one first)')
	.option('--pretrain <n>', 'steps on Moby Dick without a checkpoint', whole(1), 400)
	.option('--text <file>', 'what to adapt to (default: the guides of this repository)')
	.option('--rank <n>', 'of the adapters', whole(1), 1)
	.option('--alpha <x>', 'the adapters are multiplied by alpha / rank', number(0), 2)
	.option('--steps <n>', 'of adapting', whole(1), 300)
	.option('--lr <x>', "AdamW's learning rate", number(0), 0.02)
	.option('--batch-size <n>', 'windows of the text in a step', whole(1), 16)
	.option('--precision <name>', 'float32, or float16: mixed precision', oneOf('float32', 'float16'), 'float32')
	.option('--bits <n>', 'of the frozen weights: 32, 8 or 4', oneOf('32', '8', '4'), '32')
	.option('--out <folder>', 'where the adapter goes', 'gpt-adapter');
await run<Options>(command, adapt);
