import * as w from 'wgrad';
import type { OpEntry } from '../database';
import { fixed, INF, integers, kink, rows } from './kink';

const NONE = { reduction: 'none' } as const;
const SAME = [1, 2, 3, -1, 0];
const APART = [1, 1, 1, -1, -0];

export const loss: readonly OpEntry[] = [
	kink('l1Loss', (a, b) => w.l1Loss(a, b, NONE), "F.l1_loss(x[0], x[1], reduction='none')", SAME, APART),
	kink('mseLoss', (a, b) => w.mseLoss(a, b, NONE), "F.mse_loss(x[0], x[1], reduction='none')", SAME, APART),
	...[0, 1, 2].map((beta) =>
		kink(
			`smoothL1Loss, beta = ${beta}`,
			(a, b) => w.smoothL1Loss(a, b, { ...NONE, beta }),
			// From PyTorch 2.2 on, beta = 0 means l1_loss; 1.13 had a gradient of -1 at 0.
			beta === 0 ? "F.l1_loss(x[0], x[1], reduction='none')" : `F.smooth_l1_loss(x[0], x[1], reduction='none', beta=${beta})`,
			[1, 2, 3, -1, -3],
			[1, 1, 1, -1, -1],
		),
	),
	kink(
		'huberLoss',
		(a, b) => w.huberLoss(a, b, { ...NONE, delta: 2 }),
		"F.huber_loss(x[0], x[1], reduction='none', delta=2.0)",
		[1, 2, 3, -1, -3],
		[1, 1, 1, -1, -1],
	),
	kink(
		'binaryCrossEntropy',
		(a, b) => w.binaryCrossEntropy(a, b, NONE),
		"F.binary_cross_entropy(x[0], x[1], reduction='none')",
		[0, 0, 1, 1, 0.5, 0, 1],
		fixed([0, 1, 0, 1, 0, 0.5, 0.5]),
	),
	kink(
		'binaryCrossEntropy, gradient of the target',
		(a, b) => w.binaryCrossEntropy(a, b, NONE),
		// PyTorch's gradient of the target is infinite although its loss clamps logarithms at -100. wgrad's gradient is that of the
		// loss.
		'-x[1] * x[0].log().clamp(min=-100) - (1 - x[1]) * (1 - x[0]).log().clamp(min=-100)',
		fixed([0, 0, 1, 1, 0.5]),
		[0, 1, 0, 1, 0],
	),
	kink(
		'binaryCrossEntropyWithLogits',
		(a, b) => w.binaryCrossEntropyWithLogits(a, b, NONE),
		"F.binary_cross_entropy_with_logits(x[0], x[1], reduction='none')",
		[0, -0, 0, 100, -100, 1000, -1000],
		[0, 1, 0.5, 1, 0, 0, 1],
	),
	kink(
		'klDiv',
		(a, b) => w.klDiv(a, b, NONE),
		"F.kl_div(x[0], x[1], reduction='none')",
		[-1, -2, -INF, 0],
		fixed([0, 0.5, 0.5, 0]),
	),
	kink(
		'klDiv, gradient of the target',
		(a, b) => w.klDiv(a, b, NONE),
		// PyTorch's gradient of a target of 0 is 0 / 0, NaN; wgrad's is 0.
		'torch.where(x[1] == 0, x[1] * 0, x[1] * (torch.log(torch.where(x[1] == 0, torch.ones_like(x[1]), x[1])) - x[0]))',
		[-1, -2],
		[0, 0.5],
	),
	kink(
		'klDiv, logarithms',
		(a, b) => w.klDiv(a, b, { ...NONE, logTarget: true }),
		"F.kl_div(x[0], x[1], reduction='none', log_target=True)",
		[-1, -2, 0],
		[-2, -2, 0],
	),
	kink(
		'poissonNllLoss',
		(a, b) => w.poissonNllLoss(a, b, { ...NONE, full: true }),
		"F.poisson_nll_loss(x[0], x[1], full=True, reduction='none')",
		[0, 1, 2, 0.5],
		fixed([0, 1, 2, 1.5]),
	),
	kink(
		'poissonNllLoss of rates',
		(a, b) => w.poissonNllLoss(a, b, { ...NONE, logInput: false }),
		"F.poisson_nll_loss(x[0], x[1], log_input=False, reduction='none')",
		[0, 0, 1],
		fixed([0, 1, 1]),
	),
	kink(
		'gaussianNllLoss',
		(a, b, v) => w.gaussianNllLoss(a, b, v, { ...NONE, eps: 0.25 }),
		"F.gaussian_nll_loss(x[0], x[1], x[2], eps=0.25, reduction='none')",
		[1, 2, 3],
		[1, 1, 1],
		[0, 0.25, 1],
	),
	kink('hingeLoss', (a, b) => w.hingeLoss(a, b, NONE), 'F.relu(1 - x[1] * x[0])', [1, 2, -1, 0], fixed([1, 1, -1, -1])),
	kink(
		'hingeEmbeddingLoss',
		(a, b) => w.hingeEmbeddingLoss(a, b, NONE),
		"F.hinge_embedding_loss(x[0], x[1], reduction='none')",
		[1, 2, 0, 1],
		fixed([-1, -1, -1, 1]),
	),
	kink(
		'softMarginLoss',
		(a, b) => w.softMarginLoss(a, b, NONE),
		"F.soft_margin_loss(x[0], x[1], reduction='none')",
		[0, 200, -200],
		fixed([1, -1, 1]),
	),
	kink(
		'marginRankingLoss',
		(a, b, y) => w.marginRankingLoss(a, b, y, { ...NONE, margin: 1 }),
		"F.margin_ranking_loss(x[0], x[1], x[2], 1, reduction='none')",
		[2, 1, 3, 0],
		[1, 2, 1, 0],
		fixed([1, -1, 1, 1]),
	),
	kink(
		'cosineEmbeddingLoss',
		(a, b, y) => w.cosineEmbeddingLoss(a, b, y, NONE),
		"F.cosine_embedding_loss(x[0], x[1], x[2], reduction='none')",
		rows([1, 0], [0, 0], [0, 0], [1, 1]),
		rows([0, 1], [1, 1], [1, 1], [1, 1]),
		fixed([-1, -1, 1, 1]),
	),
	kink(
		'multiMarginLoss',
		(x, y) => w.multiMarginLoss(x, y, NONE),
		"F.multi_margin_loss(x[0], x[1], reduction='none')",
		rows([2, 1, 0], [0, 1, 1]),
		integers([2], [0, 1]),
	),
	kink(
		'multiMarginLoss, p = 2',
		(x, y) => w.multiMarginLoss(x, y, { ...NONE, p: 2 }),
		"F.multi_margin_loss(x[0], x[1], p=2, reduction='none')",
		rows([2, 1, 0], [0, 1, 1]),
		integers([2], [0, 1]),
	),
	kink(
		'multiLabelMarginLoss',
		(x, y) => w.multiLabelMarginLoss(x, y, NONE),
		"F.multilabel_margin_loss(x[0], x[1], reduction='none')",
		rows([2, 1, 0], [0, 1, 1]),
		integers([2, 3], [0, -1, -1, 1, 2, -1]),
	),
	...[1, 2, 3].map((p) =>
		kink(
			`tripletMarginLoss, p = ${p}`,
			(a, b, c) => w.tripletMarginLoss(a, b, c, { ...NONE, p, eps: 0 }),
			`F.triplet_margin_loss(x[0], x[1], x[2], 1.0, ${p}, 0.0, reduction='none')`,
			rows([0, 0], [1, 1], [0, 0]),
			rows([0, 0], [1, 1], [0, 1]),
			rows([1, 0], [1, 1], [0, 2]),
		),
	),
	kink(
		'tripletMarginLoss, swap',
		(a, b, c) => w.tripletMarginLoss(a, b, c, { ...NONE, swap: true, eps: 0 }),
		"F.triplet_margin_loss(x[0], x[1], x[2], 1.0, 2, 0.0, True, reduction='none')",
		rows([0, 0], [-1, 0]),
		rows([2, 0], [1, 0]),
		rows([1, 1], [0, 0]),
	),
	kink(
		'crossEntropy, all ignored',
		(x, y) => w.crossEntropy(x, y),
		'F.cross_entropy(x[0], x[1].long())',
		rows([2, 1, 0], [0, 1, 1]),
		integers([2], [-100, -100]),
	),
	kink(
		'crossEntropy, infinite logits',
		(x, y) => w.crossEntropy(x, y, NONE),
		"F.cross_entropy(x[0], x[1].long(), reduction='none')",
		rows([-INF, 0, 1], [-INF, 0, 1], [INF, 0, 1], [-INF, -INF, -INF]),
		integers([4], [1, 0, 0, 0]),
	),
	kink(
		'crossEntropy of probabilities',
		(x, y) => w.crossEntropy(x, y, NONE),
		"F.cross_entropy(x[0], x[1], reduction='none')",
		rows([2, 1, 0], [0, 1, 1]),
		{ ...rows([0, 1, 0], [0, 0, 0]), gradient: false },
	),
];
