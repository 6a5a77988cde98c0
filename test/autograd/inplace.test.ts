/** In-place operations on the tape. For comparisons with PyTorch see test/golden/inplace.test.ts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	checkpoint,
	customOp,
	detectAnomaly,
	grad,
	gradcheck,
	gradgradcheck,
	init,
	keep,
	memory,
	noGrad,
	ones,
	type Tensor,
	tensor,
	tidy,
	vjp,
	zeros,
} from 'wgrad';
import { makeInputs } from '../ops/database';
import { families } from '../ops/index';

test.before(async () => {
	await init({ device: 'cpu' });
});

const leaf = (...values: number[]) => tensor(values, { dtype: 'float64' }).requiresGrad_();
const plain = (...shape: number[]) => zeros(shape, { dtype: 'float64' });

async function gradients(loss: Tensor, ...inputs: Tensor[]): Promise<number[][]> {
	return Promise.all(grad(loss, inputs).map(async (gradient) => Array.from(await gradient.data())));
}

test('views, siblings and all operations together have the right first and second derivatives', async () => {
	const program = (x: Tensor, k: Tensor) => {
		const b = x.mul(x);
		const c = b.transpose(0, 1);
		c.select(0, 1).mul_(k);
		b.reshape([6]).narrow(0, 2, 2).copy_(k.exp());
		c.narrow(0, 0, 2).div_(k.square().add(1));
		b.add_(x.sin(), { alpha: 0.5 });
		const d = plain(2, 2);
		d.diagonal().copy_(k);
		d.select(1, 0).sub_(k.mul(k));
		d.slice(1, 0, 2, 2).add_(k.sum(), { alpha: 3 });
		const e = plain(3, 2).copy_(k);
		e.unsqueeze(0).flatten(0, 1).select(0, 1).fill_(k.prod());
		return [b.sum(1).add(d.prod(1)), c.square(), e.mul(k)];
	};
	const x = tensor([0.5, 1.5, -0.7, 0.3, 0.9, 1.1], { shape: [2, 3], dtype: 'float64' }).requiresGrad_();
	const k = leaf(0.7, 1.3);
	assert.ok(await gradcheck((...inputs) => program(inputs[0]!, inputs[1]!), [x, k], { name: 'program' }));
	assert.ok(await gradgradcheck((...inputs) => program(inputs[0]!, inputs[1]!), [x, k], { name: 'program' }));
});

test('views of a base with permuted strides have the right gradients', async () => {
	// detach() makes the transposed tensor a base; a transpose of that can be reshaped without a copy.
	const w = leaf(1, 2, 3);
	const base = tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3], dtype: 'float64' })
		.transpose(0, 1)
		.detach();
	base.add_(w.unsqueeze(1));
	base.transpose(0, 1).reshape([6]).narrow(0, 0, 3).mul_(w);
	const weights = tensor([1, 10, 100, 1000, 10000, 100000], { shape: [3, 2], dtype: 'float64' });
	// Column 0 is (i + w) w, column 1 is i + w.
	assert.equal(await gradients(base.mul(weights).sum(), w), [[10 + 3, 1000 + 100 * 6, 100000 + 10000 * 9]]);
});

test('gradients come back in the dtype and shape of the source', async () => {
	const wide = leaf(1, 2);
	const narrow = tensor([3, 4], { requiresGrad: true });
	const target = zeros([3, 2]);
	target.copy_(wide).mul_(narrow);
	target.sum().backward();
	assert.is(wide.grad!.dtype, 'float64');
	assert.equal(await wide.grad!.toArray(), [9, 12]);
	assert.is(narrow.grad!.dtype, 'float32');
	assert.equal(await narrow.grad!.toArray(), [3, 6]);
	assert.not(zeros([2], { dtype: 'int32' }).copy_(wide).requiresGrad);
});

test('a source that overlaps its target is read first, also in the gradient', async () => {
	const x = leaf(1, 2, 3);
	const y = x.mul(1);
	y.narrow(0, 0, 2).copy_(y.narrow(0, 1, 2));
	assert.equal(await gradients(y.mul(tensor([1, 10, 100], { dtype: 'float64' })).sum(), x), [[0, 1, 110]]);
});

test('operations that saved the old elements throw, and others do not', async () => {
	const x = leaf(1, 2);
	const y = x.exp();
	y.mul_(2);
	assert.throws(() => y.sum().backward(), /'exp' saved a tensor of shape \[2\] that 'mul_' has overwritten since/);
	const row = x.exp();
	row.narrow(0, 0, 1).add_(1);
	assert.throws(() => row.sum().backward(), /'exp' saved .* 'add_' has overwritten since/);
	const own = x.mul(1);
	own.mul_(own);
	assert.throws(() => own.sum().backward(), /'mul_' saved .* 'mul_' has overwritten since/);
	assert.equal(await gradients(x.mul(2).add_(1).div_(4).sum(), x), [[0.5, 0.5]]);
	const unrecorded = x.mul(2);
	noGrad(() => unrecorded.add_(1));
	assert.equal(await unrecorded.toArray(), [3, 5]);
	assert.equal(await gradients(unrecorded.square().sum(), x), [[12, 20]]);
});

test('leaves that require a gradient, and views of them, throw outside noGrad', () => {
	const x = leaf(1, 2);
	const refusal = (what: string) => new RegExp(`: the tensor is ${what} that requires a gradient. Write to it under noGrad`);
	assert.throws(() => x.add_(1), refusal('a leaf'));
	assert.throws(() => x.narrow(0, 0, 1).fill_(1), refusal('a view of a leaf'));
	assert.throws(() => x.reshape([2, 1]).transpose(0, 1).zero_(), refusal('a view of a leaf'));
	const base = plain(2, 2);
	const before = base.select(0, 0);
	assert.throws(() => base.select(0, 1).requiresGrad_().zero_(), refusal('a leaf'));
	base.requiresGrad_();
	assert.not(before.requiresGrad);
	assert.throws(() => before.add_(x), refusal('a view of a leaf'));
	noGrad(() => before.add_(x));
	assert.throws(() => base.add_(x).requiresGrad_(false), refusal('a leaf'));
	assert.throws(() => plain(2).add_(x).requiresGrad_(false), /requiresGrad_: only a leaf .* the result of 'add_'/);
});

test('a write into one of several views throws, and such a view is unusable after its base was written', async () => {
	const x = leaf(1, 2);
	const [part] = x.mul(1).chunk(2) as [Tensor];
	const refusal = /the tensor is one of several views that one operation returned. Use narrow\(\) or select\(\)/;
	assert.throws(() => part.add_(1), refusal);
	const [plainPart] = plain(2, 2).split(1) as [Tensor];
	assert.throws(() => plainPart.copy_(x), refusal);
	assert.throws(() => plainPart.select(0, 0).copy_(x), refusal);
	assert.equal(await plainPart.add_(1).toArray(), [[1, 1]]);
	const y = x.mul(3);
	const [first] = y.split(1) as [Tensor];
	y.mul_(2);
	assert.ok(first.requiresGrad && !first.isLeaf);
	assert.throws(
		() => first.sin(),
		/sin: the tensor of shape \[1\] is one of several views .* 'mul_' has written into its memory/,
	);
});

test('a recorded write into a view made under noGrad throws', async () => {
	const x = leaf(1, 2);
	const y = x.mul(3);
	const view = noGrad(() => y.narrow(0, 0, 1));
	const refusal = /the tensor is a view that was made under noGrad. Make the view and write both under noGrad, or both outside/;
	assert.throws(() => view.mul_(2), refusal);
	assert.throws(() => noGrad(() => plain(2, 2).select(0, 0)).add_(x), refusal);
	assert.throws(() => noGrad(() => x.narrow(0, 0, 1)).add_(1), refusal);
	assert.equal(
		await noGrad(() => plain(2, 2).select(0, 0))
			.add_(1)
			.toArray(),
		[1, 1],
	);
	y.mul_(2);
	assert.throws(() => view.sin(), /sin: .* is a view that was made under noGrad, and 'mul_' has written into its memory since/);
	assert.equal(await noGrad(() => view.mul(1)).toArray(), [6]);
});

test('writes into expanded targets and views of expanded bases throw', () => {
	const x = leaf(1, 2);
	assert.throws(() => plain(1, 2).expand([3, 2]).add_(x), /add_: the tensor of shape \[3, 2\] is expanded/);
	assert.throws(() => plain(1, 2).expand([3, 2]).detach().select(0, 0).add_(x), /add_: the tensor of shape \[3, 2\] is expanded/);
});

test('a customOp result that shares memory with an input throws', () => {
	const same = customOp({ name: 'same', forward: (_context, x: Tensor) => x, backward: (_context, gradient) => gradient });
	const y = leaf(1, 2).mul(1);
	assert.throws(() => same(y).add_(1), /add_: the tensor is a result of a customOp that shares memory/);
	const shared = same(y);
	y.add_(1);
	assert.throws(() => shared.sin(), /sin: .* a customOp that shares memory .* 'add_' has written/);
	const copied = customOp({
		forward: (_context, x: Tensor) => x.reshape([2, 1]).clone(),
		backward: (_context, g) => g.reshape([2]),
	});
	assert.ok(copied(y).add_(1).requiresGrad);
	const twice = customOp({
		forward: (_context, x: Tensor) => {
			const whole = x.mul(2);
			return [whole, whole.narrow(0, 0, 1)] as const;
		},
		backward: (_context, g) => g.mul(2),
	});
	assert.throws(() => twice(y)[1].add_(1), /a customOp that shares memory/);
});

test('detach() shares the memory but not the history', async () => {
	const x = leaf(1, 2);
	const y = x.mul(2);
	const detached = y.detach();
	detached.add_(x);
	assert.equal(await y.toArray(), [3, 6]);
	assert.equal(await gradients(y.sum(), x), [[2, 2]]);
	assert.equal(await gradients(detached.sum(), x), [[1, 1]]);
});

test('retainGrad follows the tensor, and hooks stay with the value', async () => {
	const x = leaf(1, 2);
	const y = x.mul(3).retainGrad();
	const seen: Record<string, Tensor> = {};
	y.registerHook((gradient) => void Object.assign(seen, { before: keep(gradient) }));
	y.mul_(2);
	y.registerHook((gradient) => void Object.assign(seen, { after: keep(gradient) }));
	y.square().sum().backward();
	assert.equal(await y.grad!.toArray(), [12, 24]);
	assert.equal(await seen.before!.toArray(), [24, 48]);
	assert.equal(await seen.after!.toArray(), [12, 24]);
	const base = x.mul(1);
	const view = base.narrow(0, 0, 1).retainGrad();
	const old = view.mul(5);
	view.mul_(7);
	view.square().sum().add(old.sum()).backward();
	assert.equal(await view.grad!.toArray(), [14]);
});

test('a hook may write into the gradient, also if that is recorded', async () => {
	const x = leaf(2);
	const y = x.square();
	const hook = y.registerHook((gradient) => void gradient.mul_(3));
	const [first] = grad(y.square().sum(), [x], { createGraph: true });
	hook.remove();
	// 3 * d(x^4)/dx, and its derivative.
	assert.equal(await first!.toArray(), [96]);
	assert.equal(await gradients(first!.sum(), x), [[144]]);
});

test('a graph lives as long as a written tensor needs it', async () => {
	const x = leaf(1, 2);
	const total = plain();
	const rows = plain(2, 2);
	const row = rows.select(0, 1);
	const before = memory().tensors;
	for (let i = 0; i < 3; i++) {
		tidy(() => {
			tidy(() => void total.add_(x.exp().sum()));
			rows.select(0, 0).copy_(x.exp());
			row.add_(x.sin());
			row.mul(2);
		});
	}
	assert.is(memory().tensors, before);
	assert.equal(await gradients(total, x), [[1, 2].map((value) => 3 * Math.exp(value))]);
	const [found] = await gradients(rows.sum(), x);
	for (const [i, value] of [1, 2].entries()) assert.ok(Math.abs(found![i]! - Math.exp(value) - 3 * Math.cos(value)) < 1e-12);
	// A view that receives a write inside a tidy survives it, too.
	const others = plain(2, 2).add_(1);
	const late = others.select(0, 0);
	tidy(() => {
		others.mul_(x);
		late.sin();
	});
	assert.equal(await gradients(late.sum(), x), [[1, 1]]);
	// Tensors that only second derivatives read raise the same error.
	const second = tidy(() => {
		const inside = x.mul(1).mul(1);
		inside.narrow(0, 0, 1).mul_(x.narrow(0, 0, 1).exp());
		return grad(inside.sum(), [x], { createGraph: true })[0]!;
	});
	assert.ok(Math.abs((await gradients(second.sum(), x))[0]![0]! - 3 * Math.E) < 1e-12);
	// Gradients with createGraph are kept, and so is their graph.
	tidy(() => x.exp().sum().backward(null, { createGraph: true }));
	assert.equal(await gradients(x.grad!.sum(), x), [[1, 2].map(Math.exp)]);
});

test('graphs written and abandoned inside a tidy are freed', async () => {
	const x = leaf(1, 2);
	const before = memory().tensors;
	const { storage } = tidy(() => {
		const inside = plain(2, 2);
		inside.select(0, 0).copy_(x.exp());
		const saved = x.exp();
		inside.mul_(saved);
		return { storage: saved.storage };
	});
	assert.is(memory().tensors, before);
	assert.is(storage.claims.references, 0);
});

test('checkpoint: writes inside its function have the right gradient, and overwritten inputs throw', async () => {
	const x = leaf(0.5, 1.5);
	const block = (input: Tensor) => {
		const sum = plain(2);
		sum.add_(input.exp());
		sum.narrow(0, 0, 1).mul_(input.narrow(0, 1, 1));
		return sum.mul(input);
	};
	assert.equal(await gradients(checkpoint(block, x).sum(), x), await gradients(block(x).sum(), x));
	assert.ok(await gradgradcheck((input) => checkpoint(block, input!), [x], { name: 'block' }));
	const y = x.mul(1);
	const written = checkpoint((input) => input.mul_(2).exp(), y);
	assert.throws(() => written.sum().backward(), /checkpoint: its input, of shape \[2\], was overwritten by 'mul_'/);
	const later = checkpoint((input) => input.mul(2).exp(), x);
	noGrad(() => x.add_(1));
	assert.throws(() => later.sum().backward(), /checkpoint: its input, of shape \[2\], was overwritten by 'add_'/);
	const saved = checkpoint((input) => input.exp().mul_(2), x);
	assert.throws(() => saved.sum().backward(), /checkpoint: a tensor that the function uses, .* was overwritten by 'mul_'/);
});

test('detectAnomaly names the in-place operation that first went wrong', async () => {
	const x = leaf(1, 2);
	const message = async (fn: () => unknown) => {
		try {
			await detectAnomaly(fn);
		} catch (error) {
			return (error as Error).message;
		}
		return '';
	};
	assert.match(
		await message(() =>
			ones([2])
				.div_(zeros([2]))
				.mul(2),
		),
		/'div_' first produced a NaN or an infinity/,
	);
	assert.match(
		await message(() => plain(2).add(1).div_(x.sub(x)).sum().backward()),
		/'div_' first produced a NaN or an infinity/,
	);
});

test('functions of functional.ts may write into a recorded input', async () => {
	const x = leaf(1, 2);
	const y = x.mul(2);
	const [, product] = vjp((input) => input.mul_(3).square(), y, tensor([1, 1], { dtype: 'float64' }), { createGraph: true });
	assert.equal(await product.toArray(), [12, 24]);
	assert.equal(await gradients(y.sum(), x), [[6, 6]]);
});

/** Operations that may return a view, as in PyTorch; `dropout` and `to` may return the input itself. */
const VIEWS =
	'reshape view permute transpose movedim squeeze unsqueeze expand broadcastTo flatten unflatten narrow select slice diagonal split chunk meshgrid contiguous einsum detach index t swapaxes unbind';

test('only views share memory with an input, and the tape knows their base', () => {
	for (const entry of Object.values(families).flat()) {
		for (const sample of entry.samples) {
			if (sample.inputs.some(({ shape }) => shape.reduce((size, dim) => size * dim, 1) > 500)) continue;
			const inputs = makeInputs(entry, sample, 'cpu', 'float64');
			const outputs = [entry.call(inputs, sample.options ?? {})].flat() as Tensor[];
			for (const output of outputs) {
				const sharing = inputs.find((input) => input !== output && input.storage === output.storage);
				if (sharing === undefined || inputs.includes(output)) continue;
				assert.ok(VIEWS.split(' ').includes(entry.name), `${entry.name} (${sample.label}) shares memory with its input`);
				if (entry.name === 'detach') continue;
				assert.ok(output.viewing !== null, `${entry.name} (${sample.label}) shares memory unknown to the tape`);
				assert.is(output.viewing!.base.storage, sharing.storage);
			}
			for (const [i, output] of outputs.entries()) {
				const twin = outputs.slice(0, i).find((other) => other.storage === output.storage);
				assert.ok(twin === undefined || output.viewing !== null, `${entry.name} (${sample.label}): two results share memory`);
			}
		}
	}
});

test.run();
