/** Module machinery: finding parameters, keys, modes, loading. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad, io, keep, manualSeed, nn, noGrad, ones, optim, randn, type Tensor, tensor, zeros } from 'wgrad';

class Block extends nn.Module {
	readonly norm = new nn.BatchNorm2d(4);
	readonly conv = new nn.Conv2d(4, 4, 3, { padding: 1, bias: false });
	readonly scale = new nn.Parameter(ones([1]));

	override forward(x: Tensor): Tensor {
		return this.conv.forward(this.norm.forward(x)).mul(this.scale);
	}
}

test('keys are the paths of properties, parameters first, as in PyTorch', () => {
	const model = new nn.Sequential(new Block(), new nn.Flatten(), new nn.Linear(4, 2));
	assert.equal(Object.keys(model.stateDict()), [
		'0.scale',
		'0.norm.weight',
		'0.norm.bias',
		'0.norm.running_mean',
		'0.norm.running_var',
		'0.norm.num_batches_tracked',
		'0.conv.weight',
		'2.weight',
		'2.bias',
	]);
	assert.is(model.parameters().length, 6);
});

test('layers, modules and parameters with names from the caller: keys, order, look-up', async () => {
	const model = new nn.Sequential({ conv: new nn.Conv2d(1, 2, 1, { bias: false }), relu: new nn.ReLU() });
	model.addModule('head', new nn.Sequential(new nn.Flatten()).append(new nn.Linear(8, 3, { bias: false })));
	assert.equal(Object.keys(model.stateDict()), ['conv.weight', 'head.1.weight']);
	assert.equal(model.forward(ones([2, 1, 2, 2])).shape, [2, 3]);
	assert.ok(model.getSubmodule('head.1') instanceof nn.Linear);
	assert.is(model.getSubmodule(''), model);
	assert.is(model.getParameter('head.1.weight'), model.parameters()[1]);
	assert.throws(() => model.getSubmodule('head.2.x'), /getSubmodule\('head.2.x'\): Sequential has no '2'; it has: 0, 1/);
	assert.throws(() => model.getParameter('head.1.bias'), /getParameter\('head.1.bias'\): Linear has no 'bias'; it has: weight/);

	const block = new Block();
	block.addModule('extra', new nn.BatchNorm1d(1));
	block.registerParameter('shift', new nn.Parameter(zeros([1])));
	block.registerParameter('none', null);
	assert.is(await block.getBuffer('extra.running_var').item(), 1);
	assert.equal(
		block.namedParameters().map(([path]) => path),
		['scale', 'shift', 'norm.weight', 'norm.bias', 'conv.weight', 'extra.weight', 'extra.bias'],
	);
	assert.throws(() => block.addModule('forward', new nn.ReLU()), /addModule: Block already has another property 'forward'/);
	assert.throws(() => block.addModule('a.b', new nn.ReLU()), /addModule: 'a.b' is not a valid name/);
	assert.throws(() => block.registerParameter('x', zeros([1]) as never), /registerParameter: 'x' must be a Parameter or null/);
	assert.throws(
		() => new nn.Sequential(new nn.Flatten(), ((x: Tensor) => x) as never),
		/Sequential: 1 must be a module, such as new nn.ReLU\(\), not a function/,
	);
	const list = new nn.ModuleList([new nn.ReLU()]);
	list.addModule('1', new nn.Tanh());
	assert.is(list.length, 2);
	assert.throws(() => list.addModule('x', new nn.Tanh()), /ModuleList: 'x' is not a number from 0 to 2/);
	assert.throws(
		() => new nn.ModuleDict({ a: null as never }),
		/ModuleDict: a must be a module, such as new nn.ReLU\(\), not null/,
	);
});

test("hooks see and change a module's inputs and outputs until they are removed", async () => {
	const model = new nn.Sequential(new nn.Identity(), new nn.ReLU());
	const seen: string[] = [];
	let features: Tensor | undefined;
	const before = model.at(0).registerForwardPreHook((_, [x]) => (x as Tensor).mul(-1));
	const after = model.at(0).registerForwardHook((module, inputs, output) => {
		seen.push(`${module} of ${inputs.length}`);
		features = keep(output as Tensor);
	});
	const doubled = model.registerForwardHook((_, __, output) => (output as Tensor).mul(2));
	assert.equal(await model.forward(tensor([-1, 2])).toArray(), [2, 0]);
	assert.equal(seen, ['Identity() of 1']);
	assert.equal(await features!.toArray(), [1, -2]);
	assert.equal(Object.keys(model.stateDict()), []);
	for (const handle of [before, after, doubled]) handle.remove();
	assert.equal(await model.forward(tensor([-1, 2])).toArray(), [0, 2]);
	assert.match(model.summary([2]), /Identity/);
	assert.is(seen.length, 1);
	assert.throws(() => model.registerForwardHook(3 as never), /registerForwardHook: hook must be a function, not 3/);
});

test('loadStateDict copies, is strict, and names every problem at once', async () => {
	const [a, b] = [new nn.Linear(3, 2), new nn.Linear(3, 2)];
	b.loadStateDict(a.stateDict());
	assert.equal(await b.weight.data(), await a.weight.data());
	assert.throws(
		() => b.loadStateDict({ weight: zeros([2, 2]), extra: zeros([1]) }),
		/missing keys: bias; unexpected keys: extra; weight: shape \[2, 2\] in the state, \[2, 3\] in the module/,
	);
	assert.equal(b.loadStateDict({ bias: zeros([2]) }, { strict: false }), { missingKeys: ['weight'], unexpectedKeys: [] });
});

test('a model is saved to and loaded from safetensors', async () => {
	const [a, b] = [new Block(), new Block()];
	b.loadStateDict(io.loadSafetensors(await io.saveSafetensors(a.stateDict())));
	for (const [key, tensor] of Object.entries(a.stateDict())) assert.equal(await b.stateDict()[key]!.data(), await tensor.data());
});

test('train and eval set every module; dropout and batch norm follow', async () => {
	manualSeed(1);
	const model = new nn.Sequential(new nn.Dropout(0.5), new nn.BatchNorm1d(3));
	const x = randn([8, 3]);
	model.eval();
	assert.ok(model.modules().every((module) => !module.training));
	const y = await model.forward(x).data();
	for (const [i, value] of (await x.data()).entries()) assert.ok(Math.abs(y[i]! - value / Math.sqrt(1 + 1e-5)) < 1e-6);
	model.train();
	const dropped = await new nn.Dropout({ p: 0.5 }).forward(ones([1000])).data();
	const zerosCount = Array.from(dropped).filter((value) => value === 0).length;
	assert.ok(zerosCount > 430 && zerosCount < 570);
});

test('batch norm keeps running statistics as PyTorch does: momentum 0.1, unbiased variance', async () => {
	const norm = new nn.BatchNorm1d(1);
	norm.forward(tensor([[1], [2], [3], [6]]));
	assert.ok(Math.abs((await norm.runningMean.item()) - 0.3) < 1e-6);
	assert.ok(Math.abs((await norm.runningVar.item()) - (0.9 + 0.1 * (14 / 3))) < 1e-6);
	assert.is(await norm.buffer('num_batches_tracked').item(), 1);
	assert.throws(() => norm.forward(ones([2, 1, 2, 2])), /BatchNorm1d: input must be \[N, C\] or \[N, C, L\]/);
});

test('initial values have the distributions and bounds of PyTorch', async () => {
	manualSeed(3);
	const linear = new nn.Linear(100, 400);
	const bound = 1 / Math.sqrt(100);
	for (const parameter of [linear.weight, linear.bias!]) {
		const values = Array.from(await parameter.data());
		assert.ok(values.every((value) => Math.abs(value) <= bound));
		const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
		assert.ok(Math.abs(variance / (bound ** 2 / 3) - 1) < 0.2);
	}
	const conv = new nn.Conv2d(8, 16, 3, { groups: 2 });
	assert.ok(Array.from(await conv.weight.data()).every((value) => Math.abs(value) <= 1 / Math.sqrt(36)));
	assert.throws(
		() => new nn.Conv2d(3, 4, 3, { groups: 2 }),
		/3 input and 4 output channels must both be multiples of the 2 groups/,
	);
});

test('nn.init: gains, orthogonality, truncation, identity', async () => {
	assert.is(nn.init.calculateGain('tanh'), 5 / 3);
	assert.ok(Math.abs(nn.init.calculateGain('leakyRelu', 0.2) - Math.sqrt(2 / 1.04)) < 1e-12);
	const q = nn.init.orthogonal_(zeros([5, 3], { dtype: 'float64' }));
	const product = await q.transpose(0, 1).matmul(q).data();
	for (const [i, value] of product.entries()) assert.ok(Math.abs(value - (i % 4 === 0 ? 1 : 0)) < 1e-12);
	const truncated = await nn.init.truncNormal_(zeros([1000]), 0, 1, -0.5, 0.5).data();
	assert.ok(Array.from(truncated).every((value) => Math.abs(value) <= 0.5));
	assert.equal(Array.from(await nn.init.eye_(zeros([2, 3])).data()), [1, 0, 0, 0, 1, 0]);
	assert.equal(Array.from(await nn.init.dirac_(zeros([2, 2, 3])).data()), [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
});

test('nn.init rejects arguments that would give NaN or never end', () => {
	const x = zeros([2, 2]);
	assert.throws(
		() => nn.init.kaimingNormal_(x, { mode: 'fan_out' as 'fanOut' }),
		/kaimingNormal_: mode must be 'fanIn' or 'fanOut', not 'fan_out'/,
	);
	assert.throws(
		() => nn.init.kaimingUniform_(x, { nonlinearity: 'leaky_relu' as 'leakyRelu' }),
		/calculateGain: nonlinearity 'leaky_relu' is not one of linear, sigmoid, tanh, relu, leakyRelu, selu/,
	);
	assert.is(nn.init.calculateGain('conv2d'), 1);
	assert.throws(
		() => nn.init.truncNormal_(x, 0, Number.NaN),
		/truncNormal_: \[-2, 2\] is empty or lies more than 5 standard deviations/,
	);
	assert.throws(() => nn.init.normal_(x, 0, -1), /normal_: std must be at least 0, not -1/);
	assert.throws(() => nn.init.uniform_(x, 1, 0), /uniform_: low 1 must be at most high 0/);
	assert.throws(() => nn.init.sparse_(x, 3), /sparse_: sparsity must lie in \[0, 1\], not 3/);
	assert.throws(() => nn.init.uniform_(zeros([2], { dtype: 'int32' })), /uniform_: .*int32/);
	for (const init of [nn.init.uniform_, nn.init.xavierNormal_, nn.init.eye_, nn.init.orthogonal_, nn.init.dirac_, nn.init.zeros_])
		assert.throws(() => init(3 as never), /_: input must be a tensor, not/);
});

test('a summary names layers, shapes and parameters', () => {
	const model = new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.Flatten(), new nn.Linear(2 * 4 * 4, 3));
	const text = model.summary([1, 1, 6, 6]);
	assert.match(text, /0 +Conv2d +\[1, 2, 4, 4\] +20/);
	assert.match(text, /119 parameters, 119 trainable/);
	assert.match(String(model), /\(2\): Linear\(inFeatures=32, outFeatures=3, bias=true\)/);
});

test('shared parameters are trained once and have both keys', () => {
	const layer = new nn.Linear(2, 2);
	class Tied extends nn.Module {
		readonly first = layer;
		readonly second = new nn.Sequential(layer);
		override forward(x: Tensor): Tensor {
			return this.second.forward(this.first.forward(x));
		}
	}
	const model = new Tied();
	assert.is(model.parameters().length, 2);
	assert.equal(Object.keys(model.stateDict()), ['first.weight', 'first.bias', 'second.0.weight', 'second.0.bias']);
});

test('a module used twice has a key in the state for each path, and is trained, moved and counted once', async () => {
	const layer = new nn.Linear(2, 2);
	const norm = new nn.BatchNorm1d(2);
	const model = new nn.Sequential(layer, new nn.ReLU(), norm, new nn.ModuleList([norm]) as unknown as nn.Layer, layer);
	// The keys of torch.nn.Sequential(layer, ReLU(), norm, ModuleList([norm]), layer).state_dict().
	const buffers = ['running_mean', 'running_var', 'num_batches_tracked'];
	const keys = ['weight', 'bias'].map((key) => `0.${key}`);
	for (const path of ['2', '3.0']) keys.push(...['weight', 'bias', ...buffers].map((key) => `${path}.${key}`));
	keys.push('4.weight', '4.bias');
	assert.equal(Object.keys(model.stateDict()), keys);
	assert.equal(
		model.namedParameters().map(([path]) => path),
		['0.weight', '0.bias', '2.weight', '2.bias'],
	);
	assert.equal(
		model.namedBuffers().map(([path]) => path),
		buffers.map((key) => `2.${key}`),
	);
	assert.equal(
		model.namedModules().map(([path]) => path),
		['', '0', '1', '2', '3'],
	);
	assert.is(model.children().length, 4);
	assert.match(model.summary(), /10 parameters/);

	const saved = io.loadSafetensors(await io.saveSafetensors(model.stateDict()));
	assert.equal(Object.keys(saved).sort(), [...keys].sort());
	noGrad(() => layer.weight.zero_());
	assert.equal(model.loadStateDict(saved), { missingKeys: [], unexpectedKeys: [] });
	assert.equal(await layer.weight.data(), await saved['4.weight']!.data());
	// As in files with shared tensors, one of the keys of a shared tensor is enough.
	const { '0.weight': _, ...once } = saved;
	assert.equal(model.loadStateDict(once).missingKeys, []);
	const { '4.weight': __, ...none } = once;
	assert.throws(() => model.loadStateDict(none), /missing keys: 0.weight, 4.weight/);
	assert.throws(() => model.loadStateDict({ ...saved, '5.weight': saved['4.weight']! }), /unexpected keys: 5.weight/);
});

test('a buffer that two modules share, and a module that contains itself', () => {
	class Scaled extends nn.Module {
		constructor(scale: Tensor) {
			super();
			this.registerBuffer('scale', scale);
		}
		override forward(): void {}
	}
	const scale = tensor([2]);
	class Ring extends nn.Module {
		readonly one = new Scaled(scale);
		readonly two = new Scaled(scale);
		readonly self = this;
		override forward(): void {}
	}
	const model = new Ring();
	assert.equal(Object.keys(model.stateDict()), ['one.scale', 'two.scale']);
	assert.equal(
		model.namedBuffers().map(([path]) => path),
		['one.scale'],
	);
});

test('batch norm loads states without num_batches_tracked, also in strict mode', async () => {
	for (const norm of [new nn.BatchNorm2d(3), new nn.InstanceNorm1d(3, { affine: true, trackRunningStats: true })]) {
		const { num_batches_tracked: _, ...legacy } = norm.stateDict();
		legacy.running_mean = tensor([1, 2, 3]);
		assert.equal(norm.loadStateDict(legacy), { missingKeys: [], unexpectedKeys: [] });
		assert.equal(Array.from(await norm.buffer('running_mean').data()), [1, 2, 3]);
		norm.loadStateDict({ ...legacy, num_batches_tracked: tensor([7], { dtype: 'int32' }) });
		assert.is(await norm.buffer('num_batches_tracked').item(), 7);
		const { running_var: __, ...partial } = legacy;
		assert.throws(() => norm.loadStateDict(partial), /missing keys: running_var$/);
	}
});

test('functionalCall runs a module with other tensors and leaves it unchanged', async () => {
	const model = new nn.Sequential(new nn.Linear(2, 2, { bias: false }), new nn.BatchNorm1d(2)).eval();
	const own = model.getParameter('0.weight');
	const x = tensor([[1, 2]]);
	const before = await model.forward(x).toArray();
	const weight = tensor(
		[
			[3, 0],
			[0, 4],
		],
		{ requiresGrad: true },
	);
	const state = { '0.weight': weight, '1.running_mean': tensor([1, 2]), '1.running_var': tensor([1, 1]) };
	const y = nn.functionalCall(model, state, x);
	const factor = 1 / Math.sqrt(1 + 1e-5);
	const values = await y.data();
	assert.ok(Math.abs(values[0]! - 2 * factor) < 1e-5 && Math.abs(values[1]! - 6 * factor) < 1e-5, String(values));
	const [gradient] = grad(y.sum(), weight);
	assert.ok(Math.abs((await gradient!.data())[1]! - 2 * factor) < 1e-5);
	assert.is(model.getParameter('0.weight'), own);
	assert.equal(await model.forward(x).toArray(), before);
	// Also after an error, and for a parameter that two modules share.
	assert.throws(() => nn.functionalCall(model, { '0.weight': zeros([2, 3]) }, x), /linear/);
	assert.is(model.getParameter('0.weight'), own);
	const tied = new nn.Sequential(new nn.Linear(2, 2, { bias: false }), new nn.Linear(2, 2, { bias: false }));
	Object.assign(tied.getSubmodule('1'), { weight: tied.getParameter('0.weight') });
	assert.equal(await nn.functionalCall(tied, { '0.weight': weight }, x).toArray(), [[9, 32]]);
	assert.throws(
		() => nn.functionalCall(model, { '0.gain': weight }, x),
		/buffer: Linear has no buffer '0.gain'|has no buffer 'gain'/,
	);
});

test('spectralNorm divides a weight by its largest singular value', async () => {
	manualSeed(2);
	const layer = new nn.Linear(3, 2);
	layer.loadStateDict({
		weight: tensor([
			[3, 0, 0],
			[0, 1, 0],
		]),
		bias: zeros([2]),
	});
	const x = tensor([[1, 1, 1]]);
	nn.utils.spectralNorm(layer);
	assert.equal(Object.keys(layer.stateDict()), ['bias', 'weight_orig', 'weight_u', 'weight_v']);
	for (let step = 0; step < 30; step++) layer.forward(x);
	layer.eval();
	const u = await layer.buffer('weight_u').toArray();
	const y = layer.forward(x);
	const values = await y.data();
	assert.ok(Math.abs(values[0]! - 1) < 1e-5 && Math.abs(values[1]! - 1 / 3) < 1e-5, String(values));
	assert.equal(await layer.buffer('weight_u').toArray(), u);
	// The first row is w / |w| in effect, so it has no gradient along itself; the second loses what the first gains.
	const [gradient] = grad(y.sum(), layer.getParameter('weight_orig'));
	const g = await gradient!.data();
	assert.ok(Math.abs(g[0]! + 1 / 9) < 1e-5 && Math.abs(g[4]! - 1 / 3) < 1e-5, String(g));
	// A graph keeps the vectors of its own forward.
	layer.train();
	const first = layer.forward(x).sum();
	layer.forward(x);
	first.backward();
	const conv = nn.utils.spectralNorm(new nn.ConvTranspose2d(2, 3, 2));
	assert.equal(conv.buffer('weight_u').shape, [3]);
	assert.equal(conv.forward(zeros([1, 2, 3, 3])).shape, [1, 3, 4, 4]);
	assert.throws(() => nn.utils.spectralNorm(new nn.ReLU()), /spectralNorm: ReLU has no parameter 'weight'/);
});

test('parameters become a vector and come back, and sequences a batch', async () => {
	const model = new nn.Linear(2, 1);
	const vector = tensor([1, 2, 3]);
	nn.utils.vectorToParameters(vector, model.parameters());
	assert.equal(await nn.utils.parametersToVector(model.parameters()).toArray(), [1, 2, 3]);
	assert.equal(await model.weight.toArray(), [[1, 2]]);
	assert.throws(
		() => nn.utils.vectorToParameters(vector, [model.weight]),
		/vectorToParameters: the vector must be \[2\], not \[3\]/,
	);
	const sequences = [tensor([1, 2, 3]), tensor([4])];
	assert.equal(await nn.utils.padSequence(sequences).toArray(), [
		[1, 4],
		[2, 0],
		[3, 0],
	]);
	assert.equal(await nn.utils.padSequence(sequences, { batchFirst: true, paddingValue: -1 }).toArray(), [
		[1, 2, 3],
		[4, -1, -1],
	]);
	assert.equal(nn.utils.padSequence([zeros([2, 3]), zeros([4, 3])]).shape, [4, 2, 3]);
	assert.throws(
		() => nn.utils.padSequence([zeros([2, 3]), zeros([4, 2])]),
		/padSequence: \[2, 3\] and \[4, 2\] must be equal except/,
	);
	assert.is(await optim.getTotalNorm([tensor([3]), tensor([[4]])]).item(), 5);
	assert.is(await optim.getTotalNorm([tensor([3, -7]), tensor([[4]])], { normType: Number.POSITIVE_INFINITY }).item(), 7);
	const [left, right] = [ones([2], { requiresGrad: true }), ones([1], { requiresGrad: true })];
	const gradients = () => left.mul(3).sum().add(right.mul(4).sum()).backward();
	gradients();
	const norm = optim.getTotalNorm([left.grad!, right.grad!]);
	optim.clipGradsWithNorm([left], 1, norm);
	const share = 1 / (Math.sqrt(34) + 1e-6);
	const [first, second] = (await left.grad!.toArray()) as number[];
	assert.ok(Math.abs(first! - 3 * share) < 1e-6 && first === second);
	assert.equal(await right.grad!.toArray(), [4]);
	optim.clipGradsWithNorm(right, 100, norm);
	assert.equal(await right.grad!.toArray(), [4]);
	assert.throws(() => optim.clipGradsWithNorm(left, 1, ones([2])), /clipGradsWithNorm: totalNorm must be a scalar/);
});

test('sequences are packed and padded in the order of PyTorch, and recurrent layers take them', async () => {
	const { packPaddedSequence, packSequence, padPackedSequence } = nn.utils;
	const x = tensor(
		Float32Array.from({ length: 24 }, (_, i) => i),
		{ shape: [4, 3, 2], requiresGrad: true },
	);
	const lengths = [2, 4, 1];
	const packed = packPaddedSequence(x, lengths, { enforceSorted: false });
	assert.equal(await packed.data.select(1, 0).toArray(), [2, 0, 4, 8, 6, 14, 20]);
	assert.equal(packed.batchSizes, [3, 2, 1, 1]);
	assert.equal([packed.sortedIndices, packed.unsortedIndices, packed.lengths], [[1, 0, 2], [1, 0, 2], lengths]);
	const [padded, found] = padPackedSequence(packed, { paddingValue: -1, totalLength: 5 });
	assert.equal(found, lengths);
	assert.equal(await padded.select(2, 0).toArray(), [
		[0, 2, 4],
		[6, 8, -1],
		[-1, 14, -1],
		[-1, 20, -1],
		[-1, -1, -1],
	]);
	const [first] = padPackedSequence(packPaddedSequence(x.transpose(0, 1), lengths, { batchFirst: true, enforceSorted: false }));
	assert.equal(await first.toArray(), await padPackedSequence(packed)[0].toArray());
	padded.sum().backward();
	assert.equal(await x.grad!.select(2, 1).toArray(), [
		[1, 1, 1],
		[1, 1, 0],
		[0, 1, 0],
		[0, 1, 0],
	]);
	const sequences = packSequence([tensor([1, 2, 3]), tensor([4])]);
	assert.equal([await sequences.data.toArray(), sequences.sortedIndices], [[1, 4, 2, 3], null]);
	for (const layer of [new nn.LSTM(2, 3, { bidirectional: true }), new nn.GRU(2, 3, { batchFirst: true })]) {
		const { batchFirst = false } = layer.options;
		const input = batchFirst ? x.transpose(0, 1) : x;
		const [y, state] = layer.forwardPacked(packed);
		const [whole, last] = layer.forward(input, null, { lengths: tensor(lengths, { dtype: 'int32' }) });
		assert.equal(await padPackedSequence(y, { batchFirst })[0].toArray(), await whole.toArray());
		assert.equal(await [state].flat()[0]!.toArray(), await [last].flat()[0]!.toArray());
	}
	const calls: [() => unknown, RegExp][] = [
		[() => packPaddedSequence(x, lengths), /packPaddedSequence: lengths 2, 4, 1 must not rise/],
		[() => packPaddedSequence(x, [4, 2]), /there are 2 lengths for the 3 sequences of \[4, 3, 2\]/],
		[() => packPaddedSequence(x, [5, 2, 1]), /length 5 exceeds the 4 steps/],
		[() => packPaddedSequence(x, [4, 2, 0]), /packPaddedSequence: each length/],
		[() => padPackedSequence(x as never), /padPackedSequence: it takes a PackedSequence/],
		[() => new nn.RNN(2, 3).forward(packed as never), /RNN: for a PackedSequence call forwardPacked/],
	];
	for (const [call, message] of calls) assert.throws(call, message);
});

test('a clone has values, modes and options of its own, and shares what the original shares', async () => {
	class Tied extends nn.Module {
		readonly first = new nn.Linear(3, 3);
		readonly second = this.first;
		readonly list = new nn.ModuleList([new nn.BatchNorm1d(3), this.first]);
		readonly settings = { width: 3, layers: [this.first] };
		readonly table = new Map([['scale', tensor([2, 3, 4])]]);

		override forward(x: Tensor): Tensor {
			return this.second.forward((this.list.at(0) as nn.BatchNorm1d).forward(x)).mul(this.table.get('scale')!);
		}
	}
	const model = new Tied();
	model.first.bias!.requiresGrad_(false);
	model.list.at(0).eval();
	model.registerBuffer('mask', ones([3]), { persistent: false });
	model
		.forward(randn([4, 3]))
		.sum()
		.backward();
	const copy = model.clone();
	assert.ok(copy instanceof Tied && copy !== model && copy.first !== model.first);
	assert.is(copy.second, copy.first);
	assert.is(copy.list.at(1), copy.first);
	assert.is(copy.settings.layers[0], copy.first);
	assert.is(copy.first.weight.grad, null);
	assert.is(copy.first.bias!.requiresGrad, false);
	assert.equal([copy.training, copy.list.at(0).training], [true, false]);
	assert.equal(Object.keys(copy.stateDict()), Object.keys(model.stateDict()));
	assert.is.not(copy.buffer('mask'), model.buffer('mask'));
	const x = randn([4, 3]);
	const before = Array.from(await model.forward(x).data());
	assert.equal(Array.from(await copy.forward(x).data()), before);
	noGrad(() => {
		for (const parameter of copy.parameters()) parameter.fill_(0);
		copy.table.get('scale')!.fill_(0);
	});
	assert.equal(Array.from(await model.forward(x).data()), before);
});

test('a clone calls the hooks and computes normalized and pruned weights from its own parameters', async () => {
	const calls: nn.Module[] = [];
	const hooked = new nn.Linear(2, 2);
	const handle = hooked.registerForwardHook((module) => void calls.push(module));
	const copy = hooked.clone();
	handle.remove();
	hooked.forward(ones([1, 2]));
	copy.forward(ones([1, 2]));
	assert.ok(calls.length === 1 && calls[0] === copy);
	const layers = [
		nn.utils.weightNorm(new nn.Linear(3, 2)),
		nn.utils.spectralNorm(new nn.Linear(3, 2)),
		await nn.prune.l1Unstructured(new nn.Linear(3, 2), 'weight', 2),
	];
	for (const layer of layers) {
		const x = randn([2, 3]);
		const own = layer.clone();
		assert.equal(Array.from(await own.forward(x).data()), Array.from(await layer.forward(x).data()));
		noGrad(() => {
			for (const parameter of layer.parameters()) parameter.fill_(1);
		});
		const apart = Array.from(await own.forward(x).data());
		assert.not.equal(apart, Array.from(await layer.forward(x).data()));
		own.forward(x).sum().backward();
		assert.ok(own.parameters().every(({ grad }) => grad !== null) && layer.parameters().every(({ grad }) => grad === null));
	}
	const pruned = layers[2]!.clone();
	nn.prune.remove(pruned, 'weight');
	assert.equal([nn.prune.isPruned(pruned), nn.prune.isPruned(layers[2]!)], [false, true]);
	const adapted = nn.lora.apply(new nn.Sequential(new nn.Linear(2, 2)), { targets: ['0'] });
	assert.throws(
		() => adapted.base.clone(),
		/clone: '0' has adapters, which a copy would share. Clone the model before lora.apply/,
	);
	assert.throws(() => adapted.clone(), /clone: a LoraModel cannot be copied/);
});

test.run();
