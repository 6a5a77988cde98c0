/** Summaries: every figure against a calculation by hand, and no change of the model. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { manualSeed, memory, nn, type Tensor, tidy, zeros } from 'wgrad';

const F32 = 4;

function layer(summary: nn.ModelSummary, path: string): nn.LayerSummary {
	const found = summary.layers.find((candidate) => candidate.path === path);
	if (found === undefined) throw new Error(`no layer ${path}`);
	return found;
}

test('a convolutional network', () => {
	const model = new nn.Sequential(
		new nn.Conv2d(1, 2, 3),
		new nn.BatchNorm2d(2),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Flatten(),
		new nn.Linear(8, 3),
	);
	const summary = nn.summarize(model, [4, 1, 6, 6]);
	const map = 4 * 2 * 4 * 4;
	assert.equal(
		summary.layers.map(({ kind, output, parameters, flops }) => [kind, output, parameters, flops]),
		[
			['Sequential', '[4, 3]', 0, 0],
			['Conv2d', '[4, 2, 4, 4]', 2 * 9 + 2, 2 * 9 * map],
			// Two channels' 1 / sqrt(var + eps), then (x - mean) * rstd * weight + bias.
			['BatchNorm2d', '[4, 2, 4, 4]', 4, 2 * 3 + 4 * map],
			['ReLU', '[4, 2, 4, 4]', 0, map],
			['MaxPool2d', '[4, 2, 2, 2]', 0, 4 * (map / 4)],
			['Flatten', '[4, 8]', 0, 0],
			['Linear', '[4, 3]', 27, 2 * 8 * 4 * 3],
		],
	);
	assert.is(
		summary.flops,
		summary.layers.reduce((sum, { flops }) => sum + flops!, 0),
	);
	// Saved for the backward pass: the convolution's output and the statistics for batch norm, the outputs of ReLU and pool, the
	// pool's positions; and the result.
	assert.equal(
		summary.layers.map(({ activations }) => activations),
		[0, F32 * map, F32 * 4, F32 * map, F32 * 2 * (map / 4), 0, F32 * 12],
	);
	assert.is(summary.memory.parameters, F32 * 51);
	// Two channels' running mean and variance, and the number of batches.
	assert.is(summary.memory.buffers, F32 * 5);
	const { activations, training } = summary.memory;
	// Parameters, gradients, Adam's two states, buffers, input, activations, and the gradients in flight through the largest
	// layers.
	const least = F32 * (4 * 51 + 5 + 4 * 36) + activations!;
	assert.ok(training! >= least && training! <= least + F32 * 4 * map, `${training} bytes, at least ${least}`);
	assert.match(model.summary([4, 1, 6, 6]), /2 +ReLU +\[4, 2, 4, 4\] +128 +512 B/);
});

test('linear layers: the products, for any leading dimensions', () => {
	const summary = nn.summarize(new nn.Linear(784, 10), [2, 3, 784]);
	assert.is(summary.flops, 2 * 784 * 10 * 6);
	assert.is(layer(summary, '').output, '[2, 3, 10]');
	assert.is(summary.memory.inference, F32 * (6 * 784 + 6 * 10));
});

test('attention: projections, scores, softmax, weighted sum', () => {
	const model = new nn.MultiheadAttention(8, 2, { batchFirst: true });
	const shape = [1, 5, 8];
	const summary = nn.summarize(model, [shape, shape, shape]);
	const projections = 3 * 2 * 5 * 8 * 8;
	const products = 2 * (2 * 2 * 5 * 5 * 4);
	// With returned weights: q times the scale, softmax over 2 heads of 5 x 5, the mean of the heads.
	assert.is(layer(summary, '').flops, projections + products + 5 * 8 + 5 * 50 + 50);
	assert.is(layer(summary, 'out_proj').flops, 2 * 5 * 8 * 8);

	const encoder = new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 16, batchFirst: true });
	const fused = nn.summarize(new nn.Sequential(encoder), [2, 5, 8]);
	// The 5 x 5 pairs of 2 x 2 heads: two products of length 4, the scale and softmax.
	assert.is(layer(fused, '0.self_attn').flops, 2 * projections + 4 * 25 * (2 * 4 + 2 * 4 + 6));
	assert.is(layer(fused, '0.linear1').flops, 2 * 10 * 8 * 16);
	// Mean and variance 4, normalisation 2, weight and bias.
	assert.is(layer(fused, '0.norm1').flops, 8 * 80);
	// Two residual sums, and ReLU between the linear layers.
	assert.is(layer(fused, '0').flops, 2 * 80 + 160);
	assert.match(new nn.Sequential(encoder).summary([2, 5, 8]), /\n {2}self_attn +Multi.*\n {4}out_proj +Linear/);
});

test('a recurrent layer: every step counts', () => {
	const [steps, rows, inputs, units] = [5, 2, 3, 4];
	const summary = nn.summarize(new nn.LSTM(inputs, units), [steps, rows, inputs]);
	const gates = 4 * units;
	assert.is(summary.flops, 2 * steps * rows * inputs * gates + steps * (2 * rows * units * gates) + steps * rows * units * 13);
	assert.is(layer(summary, '').output, '[5, 2, 4], [1, 2, 4], [1, 2, 4]');
	assert.is(summary.parameters, gates * (inputs + units + 2));
});

test('inputs of several shapes and dtypes', () => {
	class Weighted extends nn.Module {
		readonly table = new nn.Embedding(10, 4);
		override forward(words: Tensor, weights: Tensor): { sum: Tensor } {
			return { sum: tidy(() => this.table.forward(words).mul(weights.unsqueeze(-1)).sum(1)) };
		}
	}
	const model = new Weighted();
	const shapes = [
		[2, 7],
		[2, 7],
	];
	const summary = nn.summarize(model, shapes, { dtype: ['int32', 'float32'] });
	assert.is(summary.flops, 2 * (2 * 7 * 4));
	assert.is(layer(summary, '').output, '[2, 4]');
	assert.throws(() => model.summary(shapes, { dtype: ['int32'] }), /summary: 1 dtypes for 2 input shapes; give one for each/);
	assert.throws(() => model.summary([2, 7]), /embedding/);
	assert.throws(() => model.summary('2, 7' as never), /summary: inputShape must be a shape, .* not '2, 7'/);
	assert.match(new nn.Sequential(model.table).summary([3], { dtype: 'int32' }), /0 +Embedding +\[3, 4\] +40/);
});

test('a shared layer counts once, its calls each time', () => {
	const shared = new nn.Linear(4, 4);
	const summary = nn.summarize(new nn.Sequential(shared, new nn.Tanh(), shared), [1, 4]);
	assert.is(summary.parameters, 20);
	assert.is(layer(summary, '0').output, '[1, 4] (2 calls)');
	assert.is(summary.flops, 2 * (2 * 16) + 4);
});

test('without a shape, parameters only; frozen ones are marked', () => {
	const model = new nn.Sequential(new nn.Linear(4, 4).requiresGrad_(false), new nn.Linear(4, 2));
	assert.match(model.summary(), /layer +type +parameters\n-+\n[\s\S]*30 parameters, 10 trainable\nmemory: 120 B parameters$/);
	const frozen = nn.summarize(model.requiresGrad_(false), [1, 4]);
	assert.is(frozen.memory.training, null);
	assert.is(frozen.layers[1]!.activations, null);
});

test('a summary changes no values, modes, properties, random numbers or tensors', async () => {
	class Odd extends nn.Module {
		readonly norm = new nn.BatchNorm1d(3);
		readonly drop = new nn.Dropout(0.5);
		calls = 0;
		cache: Tensor | null = null;
		override forward(x: Tensor): Tensor {
			this.calls++;
			this.cache ??= zeros([3]);
			return this.drop.forward(this.norm.forward(x.add(this.cache)));
		}
	}
	const generator = manualSeed(3);
	const model = new Odd();
	model.norm.eval();
	const state = JSON.stringify(await Promise.all(Object.values(model.stateDict()).map((tensor) => tensor.toArray())));
	const versions = () => [...model.parameters(), ...model.buffers()].map((tensor) => tensor.storage.version);
	const before = { versions: versions(), tensors: memory().tensors, random: generator.getState() };
	model.summary([4, 3]);
	assert.is(memory().tensors, before.tensors);
	assert.equal(versions(), before.versions);
	assert.equal(generator.getState(), before.random);
	assert.is(JSON.stringify(await Promise.all(Object.values(model.stateDict()).map((tensor) => tensor.toArray()))), state);
	assert.equal(
		[model.calls, model.cache, model.training, model.norm.training, model.drop.training],
		[0, null, true, false, true],
	);
	assert.not(Object.hasOwn(model, 'forward'));
	assert.ok(model.parameters().every((parameter) => parameter.grad === null));

	const { tensors } = memory();
	assert.throws(() => model.summary([4, 5]));
	assert.is(memory().tensors, tensors);
	assert.not(Object.hasOwn(model.norm, 'forward'));
	assert.ok(model.training);
});

test('a forward that waits for values throws', () => {
	class Waits extends nn.Module {
		override async forward(x: Tensor): Promise<number> {
			return x.sum().item();
		}
	}
	assert.throws(() => new Waits().summary([2]), /summary: forward of Waits is async/);
});

test('a summary of a large model is fast', () => {
	const block = (from: number, to: number) => [new nn.Conv2d(from, to, 3, { padding: 1 }), new nn.ReLU(), new nn.MaxPool2d(2)];
	const model = new nn.Sequential(...block(3, 64), ...block(64, 128), ...block(128, 256));
	const start = performance.now();
	const summary = nn.summarize(model, [16, 3, 224, 224]);
	assert.ok(performance.now() - start < 2000);
	assert.is(layer(summary, '3').flops, 2 * 64 * 9 * 16 * 128 * 112 * 112);
});

test.run();
