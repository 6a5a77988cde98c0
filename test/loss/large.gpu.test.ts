/**
 * Losses of logits far from 0. A shift of all logits of a row changes neither loss nor gradient. So logits that float32
 * represents exactly must give the same results as the same differences near 0.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	binaryCrossEntropyWithLogits,
	crossEntropy,
	type Device,
	type DType,
	grad,
	init,
	logsumexp,
	scaledDotProductAttention,
	type Tensor,
	tensor,
} from 'wgrad';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';

test.before(async () => {
	await init({ device: 'webgpu' });
});

const DEVICES = ['cpu', 'webgpu'] as const;

/** Levels, each with a step that float32 represents exactly there. */
const LEVELS: readonly (readonly [level: number, step: number])[] = [
	[1e4, 2 ** -4],
	[-1e6, 0.25],
	[1e8, 8],
	[-1e8, 8],
	[2 ** 127, 2 ** 104],
];

interface Case {
	readonly label: string;
	readonly shape: readonly number[];
	readonly options?: { readonly labelSmoothing?: number; readonly ignoreIndex?: number };
	readonly weighted?: boolean;
}

const CASES: readonly Case[] = [
	{ label: 'a row', shape: [5] },
	{ label: 'rows', shape: [3, 5] },
	{ label: 'smoothed', shape: [3, 5], options: { labelSmoothing: 0.1 } },
	{
		label: 'positions, weighted and ignored',
		shape: [2, 5, 3],
		options: { labelSmoothing: 0.2, ignoreIndex: 1 },
		weighted: true,
	},
	{ label: 'many classes', shape: [65, 300], options: { labelSmoothing: 0.1 } },
	{ label: 'many rows', shape: [3000, 6] },
];

/** Logits a few whole steps above the level, most of them 0 steps, so that no class dominates the softmax. */
function logits(shape: readonly number[], level: number, step: number, dtype: DType, device: Device): Tensor {
	const next = stream(`large ${shape}`);
	const size = shape.reduce((a, b) => a * b, 1);
	const values = Array.from({ length: size }, () => level + step * Math.max(0, Math.floor(next() * 8) - 5));
	return tensor(values, { shape, dtype, device }).requiresGrad_();
}

async function deviceLossOf(given: Case, reduction: 'mean' | 'sum' | 'none', x: Tensor): Promise<ArrayLike<number>[]> {
	const { shape, options, weighted } = given;
	const classes = shape[shape.length === 1 ? 0 : 1]!;
	const rows = shape.length === 1 ? [] : [shape[0]!, ...shape.slice(2)];
	const count = rows.reduce((a, b) => a * b, 1);
	const { device, dtype } = x;
	const target = tensor(
		Array.from({ length: count }, (_, i) => (i * 7 + 2) % classes),
		{ shape: rows, dtype: 'int32', device },
	);
	const weight = weighted ? tensor([0.5, 1, 2, 0.25, 1.5], { dtype, device }) : null;
	const call = () => crossEntropy(x, target, { ...options, reduction, weight });
	const found: ArrayLike<number>[] = [await call().data()];
	for (const createGraph of [false, true]) {
		const [slope] = grad(call().sum(), [x], { createGraph });
		found.push(await slope!.data());
		if (!createGraph || count > 100) continue;
		const factors = tensor(
			Array.from({ length: x.size }, (_, i) => Math.cos(i)),
			{ shape, dtype, device },
		);
		found.push(await grad(slope!.mul(factors).sum(), [x])[0]!.data());
	}
	return found;
}

for (const device of DEVICES) {
	for (const given of CASES) {
		test(`cross-entropy of large logits: ${given.label}, on ${device}`, async () => {
			const levels = given.shape.length === 2 && given.shape[0]! > 3 ? LEVELS.slice(2, 3) : LEVELS;
			for (const [level, step] of levels) {
				for (const reduction of ['mean', 'sum', 'none'] as const) {
					const expected = await deviceLossOf(given, reduction, logits(given.shape, 0, step, 'float64', 'cpu'));
					const actual = await deviceLossOf(given, reduction, logits(given.shape, level, step, 'float32', device));
					expected.forEach((values, i) => {
						requireClose(`${level}, ${reduction}, result ${i}`, actual[i]!, values, { relative: 1e-5, absolute: 2e-7 });
					});
				}
			}
		});
	}

	test(`the gradient of logsumexp of large numbers, on ${device}`, async () => {
		for (const [level, step] of LEVELS) {
			for (const dim of [[1], [0, 2], [0, 1, 2]]) {
				const found = await Promise.all(
					([0, level] as const).map(async (origin, i) => {
						const x = logits([3, 4, 5], origin, step, i === 0 ? 'float64' : 'float32', i === 0 ? 'cpu' : device);
						return grad(logsumexp(x, dim).sum(), [x])[0]!.data();
					}),
				);
				requireClose(`${level}, dim ${dim}`, found[1]!, found[0]!, { relative: 1e-5, absolute: 1e-7 });
			}
		}
	});

	test(`attention's weights add up to 1 in its gradients for any scores, on ${device}`, async () => {
		for (const size of [3, 24, 48, 100]) {
			for (const level of [30, 300, 1000]) {
				for (const equal of [true, false]) {
					const rows = (name: string, count: number) => {
						const next = stream(`${name} ${size}`);
						const values = Array.from({ length: count * size }, () => Math.fround(level * (equal ? 1.0123 : 2 * next() - 1)));
						return tensor(values, { shape: [1, 1, count, size], device }).requiresGrad_();
					};
					const [q, k, v] = [rows('q', 5), rows('k', 7), rows('v', 7)];
					const [dv] = grad(scaledDotProductAttention(q, k, v).sum(), [v]);
					const sums = await dv!.sum(-2).data();
					requireClose(`size ${size}, level ${level}, equal ${equal}`, sums, new Array<number>(size).fill(5), {
						relative: 2e-6,
						absolute: 0,
					});
				}
			}
		}
	});

	test(`binary cross-entropy keeps the digits of small losses, on ${device}`, async () => {
		const x = tensor([-20, -40, 20, 40, -1e8, 1e8], { device });
		const target = tensor([0, 0, 1, 1, 0, 1], { device });
		const expected = [Math.exp(-20), Math.exp(-40), Math.exp(-20), Math.exp(-40), 0, 0];
		const plain = await binaryCrossEntropyWithLogits(x, target, { reduction: 'none' }).data();
		requireClose('plain', plain, expected, { relative: 1e-5, absolute: 0 });
		const posWeight = tensor([3], { device });
		const weighted = await binaryCrossEntropyWithLogits(x, target, { reduction: 'none', posWeight }).data();
		requireClose(
			'posWeight',
			weighted,
			expected.map((loss, i) => (i === 2 || i === 3 ? 3 * loss : loss)),
			{ relative: 1e-5, absolute: 0 },
		);
	});
}

test('logits at the ends of float32 have a loss', async () => {
	for (const device of DEVICES) {
		const x = tensor([3.4e38, 3.4e38, -3.4e38, -3.4e38], { shape: [2, 2], device }).requiresGrad_();
		const loss = crossEntropy(x, tensor([0, 1], { dtype: 'int32', device }));
		assert.is(await loss.item(), Math.fround(Math.LN2));
		assert.equal(await grad(loss, [x])[0]!.toArray(), [
			[-0.25, 0.25],
			[0.25, -0.25],
		]);
	}
});

test.run();
