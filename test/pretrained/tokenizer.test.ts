/** Tokenizers and chat templates of pretrained models, text generation, folders, and `savePretrained`. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init } from 'wgrad';
import {
	BertModel,
	type CausalModel,
	fromPretrained,
	Pretrained,
	pretrainedFiles,
	savePretrained,
	Tokenizer,
	type WhisperForConditionalGeneration,
} from 'wgrad/models';
import { SETTINGS, TOKENIZER } from './byteTokenizer';
import { filesOf, GOLDEN, SPEECH } from './models';

const config = { ...GOLDEN.gpt2!.config, vocab_size: 260, eos_token_id: 259 };
const golden = { ...GOLDEN.gpt2!, config, shapes: { ...GOLDEN.gpt2!.shapes, 'transformer.wte.weight': [260, 12] } };

let folder: string;
test.before(async () => {
	await init({ device: 'cpu' });
	folder = mkdtempSync(join(tmpdir(), 'wgrad-pretrained-'));
	for (const file of await filesOf(golden)) writeFileSync(join(folder, file.name), Buffer.from(await file.arrayBuffer()));
	writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(TOKENIZER));
	writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(SETTINGS));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('text becomes tokens and text again', async () => {
	const tokenizer = await Tokenizer.from(TOKENIZER, SETTINGS);
	assert.equal(tokenizer.encode('the the'), [257, 258]);
	for (const text of ['Call me Ishmael.', 'naïve 🐋', '']) assert.is(tokenizer.decode(tokenizer.encode(text)), text);
	assert.is(tokenizer.decode([257, 259]), 'the');
	assert.is(tokenizer.decode([257, 259], { skipSpecialTokens: false }), 'the<|end|>');
	assert.is(tokenizer.tokenId('eos_token'), 259);
	assert.is(tokenizer.tokenId('bos_token'), undefined);
	const { tokens, attentionMask } = tokenizer.encodeBatch(['the', 'the the', 'the the the'], { maxLength: 2 });
	assert.equal(await tokens.toArray(), [
		[257, 259],
		[257, 258],
		[257, 258],
	]);
	assert.equal(await attentionMask.toArray(), [
		[true, false],
		[true, true],
		[true, true],
	]);
});

test('long texts are cut at the length of the model, before the token that ends a text', async () => {
	const post = (token: string) => ({ SpecialToken: { id: token, type_id: 0 } });
	const ending = {
		type: 'TemplateProcessing',
		single: [{ Sequence: { id: 'A', type_id: 0 } }, post('<|end|>')],
		pair: [],
		special_tokens: { '<|end|>': { id: '<|end|>', ids: [259], tokens: ['<|end|>'] } },
	};
	const tokenizer = await Tokenizer.from({ ...TOKENIZER, post_processor: ending }, { ...SETTINGS, model_max_length: 3 });
	assert.equal(await tokenizer.encodeBatch(['the', 'the the the the']).tokens.toArray(), [
		[257, 259, 259],
		[257, 258, 259],
	]);
	const bert = new BertModel({ ...GOLDEN.bert!.config, max_position_embeddings: 2 });
	const { tokens, attentionMask } = tokenizer.encodeBatch(['the the']);
	assert.throws(() => bert.embed(tokens, { attentionMask }), /BertModel: 3 tokens are more than the 2 that the model sees/);
});

test('conversations follow the chat template', async () => {
	const tokenizer = await Tokenizer.from(TOKENIZER, SETTINGS);
	const messages = [{ role: 'user', content: 'Where is the whale?' }] as const;
	assert.is(await tokenizer.applyChatTemplate(messages), '<user>Where is the whale?<|end|><assistant>');
	assert.is(await tokenizer.applyChatTemplate(messages, { addGenerationPrompt: false }), '<user>Where is the whale?<|end|>');
	const bare = await Tokenizer.from(TOKENIZER);
	assert.match(String(await bare.applyChatTemplate(messages).catch((error: unknown) => error)), /has no chat_template/);
});

async function all(pieces: AsyncIterable<string>): Promise<string[]> {
	const list = [];
	for await (const piece of pieces) list.push(piece);
	return list;
}

test('a model from a folder writes text in whole characters, to its end', async () => {
	const pretrained = await fromPretrained<CausalModel>(folder);
	assert.equal(pretrained.endTokens, [259]);
	const tokens: number[] = [];
	for await (const token of pretrained.model.generate(pretrained.tokenizer!.encode('the'), { maxNewTokens: 12 }))
		tokens.push(token);
	const pieces = await all(pretrained.complete('the', { maxNewTokens: 12 }));
	const text = pretrained.tokenizer!.decode(tokens.slice(0, tokens.includes(259) ? tokens.indexOf(259) : tokens.length));
	assert.ok(text.startsWith(pieces.join('')), `${JSON.stringify(pieces)} of ${JSON.stringify(text)}`);
	assert.ok(pieces.every((piece) => !piece.endsWith('\ufffd')));

	// A model that says a word of four bytes and then ends.
	const whale = [...pretrained.tokenizer!.encode('🐋!'), 259, 1, 1];
	pretrained.model.generate = async function* (_, { stop } = {}) {
		for (const token of whale) {
			yield token;
			if (stop?.includes(token)) return;
		}
	};
	assert.equal(await all(pretrained.complete('the')), ['🐋', '!']);
	assert.equal(await all(pretrained.chat([{ role: 'user', content: 'Who?' }])), ['🐋', '!']);
});

test('a Whisper writes down speech in pieces', async () => {
	const whisper = GOLDEN.whisper!;
	const table = 'model.decoder.embed_tokens.weight';
	const files = await filesOf({
		...whisper,
		config: { ...whisper.config, vocab_size: 260, eos_token_id: 259, suppress_tokens: null },
		shapes: { ...whisper.shapes, [table]: [260, 12] },
	});
	const json = (name: string, value: object) => new File([JSON.stringify(value)], name);
	files.push(json('tokenizer.json', TOKENIZER), json('tokenizer_config.json', SETTINGS));
	const pretrained = await fromPretrained<WhisperForConditionalGeneration>(files);
	const { model, tokenizer } = pretrained;
	const tokens: number[] = [];
	for await (const token of model.generate(model.features(SPEECH.subarray(0, 3000)), { stop: [259] })) tokens.push(token);
	const text = (await all(pretrained.transcribe(SPEECH.subarray(0, 3000)))).join('');
	assert.ok(text.length > 0 && tokenizer!.decode(tokens).startsWith(text));
	const { model: other } = await fromPretrained(folder);
	const refused = all(new Pretrained(other, tokenizer, []).transcribe([0])).catch((error: unknown) => error);
	assert.match(String(await refused), /transcribe: a GPT2LMHeadModel does not hear speech/);
});

test('savePretrained writes what fromPretrained reads', async () => {
	const { model } = await fromPretrained(folder);
	const copy = join(folder, 'copy');
	await savePretrained(model, copy);
	assert.equal(JSON.parse(readFileSync(join(copy, 'config.json'), 'utf8')), config);
	const again = await fromPretrained(copy);
	assert.is(again.tokenizer, null);
	await savePretrained(await fromPretrained(folder), copy);
	assert.equal((await fromPretrained(copy)).tokenizer!.encode('the the'), [257, 258]);
	for (const [key, value] of Object.entries(again.model.stateDict()))
		assert.equal(await value.data(), await model.stateDict()[key]!.data());
	assert.match(String(await all(again.complete('x')).catch((error: unknown) => error)), /the model has no tokenizer\.json/);
	await savePretrained(model, copy, { maxShardSize: '8KB' });
	assert.ok(readdirSync(copy).includes('model.safetensors.index.json') && !readdirSync(copy).includes('model.safetensors'));
	const { model: parts } = await fromPretrained(copy);
	for (const [key, value] of Object.entries(parts.stateDict()))
		assert.equal(await value.data(), await model.stateDict()[key]!.data());
	assert.equal(Object.keys(await pretrainedFiles(await fromPretrained(folder))).sort(), [
		'config.json',
		'model.safetensors',
		'tokenizer.json',
		'tokenizer_config.json',
	]);
	const inFile = await savePretrained(model, join(folder, 'config.json')).catch((error: unknown) => error);
	assert.match(String(inFile), /savePretrained: .*config\.json/);
});

test('a model comes from an address or a hub, and errors name what is missing', async () => {
	const asked: string[] = [];
	const server: Server = createServer(({ url, method }, response) => {
		asked.push(`${method} ${url}`);
		const name = url!.split('/').at(-1)!;
		try {
			response.end(
				url!.startsWith('/org/model/resolve/v%2F2/')
					? readFileSync(join(folder, name))
					: response.writeHead(url!.startsWith('/broken/') ? 500 : 404) && '',
			);
		} catch {
			response.writeHead(404).end();
		}
	});
	await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
	const hub = `http://localhost:${(server.address() as AddressInfo).port}`;
	try {
		const progress: number[][] = [];
		const onProgress = (...counts: number[]) => void progress.push(counts);
		const { tokenizer } = await fromPretrained('org/model', { hub, revision: 'v/2', onProgress, cache: false });
		assert.ok(tokenizer !== null);
		assert.equal(
			progress,
			progress.map((_, i) => [i + 1, progress.length]),
		);
		assert.ok(asked.every((line) => line.includes('/org/model/resolve/v%2F2/')));
		await fromPretrained(`${hub}/org/model/resolve/v%2F2`, { cache: join(folder, 'cache') });
		const refused = async (source: string, message: RegExp) =>
			assert.match(String(await fromPretrained(source, { hub }).catch((error: unknown) => error)), message);
		await refused('org/other', /org\/other has no config\.json/);
		await refused(`${hub}/broken/`, /broken\/config\.json: the server answered 500/);
		await refused('not a name', /'not a name' is neither a folder nor an address nor the name of a model/);
	} finally {
		server.close();
	}
	assert.match(String(await fromPretrained('org/model', { hub }).catch((error: unknown) => error)), /cannot be fetched/);
	// @ts-expect-error a number is no source
	const unknown = await fromPretrained(7).catch((error: unknown) => error);
	assert.match(String(unknown), /must be a folder, an address, a name or files, not 7/);
});

test.run();
