/** Losses for samples that belong to several classes. */
import { requireDType } from '../../core/dtype';
import { formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { MAX_RANK, sameShape } from '../../core/shape';
import type { Tensor } from '../../tensor';
import { requireFloatingTensor, requireRank, requireSameDevice, requireTensor } from '../../tensorChecks';
import { inFloat32 } from '../composed';
import { arange } from '../creation';
import { add, div, eq, ge, gt, logicalAnd, logSigmoid, mul, neg, relu, sub, to, where } from '../elementwise';
import { checkIndices, gathered } from '../indexing/gather';
import { unsqueeze } from '../layout';
import { any, cumprod, mean, sum } from '../reduce';
import { type LossOptions, reduced, requirePair, requireReduction } from './reduction';

export interface MultiLabelSoftMarginOptions extends LossOptions {
	/** A factor for each class. Broadcasts to the input. Default none. */
	readonly weight?: Tensor | null;
}

/**
 * The mean over the classes of -(target log(sigmoid(input)) + (1 - target) log(1 - sigmoid(input))), for input and target [C] or [N, C]. As
 * `torch.nn.functional.multilabel_soft_margin_loss`.
 */
export function multiLabelSoftMarginLoss(input: Tensor, target: Tensor, options: MultiLabelSoftMarginOptions = {}): Tensor {
	const { reduction = 'mean', weight = null } = checkOptions('multiLabelSoftMarginLoss', options, ['weight', 'reduction']);
	requirePair('multiLabelSoftMarginLoss', input, target, reduction);
	requireRank('multiLabelSoftMarginLoss', 'input', input, '[C] or [N, C]', 1, MAX_RANK);
	if (weight !== null) requireTensor('multiLabelSoftMarginLoss', weight, 'weight');
	return inFloat32('multiLabelSoftMarginLoss', [input, target, weight], (x, y, w) => {
		const losses = neg(add(mul(y, logSigmoid(x)), mul(sub(1, y), logSigmoid(neg(x)))));
		return reduced(mean(w === null ? losses : mul(losses, w), -1), reduction);
	});
}

/**
 * The sum of max(0, 1 - input[t] + input[c]) over the sample's classes t and all other classes c, divided by C. `input` is [C] or [N, C].
 * `target`, int32 of that shape, lists the sample's classes up to the first -1. A target that is no class throws: on WebGPU at the next
 * read, `sync()` or `step()`. As `torch.nn.functional.multilabel_margin_loss`.
 */
export function multiLabelMarginLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
	const name = 'multiLabelMarginLoss';
	const { reduction = 'mean' } = checkOptions(name, options, ['reduction']);
	requireReduction(name, reduction);
	requireFloatingTensor(name, input);
	requireTensor(name, target, 'target');
	requireSameDevice(name, input, target);
	requireDType(name, target.dtype, ['int32'], 'target');
	if ((input.ndim !== 1 && input.ndim !== 2) || !sameShape(target.shape, input.shape)) {
		throw new ShapeError(
			`${name}: input and target must both be [C] or [N, C], not ${formatShape(input.shape)} and ${formatShape(target.shape)}`,
		);
	}
	return inFloat32('multiLabelMarginLoss', [input], (x) => {
		const classes = x.shape.at(-1)!;
		const listed = gt(cumprod(to(ge(target, 0), x.dtype), -1), 0);
		const labels = where(listed, target, 0);
		const check = checkIndices(name, input, labels, classes, `the classes of ${formatShape(input.shape)}`);
		const each = unsqueeze(listed, -1);
		const own = any(logicalAnd(each, eq(unsqueeze(labels, -1), arange(classes, { dtype: 'int32', device: input.device }))), -2);
		const excess = relu(add(sub(unsqueeze(x, -2), unsqueeze(gathered(name, x, x.ndim - 1, labels, check), -1)), 1));
		const counted = where(each, where(unsqueeze(own, -2), 0, excess), 0);
		return reduced(div(sum(counted, [-2, -1]), classes), reduction);
	});
}
