/** Architectures with the weights of their files, against PyTorch; generation; and files that are wrong. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cat, init, manualSeed, ones, randn, type Tensor } from 'wgrad';
import {
	BertModel,
	CausalModel,
	fromPretrained,
	pretrainedFiles,
	UNet2DModel,
	WhisperForConditionalGeneration,
	type WhisperOptions,
} from 'wgrad/models';
import { filesOf, GOLDEN, inputsOf, PROMPTS, SPEECH } from './models';

test.before(async () => {
	await init({ device: 'webgpu' });
});

/** PyTorch and wgrad add float32 numbers in different orders. */
const ALLOWED = 1e-4;

function requireClose(actual: ArrayLike<number>, expected: readonly number[], what: string): void {
	assert.is(actual.length, expected.length, what);
	for (const [i, value] of expected.entries())
		assert.ok(Math.abs(actual[i]! - value) <= ALLOWED, `${what}: ${actual[i]} at ${i}, not ${value}`);
}

/** The spectrograms of both sounds. */
function featuresOf(model: WhisperForConditionalGeneration): Tensor {
	return cat([0, 1].map((row) => model.features(SPEECH.subarray(3000 * row, 3000 * (row + 1)))));
}

/** The output as generate.py lists it. */
async function outputOf(model: unknown, inputs: readonly Tensor[]): Promise<ArrayLike<number>> {
	if (model instanceof WhisperForConditionalGeneration) return model.forward(featuresOf(model), inputs[1]!).data();
	if (model instanceof UNet2DModel) return model.forward(inputs[0]!, inputs[1]!).data();
	if (!(model instanceof BertModel)) return (model as { forward(x: Tensor): Tensor }).forward(inputs[0]!).data();
	const [tokens, attentionMask] = inputs as [Tensor, Tensor];
	const { lastHiddenState, poolerOutput } = model.forward(tokens, { attentionMask });
	const hidden = await lastHiddenState.mul(attentionMask.unsqueeze(2)).data();
	if (poolerOutput === null) return hidden;
	const [pooled, mean] = [await poolerOutput.data(), await model.embed(tokens, { attentionMask }).data()];
	const [rows, width] = poolerOutput.shape as [number, number];
	const cut = (values: ArrayLike<number>, row: number) =>
		Array.prototype.slice.call(values, (row * values.length) / rows, ((row + 1) * values.length) / rows);
	assert.is(pooled.length, rows * width);
	return Array.from({ length: rows }, (_, row) => [...cut(hidden, row), ...cut(pooled, row), ...cut(mean, row)]).flat();
}

for (const [name, golden] of Object.entries(GOLDEN)) {
	test(`${name}: the output is PyTorch's, and the keys are those of the file`, async () => {
		const { model } = await fromPretrained(await filesOf(golden));
		requireClose(await outputOf(model, inputsOf(golden)), golden.output, name);
		const keys = Object.keys(model.stateDict()).map((key) => model.fileKeyOf(key));
		// A model that ties its head lists it twice; a file does not.
		assert.equal(
			keys.filter((key) => !/^(lm_head|proj_out)\.weight$/.test(key) || key in golden.shapes).sort(),
			Object.keys(golden.shapes).sort(),
		);
	});

	if (golden.greedy === undefined) continue;
	test(`${name}: the likeliest tokens are PyTorch's, one prompt at a time and both at once`, async () => {
		const { model } = await fromPretrained(await filesOf(golden, { parts: 3 }));
		if (model instanceof WhisperForConditionalGeneration) return heardIs(model, golden.greedy!);
		assert.instance(model, CausalModel);
		const causal = model as CausalModel;
		for (const [i, prompt] of PROMPTS.entries()) {
			const tokens = [];
			for await (const token of causal.generate(prompt, { maxNewTokens: 8 })) tokens.push(token);
			assert.equal(tokens, golden.greedy![i]);
		}
		const steps: (number | null)[][] = [];
		for await (const step of causal.generateBatch(PROMPTS, { maxNewTokens: 8 })) steps.push(step);
		assert.equal(
			PROMPTS.map((_, row) => steps.map((step) => step[row])),
			golden.greedy,
		);
	});
}

/** Whisper's text of each sound alone, and of both at once. */
async function heardIs(model: WhisperForConditionalGeneration, greedy: readonly (readonly number[])[]): Promise<void> {
	const features = featuresOf(model);
	for (const [i, expected] of greedy.entries()) {
		const tokens = [];
		for await (const token of model.generate(features.narrow(0, i, 1), { maxNewTokens: 8 })) tokens.push(token);
		assert.equal(tokens, expected);
	}
	const steps: (number | null)[][] = [];
	for await (const step of model.generateBatch(features, { maxNewTokens: 8 })) steps.push(step);
	assert.equal(
		greedy.map((_, row) => steps.map((step) => step[row])),
		greedy,
	);
}

test('loading draws no random numbers, so that later draws do not depend on it', async () => {
	const draw = async () => Array.from(await randn([4]).data());
	manualSeed(3);
	const expected = await draw();
	manualSeed(3);
	await gpt2();
	assert.equal(await draw(), expected);
});

async function gpt2(): Promise<CausalModel> {
	return (await fromPretrained<CausalModel>(await filesOf(GOLDEN.gpt2!))).model;
}

async function generated(
	model: CausalModel,
	prompt: number[],
	options: Parameters<CausalModel['generate']>[1],
): Promise<number[]> {
	const tokens = [];
	for await (const token of model.generate(prompt, options)) tokens.push(token);
	return tokens;
}

test('Whisper takes its prompt and suppressed tokens from generation_config.json, and refuses what it cannot hear', async () => {
	const files = await filesOf(GOLDEN.whisper!);
	const generation = {
		begin_suppress_tokens: [22],
		lang_to_id: { '<|de|>': 5 },
		task_to_id: { transcribe: 7 },
		no_timestamps_token_id: 3,
	};
	files.push(new File([JSON.stringify(generation)], 'generation_config.json'));
	const { model } = await fromPretrained<WhisperForConditionalGeneration>(files);
	const features = model.features(SPEECH.subarray(0, 3000));
	const text = async (options: WhisperOptions) => {
		const tokens = [];
		for await (const token of model.generate(features, { maxNewTokens: 8, ...options })) tokens.push(token);
		return tokens;
	};
	// PyTorch's, from generate.py with these begin_suppress_tokens.
	assert.equal(await text({}), [21, 4, 4, 22, 22, 4, 20, 4]);
	assert.equal(await text({ prompt: [1, 5, 7] }), await text({}));
	assert.equal(await text({ language: 'de' }), await text({ prompt: [1, 5, 7, 3] }));
	await assertRejects(text({ language: 'fr' }), /the model knows no language 'fr'; it has de/);
	await assertRejects(text({ language: 'de', task: 'translate' }), /<\|translate\|>|translate must be a whole number/);
	assert.throws(
		() => model.features(new Float32Array(3841)),
		/3841 samples are more than the 3840 that the model hears at once, 0\.24 seconds/,
	);
	assert.throws(
		() => model.forward(features.narrow(2, 0, 8), inputsOf(GOLDEN.whisper!)[1]!),
		/it takes spectrograms \[N, 8, 24\]/,
	);
	assert.ok('generation_config.json' in (await pretrainedFiles(model)));
});

test('old files of U-Nets have other names of attention, and their configs are checked', async () => {
	const rename = (key: string) =>
		key.replace('.to_q.', '.query.').replace('.to_k.', '.key.').replace('.to_v.', '.value.').replace('.to_out.0.', '.proj_attn.');
	const golden = GOLDEN['unet, as DDPM']!;
	const files = await filesOf(golden, { rename, parts: 2 });
	requireClose(await outputOf((await fromPretrained(files)).model, inputsOf(golden)), golden.output, 'unet');
	const refuses = (change: object, message: RegExp) =>
		assert.throws(() => new UNet2DModel({ ...golden.config, ...change }), message);
	refuses({ resnet_time_scale_shift: 'scale_shift' }, /resnet_time_scale_shift must be default, not scale_shift/);
	refuses({ block_out_channels: [] }, /must have the same length/);
	refuses({ up_block_types: ['UpBlock2D', 'SkipUpBlock2D'] }, /a block must be UpBlock2D or AttnUpBlock2D, not SkipUpBlock2D/);
});

test('generation stops at tokens, sequences and the length of the model, and frees its caches', async () => {
	const model = await gpt2();
	const prompt = PROMPTS[0]!;
	const [a, b, c] = await generated(model, prompt, { maxNewTokens: 8 });
	assert.equal(await generated(model, prompt, { stop: [c!] }), [a, b, c]);
	assert.equal(await generated(model, prompt, { stop: [[b!, c!]] }), [a, b, c]);
	assert.is((await generated(model, prompt, {})).length, 15, 'the model sees 20 tokens');
	await assertRejects(generated(model, [], {}), /each prompt needs at least one token/);
	for (const wrong of ['hello', [1.5], [Number.NaN], [[1, 2]], ones([2])])
		await assertRejects(generated(model, wrong as never, {}), /generate: a prompt must be a list of tokens/);
	await assertRejects(generated(model, prompt, { stop: c as never }), /a list of tokens, or of sequences of tokens, as stop/);
	await assertRejects(generated(model, prompt, { stop: ['end'] as never }), /a sequence in stop must be a list of tokens/);
	await assertRejects(generated(model, prompt, { stop: [[]] }), /a sequence in stop is empty/);
	await assertRejects(
		generated(model, new Array(20).fill(1), {}),
		/a prompt of 20 tokens leaves no room in the model's maxLength of 20/,
	);
	await assertRejects(generated(model, prompt, { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
});

test('sampling repeats with its seed, and the penalty avoids what was said', async () => {
	const model = await gpt2();
	const sample = (seed: number) => generated(model, [1], { maxNewTokens: 12, temperature: 1.5, topK: 20, topP: 0.95, seed });
	assert.equal(await sample(1), await sample(1));
	assert.not.equal(await sample(1), await sample(2));
	const tokens = await generated(model, [1], { maxNewTokens: 12, repetitionPenalty: 1e6 });
	assert.is(new Set(tokens).size, 12, `${tokens}`);
	await assertRejects(generated(model, [1], { topP: 0 }), /topP must lie in \(0, 1\]|topP must be/);
});

test('what pretrainedFiles gives loads again with the same bits', async () => {
	for (const name of ['distilbert', 'resnet18', 'gpt2', 'qwen2', 'mobilenet_v3, small', 'unet', 'whisper']) {
		const golden = GOLDEN[name]!;
		const { model } = await fromPretrained(await filesOf(golden));
		const files = Object.entries(await pretrainedFiles(model)).map(
			([file, bytes]) => new File([bytes as Uint8Array<ArrayBuffer>], file),
		);
		const again = await fromPretrained(files);
		assert.equal(Array.from(await outputOf(again.model, inputsOf(golden))), Array.from(await outputOf(model, inputsOf(golden))));
	}
});

test('old files of GPT-2 and BERT have other keys', async () => {
	const bare = await filesOf(GOLDEN.gpt2!, { rename: (key) => key.replace('transformer.', '') });
	requireClose(await outputOf((await fromPretrained(bare)).model, inputsOf(GOLDEN.gpt2!)), GOLDEN.gpt2!.output, 'gpt2');
	const rename = (key: string) =>
		`bert.${key.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta')}`;
	const { model } = await fromPretrained(await filesOf(GOLDEN.bert!, { rename }));
	requireClose(await outputOf(model, inputsOf(GOLDEN.bert!)), GOLDEN.bert!.output, 'bert');
});

test('wrong files are refused in a sentence', async () => {
	const files = await filesOf(GOLDEN.vit!);
	const refuses = async (changed: readonly File[], message: RegExp) => assertRejects(fromPretrained(changed), message);
	await refuses(files.slice(1), /has no config\.json/);
	await refuses([new File(['{'], 'config.json')], /config\.json is no JSON/);
	const config = (change: object) => new File([JSON.stringify({ ...GOLDEN.vit!.config, ...change })], 'config.json');
	await refuses([config({ model_type: 'mamba' })], /model_type is 'mamba'; wgrad has gpt2, llama/);
	await refuses([config({ hidden_size: '12' })], /config\.json: hidden_size must be a whole number of at least 1, not '12'/);
	await refuses([config({ hidden_act: 'snake' })], /hidden_act must be one of 'relu'/);
	await refuses(files.slice(0, 1), /model\.safetensors is not there/);
	await refuses(
		[config({ num_hidden_layers: 3 }), ...files.slice(1)],
		/the files lack keys of the model: vit\.encoder\.layer\.2\./,
	);
	await refuses(
		[config({ num_hidden_layers: 1 }), ...files.slice(1)],
		/there are keys that the model has not: vit\.encoder\.layer\.1\./,
	);
	await refuses(
		[config({ num_hidden_layers: 1, num_labels: 2, id2label: null }), ...files.slice(1)],
		/model\.safetensors: there are keys that the model has not: .*; classifier\.weight: shape \[3, 12\] in the state, \[2, 12\] in the module; classifier\.bias/,
	);
	await refuses([config({ hidden_size: 14 }), ...files.slice(1)], /shape \[1, 1, 12\] in the state, \[1, 1, 14\] in the module/);
});

async function assertRejects(promise: Promise<unknown>, message: RegExp): Promise<void> {
	const error = await promise.then(
		() => new Error('it did not throw'),
		(error: unknown) => error,
	);
	assert.match(String(error), message);
}

test.run();
