/** Launches of shaders/loss.wgsl.ts: chooses how many threads share a row, and whether one workgroup can do all of them. */
import { crossEntropy, crossEntropyGrad, finish, pairLoss, pairLossGrad } from '../../../shaders/loss.wgsl';
import { numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import type { CrossEntropyAttributes, LossKernels } from '../contract/loss';
import { ctcKernels } from './ctc';
import { floatBits, type Gpu, storageType } from './launch';
import { planQuads } from './quads';
import { launchReduction } from './reduce';

const BYTES = { f32: 4, f16: 2, i32: 4, u32: 4 };
const WORKGROUP = 64;

/** Elements of x that one workgroup does alone rather than leave its sums to a second launch. */
const WHOLE_AT_MOST = 16384;
/** Rows from which on one workgroup alone would be long at adding up what they have lost. */
const MANY_ROWS = 1 << 16;
/** Classes from which on a workgroup shares a row. */
const GROUP_FROM = 256;

export function lossKernels(gpu: Gpu): LossKernels {
	/** What one workgroup has to add up: the values of few rows, else their sum, of which many workgroups have made parts. */
	function summed(values: Storage, rows: number): Storage {
		if (rows < MANY_ROWS) return values;
		const sum = gpu.scratch(1, 'float32');
		const x: View = { storage: values, dtype: 'float32', shape: [rows], strides: [1], offset: 0 };
		launchReduction(gpu, { op: 'sum', x, dims: [0], outputs: [sum], output: 'f32' });
		gpu.release(values);
		return sum;
	}

	function classParams(
		x: View,
		target: View,
		weight: View | undefined,
		gradient: View | undefined,
		attributes: CrossEntropyAttributes,
	): number[] {
		const { outer, classes, inner, ignoreIndex, labelSmoothing } = attributes;
		return [
			outer * inner,
			classes,
			inner,
			ignoreIndex >>> 0,
			floatBits(labelSmoothing),
			x.offset,
			target.offset,
			weight?.offset ?? 0,
			gradient?.offset ?? 0,
			outer * classes * inner,
		];
	}

	return {
		...ctcKernels(gpu),

		pairLoss({ a, b }, { y }, { op, parameter }) {
			const plan = planQuads(gpu, [a, b], y, floatBits(parameter));
			const type = storageType(y);
			gpu.launch({
				kernel: pairLoss,
				variant: { op, type, access: plan.access },
				buffers: [a.storage, b.storage, y.storage],
				params: plan.params,
				grid: plan.grid,
				flops: 4 * plan.size,
				bytes: 3 * BYTES[type] * plan.size,
			});
		},

		pairLossGrad({ a, b, gradient }, { da }, { op, parameter }) {
			const plan = planQuads(gpu, [a, b, gradient], da, floatBits(parameter));
			const type = storageType(da);
			gpu.launch({
				kernel: pairLossGrad,
				variant: { op, type, access: plan.access },
				buffers: [a.storage, b.storage, gradient.storage, da.storage],
				params: plan.params,
				grid: plan.grid,
				flops: 4 * plan.size,
				bytes: 4 * BYTES[type] * plan.size,
			});
		},

		crossEntropy({ x, target, weight }, { loss, total, logSumExp }, { check, ...attributes }) {
			const { outer, classes, inner, labelSmoothing, logits, reduction } = attributes;
			const rows = outer * inner;
			const size = rows * classes;
			const type = storageType(x);
			const whole = reduction !== 'none' && size <= WHOLE_AT_MOST;
			const group = !whole && inner === 1 && classes >= GROUP_FROM;
			const partial = reduction !== 'none' && !whole;
			const losses = partial ? gpu.scratch(rows, 'float32') : loss.storage;
			const weights = partial ? gpu.scratch(rows, 'float32') : total?.storage;
			const outputs = [logSumExp?.storage, losses, reduction === 'none' ? undefined : weights];
			gpu.launch({
				kernel: crossEntropy,
				variant: {
					type,
					loss: partial ? 'f32' : storageType(loss),
					method: whole ? 'whole' : group ? 'group' : 'thread',
					logits,
					weighted: weight !== undefined,
					smoothed: labelSmoothing > 0,
					reduction,
				},
				buffers: present([x.storage, target.storage, weight?.storage, ...outputs, gpu.indexRecords]),
				params: classParams(x, target, weight, undefined, attributes),
				grid: [whole ? 1 : group ? rows : Math.ceil(rows / WORKGROUP)],
				flops: 12 * size,
				bytes: BYTES[type] * size + 12 * rows,
				check,
			});
			if (!partial) return;
			const [sums, sumsOfWeights] = [summed(losses, rows), summed(weights!, rows)];
			const count = rows < MANY_ROWS ? rows : 1;
			gpu.launch({
				kernel: finish,
				variant: { loss: storageType(loss), reduction },
				buffers: present([sums, sumsOfWeights, loss.storage, total?.storage]),
				params: [count],
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
			const type = storageType(dx);
			gpu.launch({
				kernel: crossEntropyGrad,
				variant: { type, logits, weighted: weight !== undefined, smoothed: labelSmoothing > 0, reduction },
				buffers: present([
					logits ? x.storage : undefined,
					target.storage,
					gradient.storage,
					weight?.storage,
					logSumExp?.storage,
					reduction === 'mean' ? total?.storage : undefined,
					dx.storage,
				]),
				params: classParams(x, target, weight, gradient, attributes),
				grid: [Math.ceil(size / (4 * WORKGROUP))],
				flops: 10 * size,
				bytes: 2 * BYTES[type] * size,
			});
		},
	};
}

function present(storages: readonly (Storage | undefined)[]): Storage[] {
	return storages.filter((storage) => storage !== undefined);
}
