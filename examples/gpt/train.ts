#!/usr/bin/env node
/**
 * Trains a GPT on a text and prints samples during training: `npm run gpt`.
 *
 * training.ts holds the loop, which the page shares. This file handles output, checkpoints and the curve.
 */
import { writeFile } from 'node:fs/promises';
import { SingleBar } from 'cli-progress';
import { type Device, memory } from 'wgrad';
import { type Goal, mustReach, number, oneOf, program, run, startDevice, whole } from '../program';
import type { SamplingOptions } from './sampling';
import { DEFAULTS, type Settings } from './settings';
import { readText } from './text';
import { GptTraining } from './training';

type Sizes = Omit<Settings, 'seed'>;

interface Options extends Partial<Sizes> {
	readonly device: Device;
	readonly seed: number;
	readonly text?: string;
	readonly resume?: string;
	readonly out: string;
	readonly curve?: string;
	readonly evaluateEvery: number;
	readonly prompt: string;
	readonly length: number;
	readonly temperature: number;
	readonly topK: number;
	readonly topP: number;
	readonly sampleSeed: number;
}

/** On the validation part of Moby Dick. */
const GOAL: Goal = { figure: 'validation loss', atMost: 2.2, unit: 'nats a character', digits: 3 };

const SIZES = [
	'tokenizer',
	'layers',
	'width',
	'heads',
	'context',
	'dropout',
	'batchSize',
	'steps',
	'lr',
	'warmup',
	'weightDecay',
	'precision',
] as const satisfies readonly (keyof Sizes)[];

/** The settings given on the command line. */
function given(options: Options): Partial<Sizes> {
	return Object.fromEntries(SIZES.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])));
}

async function prepare(options: Options): Promise<GptTraining> {
	const { resume, seed, device } = options;
	const text = await readText(options.text);
	const { steps, ...others } = given(options);
	if (resume === undefined) return GptTraining.begin({ ...DEFAULTS, ...given(options), seed }, text, device);
	const names = Object.keys(others);
	if (names.length > 0) throw new Error(`--resume goes on with the settings of the checkpoint: leave out ${names.join(', ')}`);
	return await GptTraining.resume(resume, text, device, { steps });
}

/** Reports problems with options, files and the prompt before training starts. */
async function attempt(options: Options): Promise<GptTraining | null> {
	try {
		const training = await prepare(options);
		if (training.tokenizer.encode(options.prompt).length === 0) throw new Error('--prompt must not be empty');
		return training;
	} catch (error) {
		console.error(`error: ${(error as Error).message}`);
		process.exitCode = 2;
		return null;
	}
}

function describe({ settings, model, corpus, step, finished }: GptTraining): string {
	const { layers, width, heads, context, batchSize, steps, tokenizer } = settings;
	const parameters = model.parameters().reduce((sum, { size }) => sum + size, 0);
	const lines = [
		`${layers} layers of ${width} features in ${heads} heads, ${parameters.toLocaleString('en')} parameters`,
		`${corpus.training.length.toLocaleString('en')} tokens to learn, ${corpus.validation.length.toLocaleString('en')} to judge by, of ${corpus.tokenizer.size.toLocaleString('en')} kinds (${tokenizer})`,
		finished
			? `none of ${steps} steps is left: --steps moves the end`
			: `steps ${step + 1} to ${steps}, each of ${batchSize} x ${context} tokens`,
	];
	return lines.join('\n');
}

/** The loss by step as a line of bars. */
function sparkline(values: readonly number[], width = 60): string {
	const size = Math.max(1, Math.ceil(values.length / width));
	const means = Array.from({ length: Math.ceil(values.length / size) }, (_, i) => {
		const part = values.slice(i * size, (i + 1) * size);
		return part.reduce((sum, value) => sum + value, 0) / part.length;
	});
	const [low, high] = [Math.min(...means), Math.max(...means)];
	return means.map((mean) => '▁▂▃▄▅▆▇█'[Math.round((7 * (mean - low)) / (high - low || 1))]).join('');
}

function csv({ losses, validations }: GptTraining): string {
	const judged = new Map(validations.map(({ step, loss }) => [step, loss]));
	const rows = losses.map((loss, i) => `${i + 1},${loss},${judged.get(i + 1) ?? ''}`);
	return `step,loss,validation\n${rows.join('\n')}\n`;
}

async function show(training: GptTraining, { prompt, length, temperature, topK, topP, sampleSeed }: Options): Promise<void> {
	const sampling: SamplingOptions = { temperature, topK, topP, seed: sampleSeed };
	let written = prompt;
	for await (const text of training.write(prompt, length, sampling)) written = text;
	console.log(`  | ${written.replaceAll('\n', '\n  | ')}\n`);
}

/** Runs a part of the training with a progress bar. */
async function advance(training: GptTraining, steps: number): Promise<void> {
	const { batchSize, context } = training.settings;
	const progress = new SingleBar({
		format: 'step {value}/{total} {bar}  loss {loss}  {speed} tokens/s  {eta_formatted} left',
		barsize: 24,
		hideCursor: true,
		noTTYOutput: true,
		notTTYSchedule: 20_000,
	});
	const before = training.step;
	const started = performance.now();
	progress.start(training.settings.steps, before, { loss: '-', speed: 0 });
	for await (const { step, loss } of training.run(steps)) {
		const speed = Math.round(((step - before) * batchSize * context * 1000) / (performance.now() - started));
		progress.update(step, { loss: loss.toFixed(4), speed });
	}
	progress.stop();
}

async function train(options: Options): Promise<void> {
	const { device, evaluateEvery, out, curve } = options;
	await startDevice(device);
	const training = await attempt(options);
	if (training === null) return;
	console.log(describe(training));
	const started = performance.now();
	const perCharacter = 1 / training.corpus.charactersPerToken;
	const learns = !training.finished;
	if (!learns) await show(training, options);
	while (!training.finished) {
		await advance(training, evaluateEvery - (training.step % evaluateEvery));
		const loss = (await training.validate()) * perCharacter;
		const seconds = (performance.now() - started) / 1000;
		console.log(`step ${training.step}: validation ${loss.toFixed(4)} nats a character, ${seconds.toFixed(0)} s\n`);
		await show(training, options);
		await training.save(out);
		if (curve !== undefined) await writeFile(curve, csv(training));
	}
	const last = training.losses.at(-1);
	if (last !== undefined) console.log(`loss: ${sparkline(training.losses)} ${last.toFixed(4)}`);
	const loss = await training.validate({ all: true });
	console.log(`validation, all of it: ${loss.toFixed(4)} nats a token, ${(loss * perCharacter).toFixed(4)} a character`);
	const { gpu } = memory();
	if (learns) console.log(`checkpoint: ${out}`);
	if (gpu !== null) console.log(`GPU memory at its peak: ${Math.round(gpu.peak / 2 ** 20)} MiB`);
	const full = training.settings.steps >= DEFAULTS.steps && training.settings.tokenizer === 'char' && options.text === undefined;
	if (full) mustReach(GOAL, loss * perCharacter);
}

const command = program('Trains a GPT on a text, and lets it write as it learns.', GOAL)
	.name('npm run gpt --')
	.option('--text <file>', 'what to learn (default: Moby Dick)')
	.option('--tokenizer <kind>', `char, or bpe: GPT-2's byte pairs (default: ${DEFAULTS.tokenizer})`, oneOf('char', 'bpe'))
	.option('--layers <n>', `blocks (default: ${DEFAULTS.layers})`, whole(1))
	.option('--width <n>', `features of a token (default: ${DEFAULTS.width})`, whole(1))
	.option('--heads <n>', `heads, which must divide the width (default: ${DEFAULTS.heads})`, whole(1))
	.option('--context <n>', `tokens that it sees (default: ${DEFAULTS.context})`, whole(1))
	.option('--dropout <p>', `part of the features that are dropped (default: ${DEFAULTS.dropout})`, number(0, 1))
	.option('--batch-size <n>', `windows of the text in a step (default: ${DEFAULTS.batchSize})`, whole(1))
	.option('--steps <n>', `how long it learns (default: ${DEFAULTS.steps})`, whole(0))
	.option('--lr <x>', `AdamW's highest learning rate (default: ${DEFAULTS.lr})`, number(0))
	.option('--warmup <n>', `steps in which the rate rises (default: ${DEFAULTS.warmup})`, whole(0))
	.option('--weight-decay <x>', `of matrices (default: ${DEFAULTS.weightDecay})`, number(0))
	.option(
		'--precision <name>',
		`float32, or float16: mixed precision (default: ${DEFAULTS.precision})`,
		oneOf('float32', 'float16'),
	)
	.option('--evaluate-every <n>', 'steps between validations, samples and checkpoints', whole(1), 200)
	.option('--prompt <text>', 'what samples begin with', 'Call me Ishmael. ')
	.option('--length <n>', 'tokens of a sample', whole(0), 200)
	.option('--temperature <x>', '0 writes the likeliest, 1 what the model thinks', number(0), 0.8)
	.option('--top-k <n>', 'only so many of the likeliest tokens; 0 takes all', whole(0), 0)
	.option('--top-p <x>', 'only the likeliest tokens of this probability together', number(1e-9, 1), 0.95)
	.option('--sample-seed <n>', 'of the samples', whole(0), 1)
	.option('--out <file>', 'where the checkpoint goes, which replaces the one before', 'gpt.safetensors')
	.option('--resume <file>', 'go on from a checkpoint, with its settings; --steps moves the end')
	.option('--curve <file>', 'loss and validation loss by step, as CSV');
await run<Options>(command, train);
