/** wgrad/interpret on the CPU in float64: PyTorch's values, models whose attributions are known, what it leaves as it was, and refusals. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, manualSeed, nn, noGrad, randn, type Tensor, tensor, tidy } from 'wgrad';
import * as interpret from 'wgrad/interpret';
import { heldTensors, settled } from '../collected';
import { requireClose } from '../proofs/compare';
import { Classifier, proveGolden } from './golden';

test.before(async () => void (await init({ device: 'cpu' })));

proveGolden('cpu', 'float64', { relative: 1e-10, absolute: 1e-12 });

const EXACT = { relative: 1e-12, absolute: 1e-13 };
const double = (values: readonly number[], shape: readonly number[]) =>
	tensor(values, { shape, dtype: 'float64', device: 'cpu' });
const WEIGHTS = double([0.5, -2, 3, 1, 0, -1], [2, 3]);
const X = double([1, 2, 3, -1, 0.5, 4], [2, 3]);
/** x W^T: [N, 2]. */
const linear = (x: Tensor) => x.matmul(WEIGHTS.transpose(0, 1));

test('a linear model: the gradient is the weight, and every attribution is weight times input', async () => {
	const target = [0, 1];
	const rows = [0.5, -2, 3, 1, 0, -1];
	const products = rows.map((w, i) => w * [1, 2, 3, -1, 0.5, 4][i]!);
	requireClose('saliency', await interpret.saliency(linear, X, { target }).data(), rows.map(Math.abs), EXACT);
	requireClose('signed', await interpret.saliency(linear, X, { target, abs: false }).data(), rows, EXACT);
	requireClose('inputXGradient', await interpret.inputXGradient(linear, X, { target }).data(), products, EXACT);
	for (const method of ['gausslegendre', 'riemann_left', 'riemann_right', 'riemann_middle', 'riemann_trapezoid'] as const) {
		for (const nSteps of [2, 33]) {
			const found = interpret.integratedGradients(linear, X, { target, method, nSteps });
			requireClose(`${method} ${nSteps}`, await found.data(), products, EXACT);
		}
	}
	const occluded = interpret.occlusion(linear, X, { target, slidingWindowShapes: [1] });
	requireClose('occlusion', await occluded.data(), products, EXACT);
	// A window of 2 takes both products; the middle element is the mean of two windows.
	const pairs = interpret.occlusion(linear, X, { target, slidingWindowShapes: [2], perturbationsPerEval: 1 });
	const [a, b, c, d, e, f] = products as [number, number, number, number, number, number];
	requireClose('pairs', await pairs.data(), [a + b, (a + b + b + c) / 2, b + c, d + e, (d + e + e + f) / 2, e + f], EXACT);
	const shifted = interpret.integratedGradients(linear, X, { target: -1, baselines: double([1, 1, 1], [3]) });
	requireClose('baseline', await shifted.data(), [0, 0, -2, -2, 0, -3], EXACT);
});

test('completeness: Gauss-Legendre is exact for polynomials, for several inputs too', async () => {
	const other = double([2, -1, 0.5, 1, 3, -2], [2, 3]);
	const cubic = (x: Tensor, y: Tensor, factor: Tensor) => x.mul(x).mul(y).sum(1).mul(factor);
	const options = { nSteps: 2, additionalForwardArgs: [double([1, 2], [2])], returnConvergenceDelta: true } as const;
	const [[ofX, ofY], delta] = interpret.integratedGradients(cubic as never, [X, other], options);
	requireClose('delta', await delta.data(), [0, 0], { relative: 0, absolute: 1e-12 });
	// The gradient of x²y by x is 2xy, and along the path from 0 its mean is 2xy / 3.
	const whole = await X.mul(X)
		.mul(other)
		.mul(double([1, 2], [2, 1]))
		.data();
	requireClose(
		'x',
		await ofX!.data(),
		Array.from(whole, (v) => (2 * v) / 3),
		EXACT,
	);
	requireClose(
		'y',
		await ofY!.data(),
		Array.from(whole, (v) => v / 3),
		EXACT,
	);
	const [left, right] = interpret.occlusion((x, y) => x.add(y.mul(2)).sum(1), [X, other], {
		slidingWindowShapes: [[3], [1]],
		strides: [[3], [1]],
	});
	requireClose('all of x', await left!.data(), [6, 6, 6, 3.5, 3.5, 3.5], EXACT);
	requireClose(
		'each of y',
		await right!.data(),
		Array.from(await other.data(), (v) => 2 * v),
		EXACT,
	);
});

test('occlusion covers integer inputs, and a batch of no examples', async () => {
	const ids = tensor(Int32Array.of(3, 1, 2), { shape: [1, 3] });
	const found = interpret.occlusion((ids) => ids.to('float32').square().sum(1), ids, { slidingWindowShapes: [1], baselines: 1 });
	assert.equal(Array.from(await found.data()), [8, 0, 3]);
	const none = interpret.occlusion((x) => x.sum(1), double([], [0, 3]), { slidingWindowShapes: [2] });
	assert.equal(none.shape, [0, 3]);
});

test('Grad-CAM of a 1 x 1 convolution is the weighted channel', async () => {
	const conv = new nn.Conv2d(1, 2, 1, { bias: false, dtype: 'float64' });
	noGrad(() => conv.weight.copy_(double([2, -1], [2, 1, 1, 1])));
	const model = new nn.Sequential(conv, new nn.AdaptiveAvgPool2d(1), new nn.Flatten());
	const x = double([1, 2, 3, 4], [1, 1, 2, 2]);
	// The mean of channel 0 has the gradient 1/4 everywhere, so the map is 2x / 4.
	requireClose('map', await interpret.gradCam(model, '0', x, { target: 0 }).data(), [0.5, 1, 1.5, 2], EXACT);
	const negative = interpret.gradCam(model, conv, x, { target: 1 });
	requireClose('of the other', await negative.data(), [-0.25, -0.5, -0.75, -1], EXACT);
	const cut = interpret.gradCam(model, conv, x, { target: 1, reluAttributions: true });
	assert.equal(Array.from(await cut.data()), [0, 0, 0, 0]);
	const against = interpret.gradCam(model, conv, x, { target: (y) => y.narrow(1, 1, 1).neg() });
	requireClose('against', await against.data(), [0.25, 0.5, 0.75, 1], EXACT);
});

test('the noise tunnel gives mean, mean square and variance of the samples', async () => {
	for (const ntType of ['smoothgrad', 'smoothgrad_sq', 'vargrad'] as const) {
		const kept: number[][] = [];
		manualSeed(4);
		const values: Promise<ArrayLike<number>>[] = [];
		const found = interpret.noiseTunnel(
			(noisy) => {
				values.push(noisy.data());
				return noisy.mul(2).add(1000);
			},
			double([1, -2], [1, 2]),
			{ ntType, ntSamples: 7, stdevs: 0.25 },
		);
		for (const each of await Promise.all(values)) kept.push(Array.from(each, (v) => 2 * v + 1000));
		assert.is(kept.length, 7);
		const mean = (of: (v: number) => number) => [0, 1].map((i) => kept.reduce((sum, row) => sum + of(row[i]!), 0) / 7);
		const means = mean((v) => v);
		const variance = [0, 1].map((i) => kept.reduce((sum, row) => sum + (row[i]! - means[i]!) ** 2, 0) / 7);
		const expected = { smoothgrad: means, smoothgrad_sq: mean((v) => v * v), vargrad: variance }[ntType];
		requireClose(ntType, await found.data(), expected, { relative: 1e-10, absolute: 0 });
		assert.ok(Math.max(...variance) > 0.01, 'there is noise');
	}
	const smooth = interpret.smoothGrad(linear, X, { target: 0, ntSamples: 2, stdevs: 0.5 });
	requireClose('smooth', await smooth.data(), [0.5, 2, 3, 0.5, 2, 3], EXACT);
});

/** A module that attends in its own way, below a block. */
class Attends extends nn.Module {
	readonly attention = new nn.MultiheadAttention(4, 2, { batchFirst: true });
	override forward(x: Tensor): Tensor {
		return this.attention.forward(x, x, x, { needWeights: false })[0];
	}
}

test('activations and attention maps come by path', async () => {
	const model = new nn.Sequential(new nn.Linear(4, 4), new nn.ReLU(), new Attends());
	const x = randn([2, 3, 4]);
	const found = interpret.activations(model, null, x);
	assert.equal(Object.keys(found), ['0', '1', '2.attention.out_proj']);
	requireClose('relu', await found['1']!.data(), await found['0']!.relu().data(), { relative: 0, absolute: 0 });
	assert.equal(Object.keys(interpret.activations(model, ['1', model.at(0)], x)).sort(), ['0', '1']);
	const before = model.forward(x);
	const maps = interpret.attentionMaps(model, x);
	assert.equal(
		maps.map(({ path, weights }) => [path, weights.shape]),
		[['2.attention', [2, 2, 3, 3]]],
	);
	requireClose('rows', await maps[0]!.weights.sum(-1).data(), new Array(12).fill(1), { relative: 1e-6, absolute: 0 });
	requireClose('after', await model.forward(x).data(), await before.data(), { relative: 0, absolute: 0 });
});

test('the model is as before: modes, gradients, hooks, memory', async () => {
	const model = new Classifier().train();
	model.conv2.eval();
	const dropout = new nn.Sequential(model, new nn.Dropout(0.5));
	dropout.at(1).train();
	const x = randn([2, 2, 6, 7]);
	tidy(() => dropout.forward(x).sum().backward());
	const gradient = Array.from(await model.fc.weight.grad!.data());
	const run = () =>
		tidy(() => {
			interpret.saliency(dropout, x, { target: 0 });
			interpret.guidedGradCam(dropout, '0.relu1', x, { target: 0 });
			interpret.integratedGradients(dropout, x, { target: 0, nSteps: 3 });
			interpret.layerIntegratedGradients(dropout, model.relu1, x, { target: 0, nSteps: 3 });
			interpret.activations(dropout, ['0.conv'], x);
			interpret.occlusion(dropout, x, { target: 0, slidingWindowShapes: [2, 6, 7] });
			interpret.smoothGrad(dropout, x, { target: 0, ntSamples: 2 });
		});
	run();
	const { tensors: held } = await settled();
	run();
	assert.is(await heldTensors(), held, 'no tensor stays');
	assert.equal([dropout.training, model.training, model.conv2.training, model.conv.training], [true, true, false, true]);
	assert.equal(Array.from(await model.fc.weight.grad!.data()), gradient);
	assert.not(x.requiresGrad);
	// In inference mode dropout drops nothing, so two runs agree.
	const twice = [0, 1].map(() => interpret.inputXGradient(dropout, x, { target: 0 }));
	assert.equal(await twice[0]!.data(), await twice[1]!.data());
	assert.throws(() => interpret.saliency(dropout, x, { target: 99 }));
	assert.ok(dropout.training, 'after an error too');
});

const refused: [what: string, call: () => unknown, message: RegExp][] = [
	['no model', () => interpret.saliency(3 as never, X), /saliency: model must be a module or a function of tensors, not 3/],
	[
		'no target',
		() => interpret.saliency(linear, X),
		/without a target the output must be one floating value for each example, \[2\].*Give a class/,
	],
	['a class too high', () => interpret.saliency(linear, X, { target: 2 }), /target 2 is out of range for 2 classes/],
	['too few targets', () => interpret.saliency(linear, X, { target: [1] }), /2 examples but 1 targets/],
	['a floating target', () => interpret.saliency(linear, X, { target: X as never }), /must hold 2 classes as int32/],
	[
		'ids',
		() => interpret.saliency(linear, tensor(Int32Array.of(1), { shape: [1, 1] })),
		/int32 have no gradient.*layerIntegratedGradients/,
	],
	['no graph', () => interpret.saliency((x) => x.detach().sum(1), X), /does not depend on the input.*detach/],
	['an object', () => interpret.saliency((() => ({})) as never, X), /the model must return a tensor, not an object. Wrap it/],
	[
		'a wrong baseline',
		() => interpret.integratedGradients(linear, X, { target: 0, baselines: double([1, 2], [2]) }),
		/baseline of shape \[2\] on cpu does not broadcast to the input \[2, 3\]/,
	],
	[
		'one step of the trapezoid',
		() => interpret.integratedGradients(linear, X, { target: 0, nSteps: 1, method: 'riemann_trapezoid' }),
		/nSteps must be a whole number of at least 2, not 1/,
	],
	[
		'a wrong method',
		() => interpret.integratedGradients(linear, X, { target: 0, method: 'simpson' as never }),
		/method must be 'gausslegendre'/,
	],
	['a misspelt option', () => interpret.saliency(linear, X, { targets: 0 } as never), /there is no option 'targets'/],
	[
		'a wide stride',
		() => interpret.occlusion(linear, X, { target: 0, slidingWindowShapes: [1], strides: 2 }),
		/strides of 2 would skip elements between windows of 1/,
	],
	[
		'a large window',
		() => interpret.occlusion(linear, X, { target: 0, slidingWindowShapes: [4] }),
		/a window of 4 does not fit a dim of size 3/,
	],
	[
		'a window of wrong rank',
		() => interpret.occlusion(linear, X, { target: 0, slidingWindowShapes: [1, 1] }),
		/must have 1 sizes for an input \[2, 3\]/,
	],
	[
		'a path in a function',
		() => interpret.gradCam(linear, 'conv', X, { target: 0 }),
		/the model is a function, which has no path 'conv'/,
	],
	[
		'Grad-CAM of features',
		() => interpret.gradCam(new nn.Sequential(new nn.Linear(3, 2)), '0', X.to('float32'), { target: 0 }),
		/must be \[N, channels, \.\.\.places\], not \[2, 2\]/,
	],
	[
		'a layer that runs twice',
		() => {
			const layer = new nn.Tanh();
			return interpret.layerGradientXActivation((x) => layer.forward(layer.forward(x)).sum(1), layer, X);
		},
		/layer Tanh runs 2 times in one forward pass/,
	],
	['no ReLU', () => interpret.guidedBackprop(new nn.Sequential(new nn.Linear(3, 2)), X), /the model has no nn.ReLU/],
	['no attention', () => interpret.attentionMaps(linear, X), /the model did not attend/],
];
for (const [what, call, message] of refused)
	test(`refuses ${what}`, () =>
		void assert.throws(call, (error: Error) => message.test(error.message) || assert.unreachable(error.message)));

test.run();
