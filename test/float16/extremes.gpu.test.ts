/**
 * float16 for operations with parts that would overflow, vanish or be rounded in float16 although the result is well within it.
 */
import { test } from 'uvu';
import {
	baddbmm,
	cosineEmbeddingLoss,
	cosineSimilarity,
	crossEntropy,
	embeddingBag,
	full,
	gaussianNllLoss,
	grad,
	huberLoss,
	indexAdd,
	init,
	localResponseNorm,
	logsumexp,
	mseLoss,
	multiMarginLoss,
	norm,
	normalize,
	pairwiseDistance,
	scaledDotProductAttention,
	std,
	type Tensor,
	tanhshrink,
	tensor,
	var as variance,
	zeros,
} from 'wgrad';
import { requireClose } from '../proofs/compare';
import { float16Present } from '../proofs/half';

let present = false;

test.before(async () => {
	await init({ device: 'webgpu' });
	present = float16Present();
});

function half(value: number, shape: number[]): Tensor {
	return full(shape, value, { dtype: 'float16', device: 'webgpu' });
}

function halves(values: number[], shape = [values.length]): Tensor {
	return tensor(values, { shape, dtype: 'float16', device: 'webgpu' });
}

const ids = (values: number[], shape = [values.length]) => tensor(values, { shape, dtype: 'int32', device: 'webgpu' });

async function requireHalf(name: string, actual: Tensor, expected: number[]): Promise<void> {
	if (actual.dtype !== 'float16') throw new Error(`${name}: ${actual.dtype} instead of float16`);
	requireClose(name, await actual.data(), expected, { relative: 2 ** -10, absolute: 2 ** -24 });
}

/** Calls by name, with their result: one number for all elements, or one for each. */
const CALLS: Readonly<Record<string, () => readonly [result: Tensor, expected: number | number[]]>> = {
	'cosineSimilarity of long vectors': () => [cosineSimilarity(half(10, [1, 768]), half(10, [1, 768])), 1],
	'cosineSimilarity of large vectors': () => [cosineSimilarity(half(300, [1, 8]), half(300, [1, 8])), 1],
	'cosineSimilarity of small vectors': () => [cosineSimilarity(half(1e-4, [1, 8]), half(1e-4, [1, 8])), 1],
	cosineEmbeddingLoss: () => [cosineEmbeddingLoss(half(40, [1, 64]), half(40, [1, 64]), half(-1, [1]), { reduction: 'none' }), 1],
	'embeddingBag, rows': () => [embeddingBag(zeros([1, 4000], { dtype: 'int32', device: 'webgpu' }), half(30, [2, 1])), 30],
	'embeddingBag, offsets': () => [
		embeddingBag(zeros([4000], { dtype: 'int32', device: 'webgpu' }), half(30, [2, 1]), { offsets: ids([0]) }),
		30,
	],
	localResponseNorm: () => [localResponseNorm(half(300, [1, 2, 1]), 5), 300 / (1 + (1e-4 / 5) * 2 * 90000) ** 0.75],
	'baddbmm with alpha': () => [
		baddbmm(half(1, [1, 1, 1]), half(30, [1, 1, 512]), half(30, [1, 512, 1]), { alpha: 1 / 1024 }),
		1 + (900 * 512) / 1024,
	],
	'multiMarginLoss, p 2': () => [
		multiMarginLoss(halves([0, 300, 0, 0, 0, 0, 0, 0], [1, 8]), ids([0]), { p: 2 }),
		(301 ** 2 + 6) / 8,
	],
	gaussianNllLoss: () => [gaussianNllLoss(half(300, [4]), half(0, [4]), half(1000, [4])), 0.5 * (Math.log(1000) + 90000 / 1000)],
	'mseLoss of which single losses overflow': () => [mseLoss(halves([300, 0, 0, 0]), half(0, [4])), 22500],
	'huberLoss of which products overflow': () => [huberLoss(half(400, [2]), half(0, [2]), { delta: 100 }), 35000],
	'pairwiseDistance of large differences': () => [pairwiseDistance(half(500, [1, 16]), half(0, [1, 16])), 2000],
	'normalize with p 3 of large numbers': () => [normalize(half(1000, [1, 8]), { p: 3 }), 0.5],
	'normalize of small numbers': () => [normalize(half(2 ** -14, [1, 16])), 0.25],
	'tanhshrink near 0': () => [tanhshrink(half(2 ** -4, [1])), 2 ** -4 - Math.tanh(2 ** -4)],
	'indexAdd with alpha': () => [indexAdd(half(1, [1]), 0, ids([0, 0]), halves([60000, -59968]), { alpha: 4 }), 129],
	'the gradient of norm with p 3': () => slopes([1000, 1000], (x) => norm(x, 0, { p: 3 }), 2 ** (-2 / 3)),
	'the gradient of normalize with p 3': () =>
		slopes([512, 256], (x) => normalize(x, { p: 3, dim: 0 }).select(0, 0), [
			1 / 8 / 512 / 1.125 ** (4 / 3),
			-1 / 4 / 512 / 1.125 ** (4 / 3),
		]),
	'the gradient of std': () => slopes([1000, -1000], (x) => std(x), [Math.SQRT1_2, -Math.SQRT1_2]),
	'the gradient of var of much': () =>
		slopes([300, -300], (x) => variance(x, 0, { correction: 0 }).mul(2 ** -6), [300 / 64, -300 / 64]),
	'the gradient of logsumexp of large numbers': () => slopes([60000, 60000], (x) => logsumexp(x, 0), 0.5),
	'the gradient of cross-entropy of large logits': () =>
		slopes([65000, 65000], (x) => crossEntropy(x, ids([1], [])), [0.5, -0.5]),
	'the gradient of a quotient': () => slopes([300, 300], (x) => half(300, [2]).div(x).sum(), -1 / 300),
	'the gradient of an angle': () => slopes([300, 300], (x) => half(300, [2]).atan2(x).sum(), -1 / 600),
	'the gradient of a factor that many share': () =>
		slopes([1], (x) => halves([60000, 60000, -60000, -60000, 1], [5]).mul(x).sum().mul(2), 2),
	'attention with weights': () => [
		scaledDotProductAttention(half(20, [1, 1, 2, 300]), half(20, [1, 1, 3, 300]), half(1, [1, 1, 3, 300]), { scale: 1 }),
		1,
	],
};

function slopes(
	values: number[],
	call: (x: Tensor) => Tensor,
	expected: number | number[],
): readonly [Tensor, number | number[]] {
	const x = halves(values).requiresGrad_();
	return [grad(call(x), [x])[0]!, expected];
}

for (const [name, call] of Object.entries(CALLS)) {
	test(name, async () => {
		if (!present) return;
		const [result, expected] = call();
		await requireHalf(name, result, typeof expected === 'number' ? new Array<number>(result.size).fill(expected) : expected);
	});
}

test.run();
