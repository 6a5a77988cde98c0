#!/usr/bin/env node
/**
 * Adapts a GPT that was trained on Moby Dick to another text by low-rank adapters, about 1 % of its parameters. Prints the loss before and after,
 * and that the model without the adapter has kept its bits.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crossEntropy, type Device, nn, noGrad, optim, randint, tidy } from 'wgrad';
import { type Goal, mustReach, number, program, run, startDevice, whole } from '../program';
import { Corpus, windows } from './corpus';
import type { Gpt } from './model';
import { generate, Sampler } from './sampling';
import { DEFAULTS } from './settings';
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
	readonly out: string;
	readonly seed: number;
	readonly device: Device;
}

/** The guides of this repository. Their words and their form differ from those of Moby Dick. */
const GUIDES = ['README.md', 'CONTRIBUTING.md', 'docs/guide.md', 'docs/design.md', 'docs/reliability.md'];

async function otherText(file: string | undefined): Promise<string> {
	if (file !== undefined) return readFile(file, 'utf8');
	return (await Promise.all(GUIDES.map((name) => readFile(name, 'utf8')))).join('\n');
}

/** The text without characters that the model has no token for. */
function readable(text: string, { corpus }: GptTraining): string {
	const { tokenizer } = corpus;
	const known = new Set(tokenizer.decode(Array.from({ length: tokenizer.size }, (_, token) => token)));
	return [...text].filter((character) => known.has(character)).join('');
}

/** Nats per token on the validation part of a corpus. */
async function validate(model: Gpt, { validation }: Corpus, context: number, device: Device): Promise<number> {
	const windowsCount = Math.min(64, Math.floor((validation.length - 1) / context));
	const starts = Array.from({ length: windowsCount }, (_, i) => i * context);
	const { training } = model;
	model.eval();
	const { inputs, targets } = windows(validation, starts, context, device);
	using loss = noGrad(() => tidy(() => crossEntropy(model.forward(inputs).reshape([targets.size, -1]), targets)));
	model.train(training);
	const value = await loss.item();
	inputs.dispose();
	targets.dispose();
	return value;
}

async function write(training: GptTraining, prompt: string): Promise<string> {
	const tokens = Array.from(training.tokenizer.encode(prompt));
	for await (const token of generate(training.model, tokens, 120, new Sampler({ temperature: 0.7, seed: 1 }))) tokens.push(token);
	return training.tokenizer.decode(tokens).replaceAll('\n', '\n  | ');
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

async function weightsOf(model: Gpt): Promise<Float32Array[]> {
	const own = model.namedParameters().filter(([path]) => !path.includes('lora_'));
	return Promise.all(own.map(async ([, parameter]) => (await parameter.data()).slice() as Float32Array));
}

async function adapt(options: Options): Promise<void> {
	const { rank, alpha, steps, lr, batchSize, out, device } = options;
	await startDevice(device);
	const training = await pretrained(options);
	const { model, settings } = training;
	const { context } = settings;
	const corpus = new Corpus(readable(await otherText(options.text), training), training.tokenizer);
	const whaling = await validate(model, training.corpus, context, device);
	const before = await validate(model, corpus, context, device);
	const weights = await weightsOf(model);

	const lora = nn.lora.apply(model, { rank, alpha, targets: ['c_attn', 'c_proj', 'c_fc'], fanInFanOut: true });
	const count = (parameters: readonly nn.Parameter[]) => parameters.reduce((sum, { size }) => sum + size, 0);
	const adapters = count(lora.parameters());
	const base = count(model.parameters()) - adapters;
	console.log(
		`${adapters.toLocaleString('en')} of ${base.toLocaleString('en')} parameters learn: ${((100 * adapters) / base).toFixed(2)} %`,
	);
	const optimizer = new optim.AdamW(lora.parameters(), { lr, weightDecay: 0 });
	for (let step = 1; step <= steps; step++) {
		using starts = randint(0, corpus.training.length - context, [batchSize], { device: 'cpu' });
		const { inputs, targets } = windows(corpus.training, await starts.data(), context, device);
		using loss = tidy(() => {
			const loss = crossEntropy(model.forward(inputs).reshape([targets.size, -1]), targets);
			optimizer.zeroGrad();
			loss.backward();
			optimizer.step();
			return loss.detach();
		});
		inputs.dispose();
		targets.dispose();
		const value = await loss.item();
		if (step % 25 === 0 || step === steps) console.log(`step ${step}: ${value.toFixed(4)}`);
	}
	const after = await validate(model, corpus, context, device);
	console.log(`the other text: ${before.toFixed(4)} nats a token before, ${after.toFixed(4)} after`);
	console.log(`  | ${await write(training, 'The ')}`);
	await mkdir(out, { recursive: true });
	for (const [name, content] of Object.entries(await nn.lora.save(lora))) await writeFile(join(out, name), content);
	console.log(`adapter: ${out}`);

	lora.merge();
	console.log(`merged: ${(await validate(model, corpus, context, device)).toFixed(4)}`);
	lora.unmerge().use(null);
	const same = (await weightsOf(model)).every((values, i) => values.every((value, j) => Object.is(value, weights[i]![j])));
	const again = await validate(model, training.corpus, context, device);
	console.log(
		`Moby Dick: ${whaling.toFixed(4)} before, ${again.toFixed(4)} without the adapter; weights ${same ? 'have kept' : 'LOST'} their bits`,
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
	.option('--lr <x>', "AdamW's learning rate", number(0), 0.01)
	.option('--batch-size <n>', 'windows of the text in a step', whole(1), 16)
	.option('--out <folder>', 'where the adapter goes', 'gpt-adapter');
await run<Options>(command, adapt);
