/** Pruning against PyTorch's: masks, outputs, gradients and training with masks, checkpoints, and the model after `remove`. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Device, init, io, manualSeed, nn, noGrad, ones, optim, type Tensor, tensor, tidy } from 'wgrad';
import results from '../golden/adapting.json';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';

const { prune } = nn;

test.before(async () => void (await init({ device: 'cpu' })));

const ALLOWED = { relative: 1e-9, absolute: 1e-11 };
const place = { device: 'cpu' as Device, dtype: 'float64' } as const;

function draw(name: string, shape: readonly number[]): Tensor {
	const next = stream(name);
	const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround(-1 + next() * 2));
	return tensor(values, { shape, ...place });
}

/** The model of adapting.py, with the same values. */
function conv() {
	const layers = [new nn.Conv2d(2, 5, 3, place), new nn.ReLU(), new nn.Flatten(), new nn.Linear(20, 3, place)] as const;
	const model = new nn.Sequential(...layers);
	noGrad(() => {
		for (const [name, parameter] of model.namedParameters()) parameter.copy_(draw(name, parameter.shape));
	});
	return { model, first: layers[0], last: layers[3] };
}

type Parts = ReturnType<typeof conv>;
type Step = (parts: Parts) => unknown;

const all = ({ first, last }: Parts) =>
	[
		[first, 'weight'],
		[last, 'weight'],
		[last, 'bias'],
	] as const;
const scores = () => draw('scores', [5, 2, 3, 3]);
const l1 =
	(amount: number): Step =>
	(m) =>
		prune.l1Unstructured(m.first, 'weight', amount);
const ln =
	(amount: number, n: number, dim: number): Step =>
	(m) =>
		prune.lnStructured(m.first, 'weight', amount, n, dim);
const globally =
	(amount: number): Step =>
	(m) =>
		prune.globalUnstructured(all(m), prune.l1Unstructured, { amount });

const CASES: Readonly<Record<keyof typeof results.pruning, readonly Step[]>> = {
	l1: [l1(0.3)],
	'l1 half to even': [(m) => prune.l1Unstructured(m.last, 'bias', 0.5), l1(0.25)],
	'l1 count': [l1(7)],
	'l1 twice': [l1(0.3), l1(0.4)],
	'l1 by scores': [(m) => prune.l1Unstructured(m.first, 'weight', 0.3, { importanceScores: scores() })],
	'l1 dim 0': [ln(2, 1, 0)],
	'l2 dim 0': [ln(0.4, 2, 0)],
	'l2 dim 1': [ln(0.5, 2, 1)],
	'l2 last dim': [(m) => prune.lnStructured(m.last, 'weight', 0.35, 2, -1)],
	'largest, dim 0': [ln(2, Number.POSITIVE_INFINITY, 0)],
	'smallest, dim 0': [ln(2, Number.NEGATIVE_INFINITY, 0)],
	'channels twice': [ln(0.4, 2, 0), ln(0.34, 1, 0)],
	'elements, then channels': [l1(0.4), ln(2, 2, 0)],
	'channels, then elements': [ln(2, 2, 0), l1(0.5)],
	'custom after l1': [l1(0.3), (m) => prune.customFromMask(m.first, 'weight', draw('custom', [5, 2, 3, 3]).gt(-0.3))],
	identity: [(m) => prune.identity(m.first, 'weight')],
	global: [globally(0.3)],
	'global count': [globally(41)],
	'global after l1': [(m) => prune.l1Unstructured(m.last, 'weight', 0.5), globally(0.4)],
	'global by scores': [
		(m) =>
			prune.globalUnstructured(all(m), prune.l1Unstructured, {
				amount: 0.3,
				importanceScores: [scores(), undefined, undefined],
			}),
	],
};

for (const [name, steps] of Object.entries(CASES)) {
	test(`pruning, ${name}: masks, training and state are PyTorch's`, async () => {
		const expected = results.pruning[name as keyof typeof CASES];
		const parts = conv();
		const { model, first, last } = parts;
		// Created before pruning, because the parameters stay the same objects.
		const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9, weightDecay: 0.1 });
		for (const step of steps) await step(parts);
		assert.equal(Object.keys(model.stateDict()).sort(), [...expected.keys].sort());
		for (const [key, mask] of Object.entries(expected.masks))
			assert.equal(Array.from(await model.stateDict()[key]!.data()), mask, key);
		const x = draw('x', [2, 2, 4, 4]);
		requireClose('output', await model.forward(x).data(), expected.output, ALLOWED);
		for (let i = 0; i < 2; i++) {
			optimizer.zeroGrad();
			model.forward(x).square().sum().backward();
			optimizer.step();
		}
		requireClose('trained', await model.forward(x).data(), expected.trained, ALLOWED);
		const weight = new Map(first.ownParameters()).get('weight_orig') ?? first.weight;
		requireClose('gradient', await weight.grad!.data(), expected.gradient, ALLOWED);
		for (const module of [first, last]) {
			for (const parameter of ['weight', 'bias'])
				if (module.ownParameters().some(([key]) => key === `${parameter}_orig`)) prune.remove(module, parameter);
		}
		requireClose('removed', await first.weight.data(), expected.removed, ALLOWED);
		assert.equal(Object.keys(model.stateDict()).sort(), [...expected.removedKeys].sort());
		assert.not.ok(prune.isPruned(model));
	});
}

test('random pruning takes the amount of the remaining elements, reproducibly by the seed', async () => {
	const masks: number[][] = [];
	for (let i = 0; i < 2; i++) {
		manualSeed(3);
		const { first, last } = conv();
		await prune.randomUnstructured(first, 'weight', 0.3);
		await prune.randomUnstructured(first, 'weight', 0.5);
		masks.push(Array.from(await first.buffer('weight_mask').data()));
		await prune.randomStructured(last, 'weight', 0.25, 1);
		const columns = Array.from(await last.buffer('weight_mask').sum(0).data());
		assert.equal([columns.filter((sum) => sum === 0).length, columns.filter((sum) => sum === 3).length], [5, 15]);
	}
	assert.equal(masks[0], masks[1]);
	// 27 of 90, then half of the remaining 63, rounded to even.
	assert.is(
		masks[0]!.reduce((a, b) => a + b),
		90 - 27 - 32,
	);
});

test('a model with masks is saved and loaded, and a second model continues with the same masks', async () => {
	const { model, first } = conv();
	await prune.l1Unstructured(first, 'weight', 0.5);
	const bytes = await io.saveSafetensors(model.stateDict());
	const other = conv();
	prune.identity(other.first, 'weight');
	other.model.loadStateDict(io.loadSafetensors(bytes, { device: 'cpu' }));
	const x = draw('x', [2, 2, 4, 4]);
	assert.equal(await other.model.forward(x).data(), await model.forward(x).data());
	await prune.l1Unstructured(other.first, 'weight', 0.5);
	assert.is(await other.first.buffer('weight_mask').sum().item(), 90 - 45 - 22);
});

test('the weight can be read after a step that freed its temporaries', async () => {
	const { model, first } = conv();
	await prune.l1Unstructured(first, 'weight', 0.5);
	tidy(() => void model.forward(draw('x', [2, 2, 4, 4])));
	assert.is((await first.weight.data()).filter((value: number) => value === 0).length, 45);
});

test('attention and recurrent layers prune by their state names', async () => {
	const attention = new nn.MultiheadAttention(4, 2, place);
	await prune.lnStructured(attention, 'in_proj_weight', 3, 2, 0);
	assert.ok(Object.keys(attention.stateDict()).includes('in_proj_weight_orig'));
	assert.is((await attention.inProjWeight!.abs().sum(1).data()).filter((value: number) => value === 0).length, 3);
	const x = ones([2, 1, 4], place);
	const [before] = attention.forward(x, x, x);
	prune.remove(attention, 'in_proj_weight');
	requireClose('output', await attention.forward(x, x, x)[0].data(), await before.data(), ALLOWED);
	const lstm = new nn.LSTM(3, 2, place);
	await prune.l1Unstructured(lstm, 'weight_hh_l0', 0.5);
	assert.is((await prune.report(lstm)).parameters.find(({ path }) => path === 'weight_hh_l0')?.zeros, 8);
	lstm.forward(ones([2, 1, 3], place));
});

test('the report counts zeros and zero channels', async () => {
	const { model, first } = conv();
	await prune.lnStructured(first, 'weight', 2, 2, 0);
	const report = await prune.report(model);
	assert.equal(report.parameters[1], { path: '0.weight', size: 90, zeros: 36, channels: 5, zeroChannels: 2, masked: true });
	assert.is(report.sparsity, 36 / (90 + 5 + 60 + 3));
	assert.match(String(report), /0\.weight \(masked\) +90 +36 +40\.0 % +2 of 5/);
});

test('wrong calls throw', async () => {
	const { first, last, model } = conv();
	const refused = async (fn: () => unknown, message: RegExp) => {
		try {
			await fn();
		} catch (error) {
			return assert.match((error as Error).message, message);
		}
		assert.unreachable(`not refused: ${message}`);
	};
	await refused(
		() => prune.l1Unstructured(first, 'weights', 0.5),
		/l1Unstructured: Conv2d has no parameter 'weights'; it has: weight, bias/,
	);
	await refused(
		() => prune.l1Unstructured(first, 'weight', 1.5),
		/amount must be a fraction from 0 to below 1, or a whole number/,
	);
	await refused(() => prune.l1Unstructured(first, 'weight', -1), /amount must be/);
	await refused(() => prune.l1Unstructured(first, 'weight', 91), /cannot prune 91 of the 90 that are left/);
	await refused(() => prune.lnStructured(last, 'bias', 1, 2, 0), /channels need a parameter of at least 2 dims, not \[3\]/);
	await refused(
		() => prune.customFromMask(first, 'weight', ones([5])),
		/the mask \[5\] must have shape \[5, 2, 3, 3\] for the parameter/,
	);
	await refused(() => prune.remove(first, 'weight'), /remove: 'weight' of Conv2d is not pruned/);
	await refused(
		() => prune.globalUnstructured([[first, 'weight']], (() => {}) as never, { amount: 0.5 }),
		/the method must be nn\.prune\.l1Unstructured or nn\.prune\.randomUnstructured/,
	);
	assert.not.ok(prune.isPruned(model));
});

test.run();
