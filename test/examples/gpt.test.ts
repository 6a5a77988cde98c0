/** The GPT example on the CPU: tokens, sampling, learning, checkpoints, generation. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, manualSeed, noGrad, type Tensor, tensor } from 'wgrad';
import { MemoryStore, saveCheckpoint } from 'wgrad/train';
import { Gpt } from '../../examples/gpt/model';
import { generate, Sampler } from '../../examples/gpt/sampling';
import { restoreTokenizer, tokenizerOf } from '../../examples/gpt/tokenizer';
import { GptTraining } from '../../examples/gpt/training';
import { requireClose } from '../proofs/compare';
import { collect, LEARNING, SMALL, TEXT } from './gpt';

test.before(async () => {
	await init({ device: 'cpu' });
});

test('characters become tokens and back; unknown ones throw', () => {
	const tokenizer = tokenizerOf('char', 'sea — 🐋 — see');
	assert.is(tokenizer.size, 6);
	assert.is(tokenizer.decode(tokenizer.encode('see 🐋')), 'see 🐋');
	assert.equal(restoreTokenizer(JSON.parse(JSON.stringify(tokenizer.vocabulary))).encode('see'), tokenizer.encode('see'));
	assert.throws(() => tokenizer.encode('sex'), /"x" does not occur in the text/);
});

test('byte pairs: those of the text, renumbered, and single bytes for other text', () => {
	const text = 'The whale, the whale! The white whale — and <|endoftext|> is no end.';
	const tokenizer = tokenizerOf('bpe', text);
	const tokens = tokenizer.encode(text);
	assert.ok(tokens.length < text.length / 3, `${tokens.length} tokens for ${text.length} characters`);
	assert.ok(tokenizer.size < 256 + tokens.length && Math.max(...tokens) < tokenizer.size);
	assert.is(tokenizer.decode(tokens), text);
	for (const other of ['Ahab’s 🐋 swims', ' \t\n  ', 'ÿ¡­Ā', '']) assert.is(tokenizer.decode(tokenizer.encode(other)), other);
	assert.equal(restoreTokenizer(tokenizer.vocabulary).encode('whale'), tokenizer.encode('whale'));
	// Every byte has its own token.
	const latin = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
	assert.is(tokenizer.decode(tokenizer.encode(latin)), latin);
});

const SCORES = [1, 3, 0, 2, 2.5];
const tokensOf = (options: ConstructorParameters<typeof Sampler>[0]) =>
	new Sampler(options).candidates(SCORES).map(({ token }) => token);

test('top-k and top-p keep the likeliest, temperature 0 only one', () => {
	assert.equal(tokensOf({}), [1, 4, 3, 0, 2]);
	assert.equal(tokensOf({ topK: 2 }), [1, 4]);
	assert.equal(tokensOf({ topK: 9 }), [1, 4, 3, 0, 2]);
	// The probabilities are 0.458, 0.278, 0.169, 0.062, 0.023.
	assert.equal(tokensOf({ topP: 0.4 }), [1]);
	assert.equal(tokensOf({ topP: 0.5 }), [1, 4]);
	assert.equal(tokensOf({ topP: 0.8 }), [1, 4, 3]);
	assert.equal(tokensOf({ temperature: 0 }), [1]);
	assert.equal(tokensOf({ topK: 3, topP: 0.5 }), [1]);
	for (const options of [{}, { topK: 3 }, { topP: 0.7, temperature: 2 }]) {
		const sum = new Sampler(options).candidates(SCORES).reduce((total, { probability }) => total + probability, 0);
		assert.ok(Math.abs(sum - 1) < 1e-12);
	}
});

test('tokens come with their probabilities; the seed determines which', () => {
	const draw = (options: ConstructorParameters<typeof Sampler>[0], count: number) => {
		const sampler = new Sampler(options);
		return Array.from({ length: count }, () => sampler.choose(SCORES));
	};
	const temperature = 0.7;
	const drawn = draw({ temperature, seed: 3 }, 20_000);
	const weights = SCORES.map((score) => Math.exp(score / temperature));
	const total = weights.reduce((sum, weight) => sum + weight, 0);
	for (const [token, weight] of weights.entries()) {
		const share = drawn.filter((one) => one === token).length / drawn.length;
		assert.ok(Math.abs(share - weight / total) < 0.012, `token ${token}: ${share} instead of ${weight / total}`);
	}
	assert.equal(draw({ seed: 5 }, 50), draw({ seed: 5 }, 50));
	assert.not.equal(draw({ seed: 5 }, 50), draw({ seed: 6 }, 50));
});

test('sampling options out of range throw', () => {
	assert.throws(() => new Sampler({ temperature: -1 }), /temperature must be at least 0/);
	assert.throws(() => new Sampler({ topK: 1.5 }), /top-k must be a whole number/);
	assert.throws(() => new Sampler({ topP: 0 }), /top-p must lie above 0/);
});

const TINY = { vocabularySize: 11, context: 12, width: 8, layers: 2, heads: 2 };
const NUMBERS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8];

/** Enlarges the weights: fresh ones are small, so that all scores are nearly equal. */
function enlarge(model: Gpt, factor: number): void {
	noGrad(() => {
		for (const parameter of model.parameters()) parameter.mul_(factor);
	});
}

function rows(tokens: readonly number[]): Tensor {
	return tensor(Int32Array.from(tokens), { shape: [1, tokens.length], device: 'cpu' });
}

test('a model with caches gives the same results as without, however the text is cut', async () => {
	manualSeed(2);
	const model = new Gpt(TINY).to('float64');
	enlarge(model, 5);
	const expected = await model.forward(rows(NUMBERS)).data();
	const last = expected.slice(-TINY.vocabularySize);
	for (const cuts of [[12], [5, 12], [1, 4, 5, 9, 12], NUMBERS.map((_, i) => i + 1)]) {
		const caches = model.caches();
		let start = 0;
		for (const end of cuts) {
			const scores = await model.next(rows(NUMBERS.slice(start, end)), caches).data();
			const there = expected.slice((end - 1) * TINY.vocabularySize, end * TINY.vocabularySize);
			requireClose(`${cuts}: after ${end}`, scores, there, { relative: 1e-9, absolute: 1e-12 });
			start = end;
		}
	}
	assert.ok(Math.max(...last) - Math.min(...last) > 0.1);
});

test('generation takes the likeliest token, also beyond the context', async () => {
	manualSeed(4);
	const model = new Gpt(TINY);
	enlarge(model, 10);
	const tokens = [3, 1, 4];
	let first = 0;
	for (let i = 0; i < 20; i++) {
		// When the context is full, the model reads its latest half again.
		if (tokens.length - first > TINY.context) first = tokens.length - TINY.context / 2;
		const scores = await model
			.forward(rows(tokens.slice(first)))
			.select(1, -1)
			.reshape([-1])
			.data();
		tokens.push(scores.indexOf(Math.max(...scores)));
	}
	const generated = await collect(generate(model, [3, 1, 4], 20, new Sampler({ temperature: 0 })));
	assert.equal(generated, tokens.slice(3));
});

test('it learns: within 60 steps the loss falls below a third, and it reproduces the text', async () => {
	const training = GptTraining.begin(LEARNING, TEXT, 'cpu');
	const before = await training.validate();
	assert.ok(Math.abs(before - Math.log(training.tokenizer.size)) < 0.2, `fresh weights lose ${before}`);
	const steps = await collect(training.run());
	assert.equal(
		steps.map(({ step }) => step),
		Array.from({ length: 60 }, (_, i) => i + 1),
	);
	const after = await training.validate({ all: true });
	assert.ok(after < before / 3, `the validation loss went from ${before} to ${after}`);
	assert.is(training.model.training, true);
	const texts = await collect(training.write('The whale ', 6, { temperature: 0 }));
	assert.is(texts.length, 6);
	assert.is(texts.at(-1), 'The whale swims.');
});

async function valuesOf(training: GptTraining): Promise<number[][]> {
	return await Promise.all(training.model.parameters().map(async (parameter) => Array.from(await parameter.data())));
}

test('a run resumed from a checkpoint gives the same bits', async () => {
	const whole = GptTraining.begin(SMALL, TEXT, 'cpu');
	await collect(whole.run());
	const store = new MemoryStore();
	const first = GptTraining.begin(SMALL, TEXT, 'cpu');
	await collect(first.run(4));
	// Validating and generating must not change the random numbers of training.
	await first.validate();
	await collect(first.write('The ', 3));
	await first.save('run', store);
	manualSeed(77);
	const second = await GptTraining.resume('run', TEXT, 'cpu', { store });
	assert.is(second.step, 4);
	assert.equal(second.validations, first.validations);
	await collect(second.run());
	assert.equal(second.losses, whole.losses);
	assert.equal(await valuesOf(second), await valuesOf(whole));
	assert.ok(second.finished);
	const longer = await GptTraining.resume('run', TEXT, 'cpu', { store, steps: 5 });
	assert.is((await collect(longer.run())).length, 1);
});

test('a run that is left mid-way has completed the step that it began', async () => {
	const training = GptTraining.begin(SMALL, TEXT, 'cpu');
	for await (const { step } of training.run()) if (step === 2) break;
	assert.is(training.losses.length, training.step);
});

test('a checkpoint of another program or another text throws', async () => {
	const store = new MemoryStore();
	await GptTraining.begin(SMALL, TEXT, 'cpu').save('run', store);
	const other = `${TEXT}The end.`;
	await rejects(GptTraining.resume('run', other, 'cpu', { store }), /trained on another text|does not occur/);
	await saveCheckpoint('other', { model: new Gpt(TINY) }, { store });
	await rejects(GptTraining.resume('other', TEXT, 'cpu', { store }), /not one of this program/);
	assert.throws(() => GptTraining.begin(SMALL, 'short', 'cpu'), /too few for a context of 16/);
	assert.throws(() => new Gpt({ ...TINY, heads: 3 }), /a width of 8 does not divide into 3 heads/);
});

async function rejects(promise: Promise<unknown>, message: RegExp): Promise<void> {
	const error = await promise.then(
		() => null,
		(reason: Error) => reason,
	);
	assert.match(error?.message ?? 'nothing was refused', message);
}

test.run();
