/** Attention and transformer layers on the CPU path against PyTorch's; refusals, positions, and generation with a cache. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cat, full, manualSeed, nn, noGrad, ones, randn, type Tensor, tensor, zeros } from 'wgrad';
import { requireClose } from '../proofs/compare';
import { compareLayer, NAMES } from './transformers';

for (const name of NAMES) {
	test(`${name} gives PyTorch's results`, () => compareLayer(name, 'cpu', 'float64', { relative: 1e-9, absolute: 1e-11 }));
}

test("a causal mask equals PyTorch's", async () => {
	const inf = Number.POSITIVE_INFINITY;
	assert.equal(await nn.Transformer.generateSquareSubsequentMask(3, { device: 'cpu' }).toArray(), [
		[0, -inf, -inf],
		[0, 0, -inf],
		[0, 0, 0],
	]);
});

test('stacks start with equal layers that learn separately', async () => {
	const encoder = new nn.TransformerEncoder(new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 4 }), 2);
	const state = encoder.stateDict();
	const [first, second] = ['layers.0.linear1.weight', 'layers.1.linear1.weight'].map((key) => state[key]!);
	assert.equal(await first!.data(), await second!.data());
	noGrad(() => void encoder.layers.at(0).linear1.weight.fill_(0));
	assert.not.equal(await encoder.stateDict()['layers.0.linear1.weight']!.data(), await second!.data());
});

test('attention rejects inputs that do not fit', () => {
	assert.throws(() => new nn.MultiheadAttention(8, 3), /MultiheadAttention: 8 features do not divide into 3 heads/);
	const x = zeros([2, 3, 6], { device: 'cpu' });
	assert.throws(
		() => new nn.MultiheadAttention(8, 2).forward(x, x, x),
		/MultiheadAttention: it takes queries, keys and values of 8, 8 and 8 features, \[L, N, features\]/,
	);
	assert.throws(
		() => new nn.TransformerEncoderLayer(8, 2, { activation: 'tanh' as 'relu' }),
		/TransformerEncoderLayer: activation must be 'relu', 'gelu' or a function, not 'tanh'/,
	);
	assert.throws(
		() => new nn.Transformer({ dModel: 8, nhead: 2 }).forward(zeros([3, 2, 8]), zeros([3, 1, 8])),
		/Transformer: source \[3, 2, 8\] and target \[3, 1, 8\]/,
	);
});

test('masks that do not fit throw and are not reshaped', () => {
	const device = { device: 'cpu' } as const;
	const layer = new nn.MultiheadAttention(4, 2, device);
	const x = zeros([5, 3, 4], device);
	const refused = (call: nn.MultiheadAttentionCall, message: RegExp) =>
		assert.throws(() => layer.forward(x, x, x, call), message);
	const open = (...shape: number[]) => zeros(shape, { dtype: 'bool', ...device });
	refused({ keyPaddingMask: open(5, 3) }, /keyPaddingMask must be \[3, 5\], not \[5, 3\]/);
	refused({ attnMask: open(5, 6, 5) }, /attnMask must be \[5, 5\] or \[6, 5, 5\], not \[5, 6, 5\]/);
	refused({ keyPaddingMask: zeros([3, 5], { dtype: 'int32', ...device }) }, /keyPaddingMask must be bool or floating, not int32/);
	refused({ cache: {} as nn.KVCache }, /cache must be a KVCache, not an object/);
	assert.throws(() => layer.forward(x, zeros([5, 2, 4], device), x), /must have one batch size/);
	assert.throws(() => layer.forward(x, zeros([4, 3, 4], device), x), /keys and values one length/);
	assert.throws(() => new nn.MultiheadAttention(4, 2, { dropout: 2 }), /MultiheadAttention: dropout must lie in \[0, 1\], not 2/);
});

test('rows of the lowest float32 get weights at the allowed keys only', async () => {
	const place = { device: 'cpu', dtype: 'float64' } as const;
	const layer = new nn.MultiheadAttention(4, 1, place);
	const x = randn([3, 1, 4], place);
	const attnMask = full([3, 3], -Number.MAX_VALUE, place);
	const [, weights] = layer.forward(x, x, x, { attnMask, isCausal: true });
	const third = 1 / 3;
	requireClose('weights', await weights!.data(), [1, 0, 0, 0.5, 0.5, 0, third, third, third], { relative: 1e-12, absolute: 0 });
});

test('stacks copy the dtype, device and modes of the given layer, and reject mixed ones', async () => {
	const layer = new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 2 });
	layer.to('float64');
	await layer.to('cpu');
	layer.requiresGrad_(false).eval();
	const { layers } = new nn.TransformerEncoder(layer, 2);
	const { weight } = layers.at(1).linear1;
	assert.equal(
		[weight.dtype, weight.device, weight.requiresGrad, layers.at(1).dropout.training],
		['float64', 'cpu', false, false],
	);
	assert.throws(
		() => new nn.TransformerEncoder(new nn.TransformerDecoderLayer(4, 2) as never, 2),
		/TransformerEncoder: the layer must be a TransformerEncoderLayer/,
	);
});

test('a cache rejects sizes and rows that it cannot hold', () => {
	const options = { batch: 1, heads: 1, headSize: 2, maxLength: 3, device: 'cpu' } as const;
	assert.throws(() => new nn.KVCache({ ...options, maxLength: Number.NaN }), /KVCache: maxLength must be a whole number/);
	const row = zeros([1, 1, 1, 2], { dtype: 'float64', device: 'cpu' });
	assert.throws(() => new nn.KVCache(options).append(row, row), /KVCache: it holds float32, not keys of float64/);
});

test('positions reject inputs without positions', () => {
	assert.throws(() => new nn.SinusoidalPositions(-1, 4), /SinusoidalPositions: maxLength must be a whole number/);
	assert.throws(() => new nn.LearnedPositions(3, 4).forward(null as never), /LearnedPositions: input must be a tensor, not null/);
	assert.throws(() => new nn.RotaryPositions(3, 4, { base: 0 }), /RotaryPositions: base must be above 0, not 0/);
});

test('a sequence with only padding keys gives zeros, and gradients without NaN', async () => {
	const layer = new nn.MultiheadAttention(4, 2, { bias: false, batchFirst: true });
	const x = randn([1, 3, 4], { device: 'cpu' }).requiresGrad_();
	const keyPaddingMask = ones([1, 3], { dtype: 'bool', device: 'cpu' });
	for (const needWeights of [true, false]) {
		const [output] = layer.forward(x, x, x, { keyPaddingMask, needWeights });
		assert.equal(Array.from(await output.data()), new Array(12).fill(0));
		x.grad = null;
		output.sum().backward();
		assert.equal(Array.from(await x.grad!.data()), new Array(12).fill(0));
	}
});

test('a layer with a cache gives the same results token by token as at once', async () => {
	manualSeed(4);
	const layer = new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 6, batchFirst: true, dropout: 0 }).to(
		'float64',
	) as nn.TransformerEncoderLayer;
	const x = randn([2, 7, 8], { device: 'cpu', dtype: 'float64' });
	const expected = layer.forward(x, { isCausal: true });
	using cache = new nn.KVCache({ batch: 2, heads: 2, headSize: 4, maxLength: 7, dtype: 'float64', device: 'cpu' });
	const parts: Tensor[] = [];
	for (const [start, end] of [
		[0, 3],
		[3, 4],
		[4, 6],
		[6, 7],
	] as const) {
		parts.push(noGrad(() => layer.forward(x.slice(1, start, end), { cache })));
	}
	requireClose('generated', await cat(parts, 1).data(), await expected.data(), { relative: 1e-10, absolute: 1e-12 });
	assert.throws(() => layer.forward(x.slice(1, 0, 1), { cache }), /KVCache: 7 \+ 1 tokens do not fit into maxLength 7/);
	cache.truncate(6);
	const again = noGrad(() => layer.forward(x.slice(1, 6, 7), { cache }));
	requireClose('after truncate', await again.data(), await parts[3]!.data(), { relative: 0, absolute: 0 });
});

test('sinusoidal positions are those of the paper', async () => {
	const positions = new nn.SinusoidalPositions(5, 4, { batchFirst: true, device: 'cpu' });
	const y = await positions.forward(zeros([1, 2, 4], { device: 'cpu' }), { offset: 2 }).data();
	const row = (i: number) => [Math.sin(i), Math.cos(i), Math.sin(i / 100), Math.cos(i / 100)];
	requireClose('sinusoids', y, [...row(2), ...row(3)], { relative: 1e-6, absolute: 1e-7 });
	assert.is(positions.parameters().length, 0);
	assert.equal(positions.stateDict(), {});
	assert.throws(
		() => positions.forward(zeros([1, 2, 4]), { offset: 4 }),
		/SinusoidalPositions: 2 positions from offset 4 exceed maxLength 5/,
	);
});

test('learned positions learn', async () => {
	const positions = new nn.LearnedPositions(3, 2);
	const x = zeros([2, 4, 2]);
	const y = positions.forward(x);
	assert.equal(y.shape, [2, 4, 2]);
	y.sum().backward();
	assert.equal(Array.from(await positions.weight.grad!.data()), [4, 4, 4, 4, 0, 0]);
});

for (const interleaved of [false, true]) {
	test(`scores of rotated queries and keys depend only on the distance${interleaved ? ', interleaved' : ''}`, async () => {
		manualSeed(5);
		const rotary = new nn.RotaryPositions(20, 6, { interleaved, dtype: 'float64', device: 'cpu' });
		const [q, k] = [randn([1, 6], { dtype: 'float64', device: 'cpu' }), randn([1, 6], { dtype: 'float64', device: 'cpu' })];
		const meet = async (i: number, j: number) =>
			rotary
				.forward(q, { offset: i })
				.mul(rotary.forward(k, { offset: j }))
				.sum()
				.item();
		assert.ok(Math.abs((await meet(3, 1)) - (await meet(14, 12))) < 1e-12);
		assert.ok(Math.abs((await meet(3, 1)) - (await meet(3, 2))) > 1e-3);
		const turned = await rotary.forward(tensor([[1, 0, 0, 0, 0, 0]], { dtype: 'float64', device: 'cpu' }), { offset: 2 }).data();
		assert.ok(Math.abs(turned[0]! - Math.cos(2)) < 1e-12 && Math.abs(turned[interleaved ? 1 : 3]! - Math.sin(2)) < 1e-12);
	});
}
test.run();
