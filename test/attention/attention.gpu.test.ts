/** Properties of attention beyond the operation database: memory, repeatability, dropout on both devices, launches. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	type Device,
	eye,
	grad,
	init,
	manualSeed,
	memory,
	profile,
	randn,
	scaledDotProductAttention,
	sync,
	type Tensor,
	tensor,
	tidy,
	zeros,
} from 'wgrad';
import { requireClose } from '../proofs/compare';

test.before(async () => {
	await init({ device: 'webgpu' });
});

function inputs(shape: readonly number[], device: Device = 'webgpu'): [Tensor, Tensor, Tensor] {
	const [q, k, v] = [0, 1, 2].map(() => randn(shape, { device }).requiresGrad_()) as [Tensor, Tensor, Tensor];
	return [q, k, v];
}

test('2,048 queries and keys, forward and backward, take at most 1.2 times the memory of the tensors and their gradients', async () => {
	const shape = [1, 4, 2048, 64];
	await sync();
	const before = memory().gpu!.live;
	const operands = inputs(shape);
	const gradient = randn(shape);
	const output = scaledDotProductAttention(...operands, { isCausal: true });
	const gradients = grad(output, operands, { gradOutputs: gradient });
	// Reads every gradient, so that nothing that runs later can take more memory.
	for (const tensor of gradients) await tensor!.sum().item();
	const tensors = 8 * 4 * 4 * 2048 * 64;
	const { live, peak } = memory().gpu!;
	assert.ok(
		peak - before <= 1.2 * tensors,
		`the peak is ${peak - before} bytes, for ${tensors} of tensors; ${live - before} stay`,
	);
});

test('forward and backward give the same bits every time, with dropout', async () => {
	manualSeed(11);
	const operands = inputs([2, 2, 50, 16]);
	const gradient = randn([2, 2, 50, 16]);
	const run = async () => {
		manualSeed(12);
		const output = scaledDotProductAttention(...operands, { dropoutP: 0.3 });
		const gradients = grad(output, operands, { gradOutputs: gradient });
		return Promise.all([output, ...gradients].map((tensor) => tensor!.data()));
	};
	const [first, second] = [await run(), await run()];
	for (const [i, values] of first.entries()) assert.equal(second[i], values);
});

test('dropout drops the same weights on both devices, at about the requested rate', async () => {
	const outcomes = [];
	for (const device of ['cpu', 'webgpu'] as const) {
		// Zero queries attend to all keys equally, and identity values show the weights.
		const queries = zeros([1, 1, 40, 40], { device });
		const identity = eye(40, 40, { device }).reshape([1, 1, 40, 40]);
		manualSeed(14);
		const weights = await scaledDotProductAttention(queries, queries, identity, { dropoutP: 0.25 }).data();
		const kept = Array.from(weights).filter((weight) => weight !== 0);
		assert.ok(Math.abs(kept.length / 1600 - 0.75) < 0.04, `${kept.length} of 1600 weights are left`);
		outcomes.push(weights);
	}
	requireClose('weights', outcomes[1]!, outcomes[0]!, { relative: 1e-6, absolute: 0 });
});

test('a NaN in a query or in a mask gives NaN there, forward and backward, and nowhere else', async () => {
	for (const masked of [false, true]) {
		const results: ArrayLike<number>[][] = [];
		for (const device of ['cpu', 'webgpu'] as const) {
			manualSeed(13);
			const [q, k, v] = inputs([1, 2, 5, 16], device);
			const gradOutputs = randn([1, 2, 5, 16], { device });
			const place = tensor([0, 0, Number.NaN, 0, 0], { shape: [5, 1], device });
			const output = scaledDotProductAttention(masked ? q : q.add(place), k, v, { attnMask: masked ? place : null });
			const gradients = grad(output, [q, k, v], { gradOutputs });
			results.push(await Promise.all([output, ...gradients].map((x) => x.data())));
		}
		const [expected, found] = results as [ArrayLike<number>[], ArrayLike<number>[]];
		for (const [i, values] of found.entries())
			requireClose(`tensor ${i}, masked ${masked}`, values, expected[i]!, { relative: 1e-4, absolute: 1e-5 });
		assert.is(Array.from(found[0]!).filter(Number.isNaN).length, 2 * 16);
	}
});

test('forward is one launch and backward three', async () => {
	const operands = inputs([1, 2, 33, 16]);
	const gradient = randn([1, 2, 33, 16]);
	const { rows } = await profile(() =>
		tidy(() => {
			grad(scaledDotProductAttention(...operands, { isCausal: true }), operands, { gradOutputs: gradient });
		}),
	);
	assert.is(
		rows.reduce((sum, { launches }) => sum + launches, 0),
		4,
	);
});

test('a float16 mask excludes by -Infinity, adds finite values, and keeps NaN', async () => {
	const masks = [Number.NEGATIVE_INFINITY, 0, -65504, 0, 0, Number.NaN, 1, 0];
	const half = (data: readonly number[], shape: readonly number[]) => tensor(data, { shape, dtype: 'float16' });
	try {
		half([0], [1]).dispose();
	} catch {
		console.log('this adapter has no float16');
		return;
	}
	const [q, k, v] = [half([1, 1, 1, 1], [1, 1, 4, 1]), half([0, 0], [1, 1, 2, 1]), half([3, 2], [1, 1, 2, 1])];
	const output = await scaledDotProductAttention(q, k, v, { attnMask: half(masks, [1, 1, 4, 2]) }).data();
	const shares = (3 * Math.E + 2) / (Math.E + 1);
	requireClose('float16 mask', output, [2, 2, Number.NaN, shares], { relative: 2 ** -10, absolute: 0 });
});

test.run();
