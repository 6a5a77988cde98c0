/** `slim` against the masked model: outputs, shapes, parameters, FLOPs, and the reasons for layers that stay. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, manualSeed, nn, noGrad, optim, rand, randn, type Tensor } from 'wgrad';
import { requireClose } from '../proofs/compare';

const { prune } = nn;

test.before(async () => void (await init({ device: 'cpu' })));

const SAME = { relative: 1e-5, absolute: 1e-5 };

/** Gives batch norms the random statistics and parameters of a trained model. */
function unsettle(model: nn.Module): void {
	noGrad(() => {
		for (const module of model.modules()) {
			if (!(module instanceof nn.BatchNorm1d || module instanceof nn.BatchNorm2d)) continue;
			module.runningMean.copy_(randn([module.numFeatures]));
			module.runningVar.copy_(rand([module.numFeatures]).add(0.5));
			for (const parameter of module.parameters()) parameter.copy_(randn([module.numFeatures]));
		}
	});
}

/** Slims the model, and checks that its outputs stay the same. */
async function slimmed(model: nn.Module & { forward(x: Tensor): Tensor }, x: Tensor) {
	model.eval();
	const expected = await model.forward(x).data();
	model.train();
	const report = await prune.slim(model, x);
	assert.ok(model.training);
	model.eval();
	requireClose('output', await model.forward(x).data(), expected, SAME);
	return report;
}

const shapes = (model: nn.Module) => model.parameters().map(({ shape }) => shape.join('x'));

test('a convolutional network loses its pruned channels from convolutions, batch norms and linear layers', async () => {
	manualSeed(1);
	const layers = {
		conv1: new nn.Conv2d(1, 8, 3),
		norm1: new nn.BatchNorm2d(8),
		relu1: new nn.ReLU(),
		pool: new nn.MaxPool2d(2),
		conv2: new nn.Conv2d(8, 6, 3, { bias: false }),
		norm2: new nn.BatchNorm2d(6),
		gelu: new nn.GELU(),
		drop: new nn.Dropout(0.3),
		flat: new nn.Flatten(),
		fc1: new nn.Linear(6 * 3 * 3, 10),
		norm3: new nn.BatchNorm1d(10),
		tanh: new nn.Tanh(),
		fc2: new nn.Linear(10, 4),
	};
	const model = new nn.Sequential(layers);
	unsettle(model);
	// Constants above 0 pass the ReLU.
	noGrad(() => layers.norm1.bias!.fill_(5));
	await prune.lnStructured(layers.conv1, 'weight', 3, 2, 0);
	await prune.lnStructured(layers.conv2, 'weight', 2, 1, 0);
	await prune.lnStructured(layers.fc1, 'weight', 0.5, 2, 0);
	const x = randn([2, 1, 12, 12]);
	const report = await slimmed(model, x);
	assert.equal(shapes(model), [
		...['5x1x3x3', '5', '5', '5'],
		...['4x5x3x3', '4', '4', '4'],
		...['5x36', '5', '5', '5'],
		...['4x5', '4'],
	]);
	// conv2 had no bias; the constants of conv1's channels need one.
	assert.is(layers.conv2.bias?.shape[0], 4);
	assert.equal(
		report.layers.map(({ path, channels, kept }) => `${path} ${channels} ${kept}`),
		['conv1 8 5', 'conv2 6 4', 'fc1 10 5', 'fc2 4 4'],
	);
	// A new model of these shapes has the same counts.
	const small = new nn.Sequential(
		new nn.Conv2d(1, 5, 3),
		new nn.BatchNorm2d(5),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Conv2d(5, 4, 3),
		new nn.BatchNorm2d(4),
		new nn.GELU(),
		new nn.Dropout(0.3),
		new nn.Flatten(),
		new nn.Linear(36, 5),
		new nn.BatchNorm1d(5),
		new nn.Tanh(),
		new nn.Linear(5, 4),
	);
	const counts = nn.summarize(small, x.shape);
	assert.equal(report.after, { parameters: counts.parameters, flops: counts.flops });
	assert.ok(report.before.flops > report.after.flops && report.before.parameters > report.after.parameters);
	// The model can be trained further.
	model.train();
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
	model.forward(x).square().sum().backward();
	optimizer.step();
});

test('constants other than 0 do not go into a convolution that pads with zeros, until the bias is pruned too', async () => {
	const make = () => {
		manualSeed(2);
		const first = new nn.Conv2d(2, 6, 3);
		return { first, model: new nn.Sequential(first, new nn.ReLU(), new nn.Conv2d(6, 3, 3, { padding: 1 })) };
	};
	const x = randn([1, 2, 8, 8]);
	const stuck = make();
	noGrad(() => stuck.first.bias!.fill_(0.5));
	await prune.lnStructured(stuck.first, 'weight', 2, 2, 0);
	const report = await slimmed(stuck.model, x);
	assert.is(report.layers[0]!.kept, 6);
	assert.match(report.layers[0]!.reason!, /2 constant channels stay, because what follows does not keep a constant other than 0/);
	// A negative bias is 0 after the ReLU.
	const free = make();
	noGrad(() => free.first.bias!.fill_(-0.5));
	await prune.lnStructured(free.first, 'weight', 2, 2, 0);
	assert.is((await slimmed(free.model, x)).layers[0]!.kept, 4);
	const pruned = make();
	await prune.lnStructured(pruned.first, 'weight', 2, 2, 0);
	prune.customFromMask(pruned.first, 'bias', pruned.first.buffer('weight_mask').amax([1, 2, 3]));
	assert.is((await slimmed(pruned.model, x)).layers[0]!.kept, 4);
	// Padding that repeats the edge keeps constants.
	manualSeed(3);
	const repeated = new nn.Conv2d(2, 6, 3);
	await prune.lnStructured(repeated, 'weight', 2, 2, 0);
	const next = new nn.Conv2d(6, 3, 3, { padding: 1, paddingMode: 'replicate' });
	assert.is((await slimmed(new nn.Sequential(repeated, new nn.Tanh(), next), x)).layers[0]!.kept, 4);
});

test('depthwise convolutions and average pools pass channels through', async () => {
	manualSeed(4);
	const expand = new nn.Conv2d(3, 8, 1);
	const depthwise = new nn.Conv2d(8, 16, 3, { groups: 8 });
	const model = new nn.Sequential(
		expand,
		new nn.Hardswish(),
		depthwise,
		new nn.BatchNorm2d(16),
		new nn.AdaptiveAvgPool2d(2),
		new nn.Flatten(),
		new nn.Linear(64, 5),
	);
	unsettle(model);
	await prune.lnStructured(expand, 'weight', 0.5, 2, 0);
	await slimmed(model, randn([2, 3, 7, 7]));
	assert.equal(shapes(model), ['4x3x1x1', '4', '8x1x3x3', '8', '8', '8', '5x32', '5']);
	assert.equal([depthwise.inChannels, depthwise.outChannels, depthwise.options.groups], [4, 8, 4]);
});

test('unused channels go, and so do channels that only they used', async () => {
	manualSeed(5);
	const [a, b, c] = [new nn.Linear(4, 6), new nn.Linear(6, 5), new nn.Linear(5, 3)];
	const model = new nn.Sequential(a, new nn.ReLU(), b, new nn.Sigmoid(), c);
	// Columns of b, and a column of c: its row of b goes next.
	await prune.lnStructured(b, 'weight', 2, 2, 1);
	await prune.lnStructured(c, 'weight', 1, 2, 1);
	await slimmed(model, randn([7, 4]));
	assert.equal(shapes(model), ['4x4', '4', '4x4', '4', '3x4', '3']);
});

test('a layer of pruned channels only keeps one', async () => {
	const [a, b] = [new nn.Linear(4, 6), new nn.Linear(6, 5)];
	await prune.lnStructured(a, 'weight', 6, 2, 0);
	await slimmed(new nn.Sequential(a, new nn.ReLU(), b), randn([7, 4]));
	assert.is(a.outFeatures, 1);
});

/** x + second(first(x)), where first may also go elsewhere. */
class Residual extends nn.Module {
	readonly inner = new nn.Linear(4, 6);
	readonly outer = new nn.Linear(6, 4);
	readonly norm = new nn.LayerNorm(4);
	readonly last = new nn.Linear(4, 2);

	constructor(readonly leak: (hidden: Tensor) => Tensor | null = () => null) {
		super();
	}

	override forward(x: Tensor): Tensor {
		const hidden = this.inner.forward(x);
		const leaked = this.leak(hidden);
		const sum = this.norm.forward(x.add(this.outer.forward(hidden.relu())));
		const output = this.last.forward(sum);
		return leaked === null ? output : output.add(leaked);
	}
}

test('layers that slim cannot follow stay, and the report says why', async () => {
	const model = new Residual();
	for (const layer of [model.inner, model.outer, model.last]) await prune.lnStructured(layer, 'weight', 2, 2, 0);
	const report = await slimmed(model, randn([3, 4]));
	assert.equal(
		report.layers.map(({ path, reason }) => `${path}: ${reason}`),
		[
			"inner: it goes into 'relu' outside the layers",
			"outer: it goes into 'add' outside the layers",
			'last: it is an output of the model',
		],
	);
	const grouped = new nn.Sequential(
		new nn.Conv2d(4, 4, 1, { groups: 2 }),
		new nn.Conv2d(4, 4, 1),
		new nn.GroupNorm(2, 4),
		new nn.Conv2d(4, 2, 1),
	);
	assert.equal(
		(await slimmed(grouped, randn([1, 4, 2, 2]))).layers.map(({ reason }) => reason),
		['a grouped convolution', 'its output goes into 2 (GroupNorm), which slim cannot follow', 'it is an output of the model'],
	);
	const twice = new nn.Linear(4, 4);
	await prune.lnStructured(twice, 'weight', 1, 2, 0);
	const reused = await slimmed(new nn.Sequential(twice, new nn.ReLU(), twice), randn([1, 4]));
	assert.is(reused.layers[0]!.reason, 'the model calls it 2 times');
	assert.match(String(report), /inner \(Linear\) +6 of 6 channels: it goes into 'relu' outside the layers/);
});

test('a model that hides a use of its channels stays as it was', async () => {
	manualSeed(6);
	class Hidden extends nn.Module {
		readonly inner = new nn.Linear(4, 6);
		readonly outer = new nn.Linear(6, 4);
		override forward(x: Tensor): Tensor {
			const hidden = this.inner.forward(x);
			return this.outer.forward(hidden).add(hidden.detach().mean());
		}
	}
	const model = new Hidden();
	await prune.lnStructured(model.inner, 'weight', 2, 2, 0);
	const x = randn([3, 4]);
	const before = await model.forward(x).data();
	try {
		await prune.slim(model, x);
		assert.unreachable();
	} catch (error) {
		assert.match((error as Error).message, /without its pruned channels the model computes something else on the example/);
	}
	assert.equal(await model.forward(x).data(), before);
	assert.equal([model.inner.outFeatures, model.outer.inFeatures], [6, 6]);
});

test.run();
