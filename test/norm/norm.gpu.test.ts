/** Normalisation beyond the database: running statistics over steps, inputs far from 0, and large channels. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	batchNorm,
	type Device,
	full,
	grad,
	groupNorm,
	init,
	instanceNorm,
	layerNorm,
	ones,
	softmax,
	std,
	type Tensor,
	tensor,
	var as variance,
	zeros,
} from 'wgrad';
import { stream } from '../ops/database';
import { hasFloat16 } from '../proofs/half';
import { roundToHalf } from '../random/draw';

test.before(async () => {
	await init({ device: 'webgpu' });
});

function onBoth(name: string, run: (device: Device) => Promise<void>): void {
	for (const device of ['cpu', 'webgpu'] as const) test(`${name} on ${device}`, () => run(device));
}

function random(seed: string, shape: readonly number[], device: Device, offset = 0): Tensor {
	const next = stream(seed);
	const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround(offset + next() * 2 - 1));
	return tensor(values, { shape, device });
}

function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
	for (let i = 0; i < expected.length; i++) {
		assert.ok(Math.abs(actual[i]! - expected[i]!) <= tolerance, `element ${i}: ${actual[i]} instead of ${expected[i]}`);
	}
}

onBoth('running statistics follow the batches, in place', async (device) => {
	const runningMean = zeros([2], { device });
	const runningVar = ones([2], { device });
	const expected = { mean: [0, 0], variance: [1, 1] };
	for (let step = 0; step < 3; step++) {
		const x = random(`step ${step}`, [4, 2, 3], device);
		batchNorm(x, { runningMean, runningVar, training: true, momentum: 0.25 });
		const values = await x.data();
		for (const c of [0, 1]) {
			const own = Array.from(values).filter((_, i) => Math.floor(i / 3) % 2 === c);
			const average = own.reduce((a, b) => a + b) / 12;
			const spread = own.reduce((a, b) => a + (b - average) ** 2, 0) / 11;
			expected.mean[c]! += 0.25 * (average - expected.mean[c]!);
			expected.variance[c]! += 0.25 * (spread - expected.variance[c]!);
		}
	}
	close(await runningMean.data(), expected.mean, 1e-6);
	close(await runningVar.data(), expected.variance, 1e-6);
});

onBoth('running statistics of instances are averages over the batch', async (device) => {
	const runningMean = zeros([1], { device });
	const runningVar = zeros([1], { device });
	instanceNorm(tensor([1, 3, 10, 14], { shape: [2, 1, 2], device }), { runningMean, runningVar, momentum: 0.5 });
	close(await runningMean.data(), [(2 + 12) / 2 / 2], 1e-6);
	close(await runningVar.data(), [(2 + 8) / 2 / 2], 1e-6);
});

test('rows far from 0 keep their digits', async () => {
	const shape = [3, 257];
	const far = layerNorm(random('far', shape, 'webgpu', 4096), 257);
	const reference = layerNorm(random('far', shape, 'cpu', 4096), 257);
	close(await far.data(), await reference.data(), 2e-6);
});

onBoth('equal elements far from 0 deviate by nothing', async (device) => {
	for (const level of [100.1, 1000.1, 10000.1, 100000.1, 1000000.3, -77777.7]) {
		for (const shape of [
			[3, 5, 7, 9],
			[2, 4, 8, 8],
			[300, 12],
			[2, 3, 200, 201],
		]) {
			// The large one takes seconds on the host.
			if (device === 'cpu' && shape.at(-1) === 201) continue;
			const x = full(shape, level, { device }).requiresGrad_();
			const [runningMean, runningVar] = [zeros([shape[1]!], { device }), zeros([shape[1]!], { device })];
			const norms = [
				batchNorm(x, { runningMean, runningVar, training: true, momentum: 1 }),
				layerNorm(x, shape.slice(1)),
				groupNorm(x, 1),
				...(shape.length > 2 ? [instanceNorm(x)] : []),
			];
			for (const y of norms) assert.is(await y.abs().max().item(), 0, `${level}, ${shape}, ${y.edge?.node.operation}`);
			assert.is(await runningMean.sub(Math.fround(level)).abs().max().item(), 0);
			assert.ok((await runningVar.max().item()) <= 1e-7);
			const reductions = [undefined, 0, 1, -1, [0, 1], [0, -1]];
			for (const dim of shape.at(-1) === 201 ? reductions.slice(0, 2) : reductions) {
				for (const moment of [variance, std]) {
					const y = moment(x, dim);
					assert.is(await y.abs().max().item(), 0, `${moment.name} of ${level}, ${shape} over ${dim}`);
					assert.is(await grad(y.sum(), [x])[0]!.abs().max().item(), 0, `its gradient`);
				}
			}
		}
	}
});

type Norm = (x: Tensor, options: { weight: Tensor; bias: Tensor }) => Tensor;

const NORMS: Readonly<Record<string, Norm>> = {
	batchNorm: (x, options) => batchNorm(x, { ...options, training: true }),
	instanceNorm,
	groupNorm: (x, options) => groupNorm(x, 2, options),
	layerNorm: (x, options) => layerNorm(x.transpose(1, 3), x.shape[1]!, options).transpose(1, 3),
};

/** y, the gradients of x, weight and bias in both forms, and the gradients of the gradient of x. */
async function normed(norm: Norm, x: Tensor): Promise<{ what: string; data: ArrayLike<number> }[]> {
	const { device, dtype, shape } = x;
	const channels = shape[1]!;
	const like = (seed: string, size: readonly number[], offset = 0) =>
		random(seed, size, device, offset).to(dtype).detach().requiresGrad_();
	const [weight, bias, gradient] = [like('weight', [channels], 2), like('bias', [channels]), like('gradient', shape)];
	const results: { what: string; tensor: Tensor }[] = [];
	for (const createGraph of [false, true]) {
		const y = norm(x, { weight, bias });
		const form = createGraph ? 'recorded' : 'fused';
		const found = grad(y, [x, weight, bias], { gradOutputs: gradient, createGraph });
		results.push({ what: 'y', tensor: y });
		for (const [i, name] of ['x', 'weight', 'bias'].entries())
			results.push({ what: `${form} gradient of ${name}`, tensor: found[i]! });
		if (!createGraph) continue;
		const again = grad(found[0]!, [x, weight], { gradOutputs: like('again', shape) });
		for (const [i, name] of ['x', 'weight'].entries()) results.push({ what: `second gradient of ${name}`, tensor: again[i]! });
	}
	return Promise.all(results.map(async ({ what, tensor }) => ({ what, data: await tensor.detach().data() })));
}

/** Checks elements at the level and up to `steps` float32 steps above it; their mean may lie between two floats. */
async function checkNear(device: Device, level: number, shape: readonly number[], steps: number): Promise<void> {
	const next = stream(`near ${level} ${shape}`);
	const step = 2 ** (Math.floor(Math.log2(level)) - 23);
	const start = Math.fround(level);
	const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => start + step * Math.round(next() * steps));
	for (const [name, norm] of Object.entries(NORMS)) {
		const of = (dtype: 'float32' | 'float64', where: Device) =>
			normed(norm, tensor(values, { shape, dtype, device: where }).requiresGrad_());
		const [actual, expected] = await Promise.all([of('float32', device), of('float64', 'cpu')]);
		for (const [i, { what, data }] of expected.entries()) {
			let [off, largest] = [0, 1];
			for (let j = 0; j < data.length; j++) {
				off = Math.max(off, Math.abs(actual[i]!.data[j]! - data[j]!));
				largest = Math.max(largest, Math.abs(data[j]!));
			}
			assert.ok(off <= 4e-6 * largest, `${name} near ${level}, ${shape}: ${what} is off by ${off} of ${largest}`);
		}
	}
}

onBoth('gradients of equal elements far from 0 are those of float64', async (device) => {
	for (const level of [100.1, 1000.1, 100000.1]) await checkNear(device, level, [3, 4, 5, 7], 0);
});

onBoth('gradients of nearly equal elements far from 0 are those of float64', async (device) => {
	for (const level of [100.1, 1000.1, 100000.1]) {
		await checkNear(device, level, [3, 4, 5, 7], 1);
		await checkNear(device, level, [5, 4, 3, 2], 40);
	}
});

interface Statistics {
	readonly runningMean: Tensor;
	readonly runningVar: Tensor;
	readonly momentum: number;
}

test('running statistics of float16 are rounded once', async () => {
	if (!hasFloat16()) return;
	const next = stream('half statistics');
	const values = roundToHalf(Array.from({ length: 4 * 2 * 9 }, () => 30 + 8 * next()));
	const old = roundToHalf([29.3, 31.7]);
	const tracked = async (device: Device, dtype: 'float16' | 'float64', norm: (x: Tensor, options: Statistics) => Tensor) => {
		const [runningMean, runningVar] = [tensor(old, { device, dtype }), tensor(old, { device, dtype })];
		const x = tensor(values, { shape: [4, 2, 9], device, dtype });
		norm(x, { runningMean, runningVar, momentum: 0.3 });
		return [...(await runningMean.data()), ...(await runningVar.data())];
	};
	const norms = [instanceNorm, (x: Tensor, options: Statistics) => batchNorm(x, { ...options, training: true })];
	for (const norm of norms) {
		const [actual, expected] = await Promise.all([tracked('webgpu', 'float16', norm), tracked('cpu', 'float64', norm)]);
		for (const [i, value] of expected.entries())
			assert.ok(Math.abs(actual[i]! - value) <= 2 ** -11 * 1.001 * value, `${actual[i]} instead of ${value}`);
	}
});

onBoth('a variance that is small beside the mean keeps its digits', async (device) => {
	// float32 represents the elements exactly, but not their mean.
	for (const [level, step] of [
		[1e6, 0.0625],
		[1e5, 0.0078125],
		[-3e4, 0.5],
	] as const) {
		const values = Array.from({ length: 7 * 334 }, (_, i) => level + step * ((i * 5) % 3));
		const exact = tensor(values, { shape: [7, 334], dtype: 'float64', device: 'cpu' });
		const x = tensor(values, { shape: [7, 334], device });
		for (const dim of [undefined, 0, 1]) {
			const [actual, expected] = [await variance(x, dim).data(), await variance(exact, dim).data()];
			for (let i = 0; i < expected.length; i++)
				assert.ok(Math.abs(actual[i]! / expected[i]! - 1) < 2e-5, `${actual[i]} ${expected[i]}`);
		}
	}
});

test('a channel of half a million elements, and its gradients', async () => {
	const shape = [2, 3, 300, 301];
	const results = (['cpu', 'webgpu'] as const).map((device) => {
		const x = random('large', shape, device).requiresGrad_();
		const weight = random('weight', [3], device, 2).requiresGrad_();
		const bias = random('bias', [3], device).requiresGrad_();
		const y = batchNorm(x, { weight, bias, training: true });
		return [y, ...grad(y, [x, weight, bias], { gradOutputs: random('gradient', shape, device) })];
	});
	const [expected, actual] = await Promise.all(results.map((list) => Promise.all(list.map((t) => t.data()))));
	for (const [i, tolerance] of [1e-5, 1e-5, 2e-3, 2e-3].entries()) close(actual![i]!, expected![i]!, tolerance);
});

test('results have the same bits every time', async () => {
	const x = random('bits', [130, 1000], 'webgpu');
	const once = await layerNorm(softmax(x, 1), 1000).data();
	assert.equal(await layerNorm(softmax(x, 1), 1000).data(), once);
});

test.run();
