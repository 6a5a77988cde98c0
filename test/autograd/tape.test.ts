/** The tape itself: walking, freeing, versions, modes, second order. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	AutogradError,
	add,
	customOp,
	grad,
	gradcheck,
	isGradEnabled,
	keep,
	memory,
	noGrad,
	ones,
	type Tensor,
	tensor,
	tidy,
	zeros,
} from 'wgrad';

const scalar = (value: number) => tensor(value, { dtype: 'float64' }).requiresGrad_();

test('a chain of 100,000 operations does not overflow the stack', async () => {
	const x = scalar(1);
	let y: Tensor = x;
	for (let i = 0; i < 100_000; i++) y = add(y, 1);
	y.backward();
	assert.is(await y.item(), 100_001);
	assert.is(await x.grad!.item(), 1);
});

test('gradients of a tensor that is used twice add up, and backward accumulates into .grad', async () => {
	const x = scalar(3);
	x.mul(x).add(x).backward();
	assert.is(await x.grad!.item(), 7);
	x.mul(2).backward();
	assert.is(await x.grad!.item(), 9);
});

test('a second walk needs retainGraph', async () => {
	const x = scalar(3);
	const y = x.mul(x);
	y.backward(null, { retainGraph: true });
	y.backward();
	assert.is(await x.grad!.item(), 12);
	assert.throws(() => y.backward(), /the graph through 'mul' was already walked and freed.*retainGraph/);
});

test('backward throws if a saved tensor was overwritten, and names both operations', () => {
	const x = scalar(3);
	const factor = tensor(2, { dtype: 'float64' });
	const y = x.mul(factor);
	factor.add_(1);
	assert.throws(() => y.backward(), /'mul' saved a tensor.*'add_' has overwritten/);
});

test('backward of a non-scalar needs a gradient of its shape', () => {
	const x = ones([2, 3], { requiresGrad: true });
	assert.throws(() => x.mul(2).backward(), /the output has shape \[2, 3\]; only a scalar/);
	assert.throws(() => x.mul(2).backward(ones([3])), /gradient of shape \[3\] for an output of shape \[2, 3\]/);
	assert.throws(() => ones([1]).backward(), /does not depend on a tensor that requires a gradient/);
});

test('noGrad records nothing, nests, and restores the mode after an error', () => {
	const x = scalar(1);
	assert.not(noGrad(() => x.mul(2)).requiresGrad);
	assert.throws(
		() =>
			noGrad(() => {
				throw new Error('inside');
			}),
		/inside/,
	);
	assert.ok(isGradEnabled());
	assert.throws(() => noGrad(async () => 1), /must not be async/);
});

test('grad does not touch .grad, reports unused inputs, and takes gradients of outputs', async () => {
	const [x, y, z] = [scalar(2), scalar(5), scalar(7)];
	const product = x.mul(y);
	const [dx, dy] = grad(product, [x, y], { retainGraph: true });
	assert.equal([await dx!.item(), await dy!.item(), x.grad], [5, 2, null]);
	assert.throws(() => grad(product, [z], { retainGraph: true }), /do not depend on input 0/);
	assert.is(grad(product, [z], { retainGraph: true, allowUnused: true })[0], null);
	const [scaled] = grad(product, [x], { gradOutputs: tensor(3, { dtype: 'float64' }) });
	assert.is(await scaled!.item(), 15);
});

test('grad with respect to an inner result', async () => {
	const x = scalar(2);
	const inner = x.mul(3);
	const [gradient] = grad(inner.square(), [inner]);
	assert.is(await gradient!.item(), 12);
});

test('createGraph gives derivatives of any order: the fourth of x^5', async () => {
	const x = scalar(2);
	let y: Tensor = x.pow(5);
	for (let order = 0; order < 4; order++) [y] = grad(y, [x], { createGraph: true }) as [Tensor];
	assert.ok(Math.abs((await y.item()) - 120 * 2) < 1e-9);
});

test('hooks see and change gradients', async () => {
	const x = tensor([1, 2, 3], { dtype: 'float64' }).requiresGrad_();
	let seen: Tensor | undefined;
	x.registerHook((gradient) => gradient.mul(10));
	const inner = x.mul(3).retainGrad();
	const handle = inner.registerHook((gradient) => {
		seen = keep(gradient);
		return gradient.add(1);
	});
	const y = inner.square().sum();
	y.backward(undefined, { retainGraph: true });
	assert.equal(await seen!.toArray(), [6, 12, 18]);
	assert.equal(await inner.grad!.toArray(), [7, 13, 19]);
	assert.equal(await x.grad!.toArray(), [210, 390, 570]);
	handle.remove();
	assert.equal(await grad(y, [x], { createGraph: true })[0]!.toArray(), [180, 360, 540]);
	x.registerHook(() => zeros([1]));
	assert.throws(
		() => y.backward(),
		/registerHook: the hook on the result of 'leaf' returned \[1\] float32 for a gradient of \[3\] float64/,
	);
	assert.throws(() => zeros([1]).registerHook(() => null), /registerHook: the tensor requires no gradient/);
});

test('detach cuts the graph, and retainGrad keeps the gradient of an inner result', async () => {
	const x = scalar(2);
	const inner = x.mul(3).retainGrad();
	inner.mul(inner.detach()).backward();
	assert.is(await inner.grad!.item(), 6);
	assert.is(await x.grad!.item(), 18);
});

test('views share memory: a write through one is seen in the other', async () => {
	const x = zeros([2, 3]);
	x.select(0, 1).fill_(5);
	assert.equal(Array.from(await x.data()), [0, 0, 0, 5, 5, 5]);
	assert.is(x.reshape([6]).storage, x.storage);
});

test('a disposed tensor throws', () => {
	const x = ones([2]);
	x.dispose();
	assert.throws(() => x.add(1), /disposed of/);
	assert.match(String(x), /disposed/);
});

test('tidy frees everything except returned, kept and accumulated tensors', async () => {
	const w = ones([3], { requiresGrad: true });
	const before = memory().tensors;
	const [kept, returned] = tidy(() => {
		const loss = w.mul(2).sum();
		loss.backward();
		return [keep(ones([1])), { deep: [loss.detach()] }] as const;
	});
	assert.is(memory().tensors, before + 3);
	assert.equal(Array.from(await w.grad!.data()), [2, 2, 2]);
	assert.is(await returned.deep[0]!.item(), 6);
	kept.dispose();
	assert.throws(() => tidy(async () => 1), /must not be async/);
});

test('customOp saves intermediate results for as long as its graph lives', async () => {
	const cube = customOp({
		forward: (context, x: Tensor) => {
			const squared = x.square();
			context.saveForBackward(squared);
			return squared.mul(x);
		},
		backward: (context, gradient) => gradient.mul(context.saved[0]!).mul(3),
	});
	const x = tensor([2, -3], { dtype: 'float64' }).requiresGrad_();
	const before = memory().tensors;
	tidy(() => cube(x).sum().backward());
	assert.equal(await x.grad!.toArray(), [12, 27]);
	assert.is(memory().tensors, before + 1);
});

test('customOp runs its own gradient, and gradcheck checks it', async () => {
	const cube = customOp({
		name: 'cube',
		forward: (context, x: Tensor) => {
			context.saveForBackward(x);
			return x.mul(x).mul(x);
		},
		backward: (context, gradient) => gradient.mul(context.saved[0]!.square()).mul(3),
	});
	const x = tensor([0.5, -1.5], { dtype: 'float64' }).requiresGrad_();
	assert.ok(await gradcheck(cube, [x]));
	const wrong = customOp({
		name: 'wrong',
		forward: (_context, x: Tensor) => x.mul(2),
		backward: (_context, gradient) => gradient.mul(3),
	});
	let message = '';
	try {
		await gradcheck(wrong, [x]);
	} catch (error) {
		assert.instance(error, AutogradError);
		message = (error as Error).message;
	}
	assert.match(message, /gradcheck\(wrong\): 2 elements differ; worst in input 0 of shape \[2\]/);
});

test.run();
