/**
 * Launches of shaders/loss.wgsl.ts. The launcher chooses how many threads share a row, and whether one workgroup does all rows.
 */
import { crossEntropyGrad, crossEntropyKernel, finish, pointwiseLoss, pointwiseLossGrad } from '../../../shaders/loss.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import type { CrossEntropyAttributes, LossKernels } from '../contract/loss';
import { ctcKernels } from './ctc';
import { planElementwise } from './elementwisePlan';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';
import { launchReduction } from './reduce';

/** Up to this many elements of x, one workgroup does everything, and no second launch adds up sums. */
const WHOLE_AT_MOST = 16384;
/** From this many rows on, a single workgroup would take long to add up their losses. */
const MANY_ROWS = 1 << 16;
/** From this many classes on, a workgroup shares a row. */
const GROUP_FROM = 256;

export function lossKernels(gpu: Gpu): LossKernels {
	/** The values that one workgroup adds up: those of few rows, or the sum that many workgroups have computed of many rows. */
	function summed(values: Storage, rows: number): Storage {
		if (rows < MANY_ROWS) return values;
		const sum = gpu.scratch(1, 'float32');
		const x: View = { storage: values, dtype: 'float32', shape: [rows], strides: [1], offset: 0 };
		launchReduction(gpu, { op: 'sum', x, dims: [0], outputs: { y: sum }, output: 'f32' });
		gpu.release(values);
		return sum;
	}

	function classParams(
		x: View,
		target: View,
		weight: View | undefined,
		gradient: View | undefined,
		attributes: CrossEntropyAttributes,
	) {
		const { outer, classes, inner, ignoreIndex, labelSmoothing } = attributes;
		return {
			rows: outer * inner,
			classes,
			inner,
			ignoreIndex,
			labelSmoothing,
			xOffset: x.offset,
			targetOffset: target.offset,
			weightOffset: weight?.offset,
			gradientOffset: gradient?.offset,
			size: outer * classes * inner,
		};
	}

	return {
		...ctcKernels(gpu),

		pointwiseLoss({ a, b }, { y }, { op, parameter }) {
			const plan = planElementwise(gpu, [a, b], y, { s: parameter });
			gpu.launch({
				kernel: pointwiseLoss,
				variant: { op, type: storageType(y), access: plan.access },
				buffers: { a: a.storage, b: b.storage, out: y.storage },
				params: plan.params,
				grid: plan.grid,
				flops: 4 * plan.size,
				bytes: 3 * gpuBytes(y.dtype) * plan.size,
			});
		},

		pointwiseLossGrad({ a, b, gradient }, { da }, { op, parameter }) {
			const plan = planElementwise(gpu, [a, b, gradient], da, { s: parameter });
			gpu.launch({
				kernel: pointwiseLossGrad,
				variant: { op, type: storageType(da), access: plan.access },
				buffers: { a: a.storage, b: b.storage, g: gradient.storage, out: da.storage },
				params: plan.params,
				grid: plan.grid,
				flops: 4 * plan.size,
				bytes: 4 * gpuBytes(da.dtype) * plan.size,
			});
		},

		crossEntropy({ x, target, weight }, { loss, total, logSumExp }, { check, ...attributes }) {
			const { outer, classes, inner, labelSmoothing, logits, reduction } = attributes;
			const rows = outer * inner;
			const size = rows * classes;
			const whole = reduction !== 'none' && size <= WHOLE_AT_MOST;
			const group = !whole && inner === 1 && classes >= GROUP_FROM;
			const partial = reduction !== 'none' && !whole;
			const losses = partial ? gpu.scratch(rows, 'float32') : loss.storage;
			const weights = partial ? gpu.scratch(rows, 'float32') : total?.storage;
			gpu.launch({
				kernel: crossEntropyKernel,
				variant: {
					type: storageType(x),
					loss: partial ? 'f32' : storageType(loss),
					method: whole ? 'whole' : group ? 'group' : 'thread',
					logits,
					weighted: weight !== undefined,
					smoothed: labelSmoothing > 0,
					reduction,
				},
				buffers: {
					x: x.storage,
					labels: target.storage,
					weight: weight?.storage,
					logSumExp: logSumExp?.storage,
					loss: losses,
					total: reduction === 'none' ? undefined : weights,
				},
				params: classParams(x, target, weight, undefined, attributes),
				grid: [whole ? 1 : group ? rows : Math.ceil(rows / WORKGROUP_SIZE)],
				flops: 12 * size,
				bytes: gpuBytes(x.dtype) * size + 12 * rows,
				check,
			});
			if (!partial) return;
			const [sums, sumsOfWeights] = [summed(losses, rows), summed(weights!, rows)];
			const count = rows < MANY_ROWS ? rows : 1;
			gpu.launch({
				kernel: finish,
				variant: { loss: storageType(loss), reduction },
				buffers: { losses: sums, weights: sumsOfWeights, loss: loss.storage, total: total!.storage },
				params: { rows: count },
				grid: [1],
				flops: 2 * count,
				bytes: 8 * count,
			});
			gpu.release(sums);
			gpu.release(sumsOfWeights);
		},

		crossEntropyGrad({ x, target, weight, total, logSumExp, gradient }, { dx }, attributes) {
			const { labelSmoothing, logits, reduction } = attributes;
			const size = numel(dx.shape);
			gpu.launch({
				kernel: crossEntropyGrad,
				variant: { type: storageType(dx), logits, weighted: weight !== undefined, smoothed: labelSmoothing > 0, reduction },
				buffers: {
					x: logits ? x.storage : undefined,
					labels: target.storage,
					gradient: gradient.storage,
					weight: weight?.storage,
					logSumExp: logSumExp?.storage,
					total: reduction === 'mean' ? total?.storage : undefined,
					dx: dx.storage,
				},
				params: classParams(x, target, weight, gradient, attributes),
				grid: [Math.ceil(size / (4 * WORKGROUP_SIZE))],
				flops: 10 * size,
				bytes: 2 * gpuBytes(dx.dtype) * size,
			});
		},
	};
}
