/** Exports the networks of wgrad/models and of the examples, and runs them in onnxruntime-web at several sizes. */
import { test } from 'uvu';
import { cat, init, manualSeed, nn, noGrad, optim, randint, randn, type Tensor, tensor } from 'wgrad';
import { loadOnnx, type OnnxModel, type OnnxOptions, toOnnx } from 'wgrad/formats';
import { fromPretrained, WhisperForConditionalGeneration } from 'wgrad/models';
import { Autoencoder, VariationalAutoencoder } from '../../examples/autoencoder/model';
import { deepCnn } from '../../examples/digits/model';
import { smallCnn } from '../../examples/distillation/model';
import { classifier } from '../../examples/explain/model';
import { network as folderNetwork } from '../../examples/folder/training';
import { discriminator, generator, judge } from '../../examples/gan/model';
import { addAdapters } from '../../examples/gpt/adapting';
import { Gpt, quantizeGpt } from '../../examples/gpt/model';
import { priceNetwork } from '../../examples/houses/model';
import { hiddenLayer } from '../../examples/imbalanced/model';
import { predicted } from '../../examples/line/model';
import { MaskedLanguageModel } from '../../examples/masked/model';
import { mnistCnn } from '../../examples/mnist/model';
import { network } from '../../examples/overfitting/model';
import { network as planeNetwork } from '../../examples/playground/model';
import { pruneChannels } from '../../examples/pruning/model';
import { Translator } from '../../examples/reverse/model';
import { RowClassifier } from '../../examples/rows/model';
import { TextClassifier } from '../../examples/text/model';
import { tensorsIn } from '../../src/formats/onnx/trace';
import { refuses } from '../data/refuses';
import { filesOf, GOLDEN, inputsOf, SPEECH } from '../pretrained/models';
import { requireSame } from './onnxSame';

await init({ device: 'cpu' });

type Make = (batch: number, length: number) => Record<string, Tensor>;

const images =
	(channels: number, size: number): Make =>
	(batch) => ({ images: randn([batch, channels, size, size]) });
const tokens =
	(vocabulary: number): Make =>
	(batch, length) => ({ tokens: randint(1, vocabulary, [batch, length]) });

interface Case {
	readonly name: string;
	readonly model: () => OnnxModel | Promise<OnnxModel>;
	readonly make: Make;
	/** Whether the length of sequences is dynamic, too. */
	readonly lengths?: readonly number[];
	readonly options?: Partial<OnnxOptions>;
}

const CASES: readonly Case[] = [
	{ name: 'examples/mnist', model: mnistCnn, make: images(1, 28) },
	{ name: 'examples/digits', model: () => deepCnn({ batchNorm: true, dropout: 0.2 }), make: images(1, 28) },
	{ name: 'examples/autoencoder', model: () => new Autoencoder(16, 3), make: images(1, 28) },
	{ name: 'examples/gan, generator', model: () => generator(6, 4), make: (batch) => ({ codes: randn([batch, 6]) }) },
	{ name: 'examples/gan, discriminator', model: () => discriminator(4), make: images(1, 28) },
	{ name: 'examples/gan, judge', model: judge, make: images(1, 28) },
	{
		name: 'examples/gpt',
		model: () => new Gpt({ vocabularySize: 30, context: 16, width: 16, layers: 2, heads: 2, dropout: 0.1 }),
		make: tokens(30),
		lengths: [7, 11],
	},
	{
		name: 'examples/quantize',
		model: () => {
			const model = new Gpt({ vocabularySize: 30, context: 16, width: 16, layers: 1, heads: 2 });
			quantizeGpt(model, { bits: 4, groupSize: 8 });
			return model;
		},
		make: tokens(30),
		lengths: [7, 11],
	},
	{
		name: 'examples/masked',
		model: () => new MaskedLanguageModel({ vocabulary: 30, maxLength: 16, width: 16, heads: 2, layers: 1 }),
		make: tokens(30),
		lengths: [7, 11],
	},
	{
		name: 'examples/reverse',
		model: () => new Translator({ vocabulary: 12, maxLength: 16, width: 16, heads: 2, layers: 1 }),
		make: (batch, length) => ({ source: randint(0, 12, [batch, length]), target: randint(1, 12, [batch, length]) }),
	},
	{ name: 'examples/rows', model: () => new RowClassifier({ band: 4, channels: 2, hidden: 8 }), make: images(1, 28) },
	...(['lstm', 'gru'] as const).map(
		(cell): Case => ({
			name: `examples/text, ${cell}`,
			model: () => new TextClassifier({ vocabulary: 30, classes: 3, cell, features: 5, hidden: 6, layers: 2 }),
			make: (batch, length) => ({
				tokens: randint(0, 30, [batch, length]),
				lengths: tensor(
					Array.from({ length: batch }, (_, i) => 1 + (i % length)),
					{ dtype: 'int32' },
				),
			}),
		}),
	),
	{ name: 'examples/explain', model: classifier, make: images(3, 32) },
	{
		name: 'examples/playground',
		model: () => planeNetwork({ layers: 2, width: 8, activation: 'gelu' }),
		make: (batch) => ({ places: randn([batch, 2]) }),
	},
	{ name: 'examples/line', model: line, make: (batch) => ({ x: randn([batch, 1]) }) },
	{ name: 'examples/houses', model: () => priceNetwork(13), make: (batch) => ({ x: randn([batch, 13]) }) },
	{ name: 'examples/imbalanced', model: () => hiddenLayer(10), make: images(1, 28) },
	{ name: 'examples/overfitting', model: () => network({ norm: true, dropout: [0.2, 0.5] }), make: images(1, 28) },
	{ name: 'examples/folder', model: folderNetwork, make: images(3, 32) },
	{ name: 'examples/colours', model: () => deepCnn({ channels: 3, side: 32, batchNorm: true }), make: images(3, 32) },
	{ name: 'examples/distillation', model: smallCnn, make: images(1, 28) },
	{ name: 'examples/pruning, masked', model: pruned, make: images(1, 28) },
	{ name: 'examples/pruning, slim', model: slimmed, make: images(1, 28) },
	{
		name: 'examples/adapt',
		model: () => {
			const model = new Gpt({ vocabularySize: 30, context: 16, width: 16, layers: 1, heads: 2 });
			for (const parameter of addAdapters(model, { rank: 2, alpha: 4 }).parameters()) nn.init.normal_(parameter, 0, 0.1);
			return model;
		},
		make: tokens(30),
		lengths: [7, 11],
	},
	{
		name: 'a bidirectional GRU and an RNN',
		model: () => {
			const [gru, rnn] = [
				new nn.GRU(4, 3, { bidirectional: true, batchFirst: true }),
				new nn.RNN(6, 3, { nonlinearity: 'relu' }),
			];
			return new Both(gru, rnn);
		},
		make: (batch) => ({ x: randn([batch, 5, 4]) }),
	},
];

function line(): OnnxModel {
	const weights = { weight: randn([1, 1]), bias: randn([1]) };
	return (x: Tensor) => predicted(weights, x);
}

async function pruned(): Promise<nn.Sequential> {
	const model = mnistCnn();
	await pruneChannels(model, 0.9);
	return model.eval();
}

async function slimmed(): Promise<nn.Sequential> {
	const model = await pruned();
	await nn.prune.slim(model, randn([1, 1, 28, 28]));
	return model;
}

class Both extends nn.Module {
	constructor(
		readonly first: nn.GRU,
		readonly second: nn.RNN,
	) {
		super();
	}

	override forward(x: Tensor): Tensor {
		return this.second.forward(this.first.forward(x)[0].transpose(0, 1))[0].transpose(0, 1);
	}
}

/** Rows `from` on of the examples, over and over. */
function rows(x: Tensor, count: number, from: number): Tensor {
	const at = Int32Array.from({ length: count }, (_, i) => (from + i) % x.shape[0]!);
	return x.indexSelect(0, tensor(at));
}

/** Exports that are read again and trained. */
const TRAINED = ['gpt2', 'llama', 'bert', 'vit', 'resnet18', 'mobilenet_v2', 'whisper'];

/** Models of the same architecture as another one, with other sizes or tables. */
const VARIANTS = ['resnet50', 'llama, scaled as Llama 3', 'llama, scaled linearly', 'mobilenet_v3, large', 'unet, as DDPM'];

for (const [name, golden] of Object.entries(GOLDEN)) {
	if (VARIANTS.includes(name)) continue;
	test(`${name}: equal outputs in onnxruntime-web at several sizes`, async () => {
		const { model } = await fromPretrained(await filesOf(golden));
		const given = inputsOf(golden);
		if (model instanceof WhisperForConditionalGeneration)
			given[0] = cat([0, 3000].map((start) => model.features(SPEECH.subarray(start, start + 3000))));
		// BERT's mask is an option of forward.
		const isText = given[0]!.dtype === 'int32';
		const examples = isText ? [given[0]!] : given;
		const inputs = Object.fromEntries(examples.map((x, i) => [`x${i}`, x]));
		const bytes = await toOnnx(model, { inputs, ...(isText && { dynamicAxes: { x0: { 0: 'batch', 1: 'length' } } }) });
		const at = (count: number, length: number) =>
			examples.map((x, i): [string, Tensor] => [`x${i}`, isText ? rows(x, count, 1).narrow(1, 0, length) : rows(x, count, 1)]);
		await requireSame(model, bytes, [Object.fromEntries(at(3, 5)), Object.fromEntries(at(1, 9))]);
		if (TRAINED.includes(name)) await requireTrains(model, bytes, inputs);
	});
}

test('a window holds in texts that are longer than it, though the example is shorter', async () => {
	const golden = GOLDEN.mistral!;
	const { model } = await fromPretrained(await filesOf(golden));
	const [ids] = inputsOf(golden) as [Tensor];
	// The window has 4 tokens.
	const bytes = await toOnnx(model, { inputs: { ids: ids.narrow(1, 0, 4) }, dynamicAxes: { ids: { 0: 'batch', 1: 'length' } } });
	await requireSame(model, bytes, [{ ids: rows(ids, 3, 1) }, { ids: ids.narrow(1, 0, 3) }]);
});

function isRecurrent(name: string): boolean {
	return /rows|lstm|gru/.test(name);
}

/** Reads an export again, and requires equal outputs and a lower loss after a few steps. */
async function requireTrains(model: nn.Module, bytes: Uint8Array, inputs: Record<string, Tensor>): Promise<void> {
	const again = await loadOnnx(bytes, { device: 'cpu' });
	const only = (found: unknown) => tensorsIn(found)[0]![1];
	const wanted = noGrad(() => only((model.forward as (...xs: Tensor[]) => unknown)(...Object.values(inputs))));
	const output = () => only(again.forward(inputs));
	const distance = await noGrad(() => output().sub(wanted).abs().max()).item();
	if (!(distance <= 1e-4)) throw new Error(`the outputs differ by ${distance} after a way through the file`);
	const optimizer = new optim.Adam(again.parameters(), { lr: 1e-3 });
	const losses: number[] = [];
	for (let step = 0; step < 3; step++) {
		const loss = output().square().mean();
		loss.backward();
		optimizer.step();
		optimizer.zeroGrad();
		losses.push(await loss.item());
	}
	if (!(losses[2]! < losses[0]!)) throw new Error(`the loss went from ${losses[0]} to ${losses[2]}`);
}

for (const { name, model: build, make, lengths, options } of CASES) {
	test(`${name}: equal outputs in onnxruntime-web at several sizes`, async () => {
		manualSeed(1);
		const built = await build();
		const [length, longer] = lengths ?? [7, 7];
		const inputs = make(2, length!);
		const dynamicAxes = lengths && Object.fromEntries(Object.keys(inputs).map((key) => [key, { 0: 'batch', 1: 'length' }]));
		const bytes = await toOnnx(built, { inputs, ...(dynamicAxes && { dynamicAxes }), ...options });
		await requireSame(built, bytes, [make(3, longer!), make(1, length!)]);
		if (isRecurrent(name)) await requireTrains(built as nn.Module, bytes, inputs);
	});
}

test('examples/autoencoder: a variational autoencoder draws random numbers, but its decoder can be exported', async () => {
	const model = new VariationalAutoencoder(16, 3);
	const input = randn([2, 1, 28, 28]);
	await refuses(() => toOnnx(model, { inputs: [input] }), /forward draws random numbers \(randn\)/);
	const inputs = { codes: randn([2, 3]) };
	const decode = (codes: Tensor) => model.decode(codes);
	await requireSame(decode, await toOnnx(decode, { inputs }), [inputs]);
});

test.run();
