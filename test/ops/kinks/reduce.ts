/** Kinks of reductions. */
import * as w from 'wgrad';
import type { OpEntry } from '../database';
import { py } from '../python';
import { INF, integers, kink, NAN, rows, shaped } from './kink';

const TIES = rows([1, 3, 3, 0], [2, 2, 2, 2], [5, NAN, 5, NAN], [INF, INF, -INF, 0], [-0, 0, 0, -0]);
/** Ties without NaN, for functions of all elements. */
const ALL_TIES = [1, 3, 3, 0, 3, 0];

const reductions: readonly OpEntry[] = [
	kink('amax', (x) => w.amax(x, 1), 'torch.amax(x[0], 1)', TIES),
	kink('amin', (x) => w.amin(x, 1), 'torch.amin(x[0], 1)', TIES),
	kink('max of all', (x) => w.max(x), 'torch.max(x[0])', ALL_TIES),
	kink('min of all', (x) => w.min(x), 'torch.min(x[0])', ALL_TIES),
	kink('max of all, NaN', (x) => w.max(x), 'torch.max(x[0])', [1, NAN, 2, NAN]),
	kink('min of all, NaN', (x) => w.min(x), 'torch.min(x[0])', [1, NAN, 2, NAN]),
	kink('max', (x) => w.max(x, 1), 'torch.max(x[0], 1)', TIES),
	kink('min', (x) => w.min(x, 1), 'torch.min(x[0], 1)', TIES),
	kink('median', (x) => w.median(x, 1).values, 'torch.median(x[0], 1)[0]', rows([1, 3, 3, 0], [5, NAN, 5, 4])),
	kink('median of all', (x) => w.median(x), 'torch.median(x[0])', ALL_TIES),
	kink('median of all, NaN', (x) => w.median(x), 'torch.median(x[0])', [1, NAN, 2, NAN]),
	...[1, 2, 3, 0, INF, -INF, 0.5, 1.5, -1, 4].map((p) =>
		kink(
			`norm, p = ${p}`,
			(x) => w.norm(x, 1, { p }),
			`torch.linalg.vector_norm(x[0], ${py(p)}, 1)`,
			rows([0, 0, 0], [0, 3, -4], [1, -1, 1], [0, 0, -2]),
		),
	),
	...[1, 2, 3, INF].map((p) =>
		kink(`normalize, p = ${p}`, (x) => w.normalize(x, { p }), `F.normalize(x[0], ${py(p)})`, rows([0, 0, 0], [0, 3, -4])),
	),
	kink('std', (x) => w.std(x, 1), 'torch.std(x[0], 1)', rows([2, 2, 2], [1, 2, 4])),
	kink('std of one', (x) => w.std(x, 1), 'torch.std(x[0], 1)', rows([2], [3])),
	kink('std of one, no correction', (x) => w.std(x, 1, { correction: 0 }), 'torch.std(x[0], 1, unbiased=False)', rows([2], [3])),
	kink('var of one', (x) => w.var(x, 1), 'torch.var(x[0], 1)', rows([2], [3])),
	kink('var', (x) => w.var(x, 1), 'torch.var(x[0], 1)', rows([2, 2, 2], [1, 2, 4])),
	kink('prod', (x) => w.prod(x, 1), 'torch.prod(x[0], 1)', rows([0, 2, 3], [0, 0, 3], [0, 0, 0], [1, 2, 3])),
	kink('prod of all', (x) => w.prod(x), 'torch.prod(x[0])', [2, 0, 3]),
	kink('cumprod', (x) => w.cumprod(x, 1), 'torch.cumprod(x[0], 1)', rows([2, 0, 3, 4], [0, 2, 0, 3], [0, 0, 0, 0], [1, 2, 3, 4])),
	kink(
		'logsumexp',
		(x) => w.logsumexp(x, 1),
		'torch.logsumexp(x[0], 1)',
		rows([-INF, -INF], [-INF, 0], [INF, INF], [NAN, 0], [2, 2]),
	),
	// The gradient is the softmax here, NaN in the whole row; PyTorch's form, which loses the digits of large elements, gives NaN
	// and 0.
	kink('logsumexp of infinity', (x) => w.logsumexp(x, 1), 'torch.logsumexp(x[0], 1)', { ...rows([INF, 0]), gradient: false }),
	kink('softmax', (x) => w.softmax(x, 1), 'torch.softmax(x[0], 1)', rows([-INF, -INF], [-INF, 0], [INF, 0], [NAN, 0], [2, 2])),
	kink(
		'logSoftmax',
		(x) => w.logSoftmax(x, 1),
		'torch.log_softmax(x[0], 1)',
		rows([-INF, -INF], [-INF, 0], [INF, 0], [NAN, 0], [2, 2]),
	),
	kink(
		'cosineSimilarity',
		(a, b) => w.cosineSimilarity(a, b),
		// PyTorch 2 limits each norm by eps; 1.13 limited the product of the squares.
		'(x[0] * x[1]).sum(1) / (x[0].norm(dim=1).clamp(min=1e-8) * x[1].norm(dim=1).clamp(min=1e-8))',
		rows([0, 0], [0, 0], [3, 4], [1, 0]),
		rows([0, 0], [1, 2], [0, 0], [1, 0]),
	),
	...[1, 2, 3, INF].map((p) =>
		kink(
			`pairwiseDistance, p = ${p}`,
			(a, b) => w.pairwiseDistance(a, b, { p, eps: 0 }),
			`F.pairwise_distance(x[0], x[1], ${py(p)}, 0.0)`,
			rows([1, 2], [3, 4], [1, 1]),
			rows([1, 2], [3, 5], [2, 2]),
		),
	),
	kink('sort', (x) => w.sort(x), 'torch.sort(x[0], stable=True)', [2, 1, 2, 1, 2, -0, 0]),
	kink(
		'sort, descending',
		(x) => w.sort(x, -1, { descending: true }),
		'torch.sort(x[0], descending=True, stable=True)',
		[2, 1, 2, 1, 2],
	),
	kink(
		'topk',
		(x) => w.topk(x, 2),
		'torch.sort(x[0], descending=True, stable=True)[0][:2], torch.sort(x[0], descending=True, stable=True)[1][:2]',
		[4, 1, 4, 4],
	),
];

const POOLED = shaped([1, 1, 4, 4], [1, 1, 2, 0, 1, 1, 0, 2, 3, 4, NAN, 1, 4, 3, 1, NAN]);

const pools: readonly OpEntry[] = [
	kink('maxPool1d', (x) => w.maxPool1d(x, 2), 'F.max_pool1d(x[0], 2)', shaped([1, 1, 6], [1, 1, -0, 0, 2, 3])),
	kink('maxPool2d', (x) => w.maxPool2d(x, 2, { returnIndices: true }), 'F.max_pool2d(x[0], 2, return_indices=True)', POOLED),
	kink(
		'maxPool2d, overlapping',
		(x) => w.maxPool2d(x, 2, { stride: 1 }),
		'F.max_pool2d(x[0], 2, 1)',
		shaped([1, 1, 3, 3], Array(9).fill(1)),
	),
	kink(
		'maxPool2d, padding',
		(x) => w.maxPool2d(x, 3, { stride: 2, padding: 1 }),
		'F.max_pool2d(x[0], 3, 2, 1)',
		shaped([1, 1, 4, 4], Array(16).fill(-INF)),
	),
	kink('maxPool3d', (x) => w.maxPool3d(x, 2), 'F.max_pool3d(x[0], 2)', shaped([1, 1, 2, 2, 2], Array(8).fill(3))),
	kink(
		'adaptiveMaxPool2d',
		(x) => w.adaptiveMaxPool2d(x, 2),
		'F.adaptive_max_pool2d(x[0], 2)',
		shaped([1, 1, 3, 3], Array(9).fill(2)),
	),
	kink('adaptiveMaxPool2d, NaN', (x) => w.adaptiveMaxPool2d(x, 2), 'F.adaptive_max_pool2d(x[0], 2)', POOLED),
	kink(
		'adaptiveMaxPool1d',
		(x) => w.adaptiveMaxPool1d(x, 2),
		'F.adaptive_max_pool1d(x[0], 2)',
		shaped([1, 1, 5], [1, 1, 1, 1, 1]),
	),
];

const INDICES = integers([2, 3], [0, 1, 1, 2, 0, 3]);
const TABLE = rows([1, 2], [1, 3], [0, 2], [1, 2]);

const embeddings: readonly OpEntry[] = [
	kink('embedding, padding', (i, x) => w.embedding(i, x, { paddingIdx: 1 }), 'F.embedding(x[0], x[1], 1)', INDICES, TABLE),
	...(['sum', 'mean', 'max'] as const).flatMap((mode) => [
		kink(
			`embeddingBag, ${mode}`,
			(i, x) => w.embeddingBag(i, x, { mode }),
			`F.embedding_bag(x[0], x[1], mode='${mode}')`,
			INDICES,
			TABLE,
		),
		kink(
			`embeddingBag, ${mode}, padding`,
			(i, x) => w.embeddingBag(i, x, { mode, paddingIdx: 1 }),
			`F.embedding_bag(x[0], x[1], mode='${mode}', padding_idx=1)`,
			integers([3, 3], [0, 1, 1, 2, 0, 3, 1, 1, 1]),
			TABLE,
		),
	]),
];

export const reduce: readonly OpEntry[] = [...reductions, ...pools, ...embeddings];
