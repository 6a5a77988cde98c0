/** Architectures with the weights of their files, against PyTorch; generation; and files that are wrong. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, type Tensor } from 'wgrad';
import { BertModel, CausalModel, fromPretrained, pretrainedFiles } from 'wgrad/models';
import { filesOf, GOLDEN, inputsOf, PROMPTS } from './models';

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

/** The output as generate.py lists it. */
async function outputOf(model: unknown, inputs: readonly Tensor[]): Promise<ArrayLike<number>> {
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
			keys.filter((key) => key !== 'lm_head.weight' || 'lm_head.weight' in golden.shapes).sort(),
			Object.keys(golden.shapes).sort(),
		);
	});

	if (golden.greedy === undefined) continue;
	test(`${name}: the likeliest tokens are PyTorch's, one prompt at a time and both at once`, async () => {
		const { model } = await fromPretrained(await filesOf(golden, { parts: 3 }));
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

test('generation stops at tokens, sequences and the length of the model, and frees its caches', async () => {
	const model = await gpt2();
	const prompt = PROMPTS[0]!;
	const [a, b, c] = await generated(model, prompt, { maxNewTokens: 8 });
	assert.equal(await generated(model, prompt, { stop: [c!] }), [a, b, c]);
	assert.equal(await generated(model, prompt, { stop: [[b!, c!]] }), [a, b, c]);
	assert.is((await generated(model, prompt, {})).length, 15, 'the model sees 20 tokens');
	await assertRejects(generated(model, [], {}), /each prompt needs at least one token/);
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
	for (const name of ['distilbert', 'resnet18', 'gpt2', 'qwen2']) {
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
