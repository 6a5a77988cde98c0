/**
 * Parameters and gradients that are views: an in-place write has the same effect as on a contiguous clone, and changes nothing
 * else.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { batchNorm, type Device, instanceNorm, io, manualSeed, nn, noGrad, optim, type Tensor, tensor, tidy, zeros } from 'wgrad';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';
import { hasFloat16 } from '../proofs/half';

type Groups = optim.Optimizer<optim.CommonOptions>;

function table(device: Device, name: string, shape: readonly number[]): Tensor {
	const next = stream(name);
	const count = shape.reduce((size, dim) => size * dim, 1);
	return tensor(
		Array.from({ length: count }, () => Math.fround(2 * next() - 1)),
		{ shape, device },
	);
}

/** A table, and the part of it that a step writes. */
interface Place {
	readonly shape: readonly number[];
	readonly part: (table: Tensor) => Tensor;
}

export const PLACES: Readonly<Record<string, Place>> = {
	transposed: { shape: [5, 7], part: (t) => t.transpose(0, 1) },
	permuted: { shape: [3, 4, 5], part: (t) => t.permute([2, 0, 1]) },
	'a column': { shape: [6, 5], part: (t) => t.select(1, 3) },
	'every other row': { shape: [9, 4], part: (t) => t.slice(0, 1, 9, 2) },
	'every third element': { shape: [20], part: (t) => t.slice(0, 2, 20, 3) },
	'a diagonal': { shape: [6, 6], part: (t) => t.diagonal(1) },
	'a chunk of the columns': { shape: [3, 8], part: (t) => t.chunk(2, 1)[1]! },
	'a transposed block': { shape: [6, 8], part: (t) => t.narrow(0, 1, 4).narrow(1, 2, 5).transpose(0, 1) },
	'whole rows': { shape: [6, 4], part: (t) => t.narrow(0, 2, 3) },
	'the first row of three': { shape: [2, 3], part: (t) => t.narrow(0, 0, 1) },
	'a row at an odd offset': { shape: [4, 5], part: (t) => t.narrow(0, 1, 1) },
};

const PENALTIES = { lr: 0.05, weightDecay: 0.1, l1: 0.01 };

export const OPTIMIZERS: Readonly<Record<string, (params: Tensor[]) => Groups>> = {
	SGD: (p) => new optim.SGD(p, { lr: 0.1 }),
	'SGD momentum': (p) => new optim.SGD(p, { ...PENALTIES, momentum: 0.9, dampening: 0.1, maximize: true }),
	'SGD nesterov': (p) => new optim.SGD(p, { ...PENALTIES, momentum: 0.9, nesterov: true }),
	Adam: (p) => new optim.Adam(p, PENALTIES),
	'Adam amsgrad': (p) => new optim.Adam(p, { ...PENALTIES, amsgrad: true, maximize: true }),
	AdamW: (p) => new optim.AdamW(p, PENALTIES),
	RMSprop: (p) => new optim.RMSprop(p, PENALTIES),
	'RMSprop centered momentum': (p) => new optim.RMSprop(p, { ...PENALTIES, centered: true, momentum: 0.9 }),
	Adagrad: (p) => new optim.Adagrad(p, { ...PENALTIES, initialAccumulatorValue: 0.5, lrDecay: 0.1 }),
	Adadelta: (p) => new optim.Adadelta(p, PENALTIES),
	Adamax: (p) => new optim.Adamax(p, PENALTIES),
	NAdam: (p) => new optim.NAdam(p, { ...PENALTIES, decoupledWeightDecay: true }),
	RAdam: (p) => new optim.RAdam(p, { ...PENALTIES, betas: [0.9, 0.5] }),
	Lion: (p) => new optim.Lion(p, PENALTIES),
	Muon: (p) => new optim.Muon(p, PENALTIES),
};

/** Checks that `part` of the table has the values of `contiguous`, and that the rest of it has not changed. */
async function requireWritten(place: Place, written: Tensor, before: Tensor, contiguous: Tensor): Promise<void> {
	const expected = before.clone();
	noGrad(() => place.part(expected).copy_(contiguous));
	assert.equal(await written.data(), await expected.data());
}

/** The gradients of the steps: strided for contiguous parameters, and contiguous for strided ones. */
function gradient(device: Device, shape: readonly number[], step: number, strided: boolean): Tensor {
	const values = table(device, `gradient ${step}`, shape);
	if (!strided) return values;
	const back = [...shape.keys()].reverse();
	return values.permute(back).clone().permute(back);
}

/** Steps `optimizer` four times with the gradients that its parameter is given. */
function descend(optimizer: Groups, param: Tensor, device: Device, strided: boolean): void {
	for (let step = 0; step < 4; step++) {
		tidy(() => {
			param.grad = gradient(device, param.shape, step, strided);
			optimizer.step();
			param.grad = null;
		});
	}
}

export function testViews(device: Device): void {
	for (const [name, make] of Object.entries(OPTIMIZERS)) {
		test(`${name} steps a view as it steps a contiguous clone`, async () => {
			for (const place of Object.values(PLACES)) {
				const whole = table(device, 'whole', place.shape);
				const before = whole.clone();
				const view = place.part(whole).requiresGrad_();
				if (name === 'Muon' && view.ndim !== 2) continue;
				const clone = view.detach().clone().requiresGrad_();
				descend(make([view]), view, device, false);
				descend(make([clone]), clone, device, true);
				await requireWritten(place, whole, before, clone);
			}
		});
	}

	test('L-BFGS steps a view as it steps a contiguous clone', async () => {
		for (const place of Object.values(PLACES)) {
			const whole = table(device, 'whole', place.shape);
			const before = whole.clone();
			const view = place.part(whole).requiresGrad_();
			const clone = view.detach().clone().requiresGrad_();
			for (const param of [view, clone]) {
				const optimizer = new optim.LBFGS([param], { maxIter: 3, lineSearchFn: 'strongWolfe', weightDecay: 0.1 });
				await optimizer.step(async () => {
					optimizer.zeroGrad();
					const loss = param.sub(0.5).square().sum();
					loss.backward();
					return loss;
				});
			}
			await requireWritten(place, whole, before, clone);
		}
	});

	test('a gradient may lie in the memory of its parameter', async () => {
		const whole = table(device, 'whole', [2, 6]);
		const expected = whole.clone();
		const [param, clone] = [whole.select(0, 0).requiresGrad_(), expected.select(0, 0).clone().requiresGrad_()];
		param.grad = whole.select(0, 1);
		clone.grad = expected.select(0, 1);
		for (const tensor of [param, clone]) new optim.Adam([tensor]).step();
		expected.select(0, 0).copy_(clone.detach());
		assert.equal(await whole.data(), await expected.data());
	});

	test('the halves of one table are parameters of one optimizer', async () => {
		const whole = table(device, 'whole', [4, 6]);
		const expected = whole.clone().requiresGrad_();
		const halves = whole.chunk(2, 1).map((half) => half.requiresGrad_());
		const all = gradient(device, [4, 6], 0, false);
		halves.forEach((half, i) => {
			half.grad = all.chunk(2, 1)[i]!;
		});
		expected.grad = all;
		optim.clipGradNorm(halves, 0.5);
		new optim.AdamW(halves).step();
		new optim.AdamW([expected]).step();
		assert.equal(await whole.data(), await expected.data());
	});

	test('a parameter that is expanded, and a gradient unlike its parameter, are refused', () => {
		const expanded = zeros([1, 3], { device }).expand([4, 3]).requiresGrad_();
		expanded.grad = zeros([4, 3], { device });
		assert.throws(() => new optim.SGD([expanded]).step(), /SGD.step: the tensor of shape \[4, 3\] is expanded/);
		assert.throws(() => nn.init.normal_(expanded), /normal_: the tensor of shape \[4, 3\] is expanded/);
		const param = zeros([3], { device }).requiresGrad_();
		param.grad = zeros([2], { device });
		const message =
			/SGD.step: a parameter of \[3\] float32 on \w+ has a gradient of \[2\] float32 on \w+; shape, dtype and device must be equal/;
		assert.throws(() => new optim.SGD([param]).step(), message);
		assert.throws(() => param.sum().backward(), /backward: .*\[3\] float32 has a .grad of shape \[2\] float32/);
	});

	test('a state of strided tensors is loaded', async () => {
		const [first, second] = [0, 1].map(() => table(device, 'param', [3, 4]).requiresGrad_());
		const [one, two] = [new optim.Adam([first!]), new optim.Adam([second!])];
		descend(one, first!, device, false);
		const { state, paramGroups } = one.stateDict();
		const strided = Object.fromEntries(
			Object.entries(state[0]!).map(([key, value]) => [
				key,
				typeof value === 'number' ? value : value.transpose(0, 1).clone().transpose(0, 1),
			]),
		);
		two.loadStateDict({ state: { 0: strided }, paramGroups });
		noGrad(() => second!.copy_(first!));
		for (const [param, optimizer] of [
			[first!, one],
			[second!, two],
		] as const)
			descend(optimizer, param, device, true);
		assert.equal(await second!.data(), await first!.data());
	});

	test('EMA follows views', async () => {
		for (const place of Object.values(PLACES)) {
			const whole = table(device, 'whole', place.shape);
			const before = whole.clone();
			const view = place.part(whole);
			const clone = view.clone();
			const averages = [view, clone].map((param) => new optim.EMA([param], { decay: 0.75 }));
			noGrad(() => {
				for (const param of [view, clone]) param.mul_(3);
			});
			for (const ema of averages) {
				ema.update();
				ema.swap();
			}
			await requireWritten(place, whole, before, clone);
		}
	});

	const fills: Readonly<Record<string, (x: Tensor) => unknown>> = {
		uniform_: (x) => nn.init.uniform_(x, -2, 1),
		normal_: (x) => nn.init.normal_(x, 1, 2),
		constant_: (x) => nn.init.constant_(x, 7),
		truncNormal_: (x) => nn.init.truncNormal_(x),
		orthogonal_: (x) => x.ndim > 1 && nn.init.orthogonal_(x),
		kaimingNormal_: (x) => x.ndim > 1 && nn.init.kaimingNormal_(x),
	};
	test('nn.init fills views', async () => {
		for (const fill of Object.values(fills)) {
			for (const place of Object.values(PLACES)) {
				const whole = table(device, 'whole', place.shape);
				const before = whole.clone();
				const clone = place.part(whole).clone();
				for (const target of [place.part(whole), clone]) {
					manualSeed(5);
					fill(target);
				}
				await requireWritten(place, whole, before, clone);
			}
		}
	});

	const statistics: Readonly<Record<string, Place>> = {
		rows: { shape: [2, 3], part: (t) => t },
		columns: { shape: [3, 2], part: (t) => t.transpose(0, 1) },
		'part of the rows': { shape: [4, 7], part: (t) => t.narrow(0, 1, 2).narrow(1, 2, 3) },
	};
	for (const [name, norm] of Object.entries({ batchNorm, instanceNorm })) {
		test(`running statistics of ${name} are ${Object.keys(statistics).join(', ')} of one table`, async () => {
			const x = table(device, 'x', [4, 3, 5]);
			for (const place of Object.values(statistics)) {
				const whole = table(device, 'whole', place.shape).abs();
				const before = whole.clone();
				const clone = place.part(whole).clone();
				const rows = (t: Tensor) => ({ runningMean: t.select(0, 0), runningVar: t.select(0, 1) });
				const options = name === 'batchNorm' ? { training: true } : {};
				norm(x, { ...rows(place.part(whole)), ...options });
				const apart = [clone.select(0, 0).clone(), clone.select(0, 1).clone()] as const;
				norm(x, { runningMean: apart[0], runningVar: apart[1], ...options });
				clone.select(0, 0).copy_(apart[0]);
				clone.select(0, 1).copy_(apart[1]);
				await requireWritten(place, whole, before, clone);
			}
		});
	}

	test('clipGradNorm and clipGradValue scale gradients that are views', async () => {
		for (const clip of [
			(params: Tensor[]) => optim.clipGradNorm(params, 0.5),
			(params: Tensor[]) => optim.clipGradNorm(params, 0.5, { normType: 1 }),
			(params: Tensor[]) => optim.clipGradValue(params, 0.25),
		]) {
			for (const place of Object.values(PLACES)) {
				const whole = table(device, 'whole', place.shape);
				const before = whole.clone();
				const view = place.part(whole);
				const clone = view.clone();
				for (const values of [view, clone]) {
					const param = zeros(values.shape, { device }).requiresGrad_();
					param.grad = values;
					clip([param]);
				}
				// The norm adds up elements in the order in which they lie in memory.
				requireClose('gradient', await view.data(), await clone.data(), { relative: 1e-6, absolute: 0 });
				await requireWritten(place, whole, before, view);
			}
		}
	});

	test('backward adds to a .grad that is a view', async () => {
		for (const place of Object.values(PLACES)) {
			const whole = table(device, 'whole', place.shape);
			const before = whole.clone();
			const clone = place.part(whole).clone();
			for (const values of [place.part(whole), clone]) {
				const param = table(device, 'param', values.shape).requiresGrad_();
				param.grad = values;
				param.square().sum().backward();
			}
			await requireWritten(place, whole, before, clone);
		}
		const param = zeros([3], { device }).requiresGrad_();
		const one = tensor([1], { device });
		param.grad = one.expand([3]);
		param
			.mul(tensor([1, 2, 3], { device }))
			.sum()
			.backward();
		assert.equal(Array.from(await param.grad.data()), [2, 3, 4]);
		assert.is(await one.item(), 1);
		// The gradient that comes in is the .grad that it goes to.
		param.grad = tensor([1, 2, 3], { device });
		param.reshape([1, 3]).backward(param.grad.reshape([1, 3]));
		assert.equal(Array.from(await param.grad.data()), [2, 4, 6]);
	});

	test('gradients of a recorded walk share no memory', async () => {
		const [a, b] = [zeros([2], { device }).requiresGrad_(), zeros([2], { device }).requiresGrad_()];
		a.add(b).add(1).square().sum().backward(null, { createGraph: true });
		optim.clipGradValue([a], 0.5);
		assert.equal(Array.from(await a.grad!.data()), [0.5, 0.5]);
		assert.equal(Array.from(await b.grad!.data()), [2, 2]);
		for (const grad of [a.grad!, b.grad!]) grad.dispose();
	});

	test('a module whose parameters are views is saved, loaded and moved', async () => {
		class Tied extends nn.Module {
			readonly whole = table(device, 'whole', [4, 6]);
			readonly left = new nn.Parameter(this.whole.narrow(1, 0, 2));
			readonly right = new nn.Parameter(this.whole.narrow(1, 2, 3).transpose(0, 1));
			override forward(): void {}
		}
		const model = new Tied();
		const before = await model.whole.data();
		const saved = io.loadSafetensors(await io.saveSafetensors(model.stateDict()), { device });
		noGrad(() => model.whole.zero_());
		model.loadStateDict(saved);
		const after = await model.whole.data();
		assert.equal(
			after,
			before.map((value, i) => (i % 6 === 5 ? 0 : value)),
		);
		const right = await model.right.data();
		model.to(device === 'cpu' ? 'float64' : hasFloat16() ? 'float16' : 'float32').to('float32');
		assert.equal(model.right.shape, [3, 4]);
		requireClose('right', await model.right.data(), right, { relative: 1e-3, absolute: 1e-4 });
	});
}
