/**
 * Launches of shaders/norm.wgsl.ts and normChannels.wgsl.ts. Statistics over channels and sums of partial results are reductions.
 */
import { type NormRowsVariant, normRows } from '../../../shaders/norm.wgsl';
import { normChannels, normParameters, normScale } from '../../../shaders/normChannels.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { contiguousStrides } from '../../core/shape';
import type { View } from '../contract';
import type { GroupNormShape, NormKernels, NormShape } from '../contract/norm';
import { decided, decidedNumber } from './decisions';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';
import { launchReduction, launchVariance } from './reduce';

/** Whether all sizes and offsets allow vec4 access. */
function aligned(sizes: readonly number[], views: readonly (View | undefined)[]): boolean {
	return sizes.every((size) => size % 4 === 0) && views.every((view) => (view?.offset ?? 0) % 4 === 0);
}

/** As for softmax: workgroups share a row on GPUs, and wherever there are few rows. */
function lanesFor(gpu: Gpu, rows: number, length: number): NormRowsVariant['lanes'] {
	const chosen = length < 64 ? '1' : decided(gpu, 'norm.lanes', '');
	if (chosen !== '') return chosen === '1' ? 1 : chosen === '64' ? 64 : 256;
	if (gpu.isSoftware && rows >= 64) return 1;
	return length >= 4096 ? 256 : 64;
}

export function normKernels(gpu: Gpu): NormKernels {
	function rows(
		kind: NormRowsVariant['kind'],
		{
			x,
			gradient,
			weight,
			bias,
			mean,
			rstd,
			result,
		}: Record<'x' | 'rstd' | 'result', View> & Partial<Record<'gradient' | 'weight' | 'bias' | 'mean', View>>,
		{ batch, channels, groups, spatial }: GroupNormShape,
		eps: number,
	): void {
		const count = batch * groups;
		const length = (channels / groups) * spatial;
		if (length === 0) return;
		const lanes = lanesFor(gpu, count, length);
		const layer = groups === 1 && spatial === 1;
		const affine = weight !== undefined || bias !== undefined;
		const wide = aligned([length, affine && !layer ? spatial : 4], [x, gradient, ...(layer ? [weight, bias] : [])]);
		gpu.launch({
			kernel: normRows,
			variant: {
				kind,
				storage: storageType(x),
				centred: mean !== undefined,
				weight: weight !== undefined,
				bias: bias !== undefined,
				spatial: !layer,
				wide,
				lanes,
			},
			buffers: {
				x: x.storage,
				gradient: gradient?.storage,
				weight: weight?.storage,
				bias: bias?.storage,
				means: mean?.storage,
				rstds: rstd.storage,
				result: result.storage,
			},
			params: {
				rows: count,
				length,
				groups,
				groupChannels: channels / groups,
				spatial,
				offsetX: x.offset,
				offsetGradient: gradient?.offset,
				offsetMean: mean?.offset,
				offsetRstd: rstd.offset,
				offsetWeight: weight?.offset,
				offsetBias: bias?.offset,
				eps,
			},
			grid: [lanes === 1 ? Math.ceil(count / WORKGROUP_SIZE) : count],
			flops: count * length * (kind === 'forward' ? 7 : 9),
			bytes: count * length * gpuBytes(x.dtype) * (kind === 'forward' ? 2 : 3),
		});
	}

	/** The gradients of weight and bias. Partial sums are [segments, channels]; with one segment they are the final sums. */
	function parameters(
		{ x, gradient, mean, rstd }: { x: View; gradient: View; mean?: View | undefined; rstd: View },
		targets: readonly (View | undefined)[],
		{ batch, channels, groups, spatial }: GroupNormShape,
	): void {
		if (channels === 0) return;
		const perChannel = groups === 0;
		const groupChannels = perChannel ? channels : channels / groups;
		const columns = spatial === 1;
		const wide = aligned([columns ? groupChannels : spatial], [x, gradient]);
		const count = columns ? batch : batch * spatial;
		const own = (columns ? !wide && channels < 64 && batch >= 64 : !gpu.isSoftware || channels < 64) && count >= 64 ? 64 : 1;
		// A workgroup of columns reads scalars.
		const lanes = columns && wide ? own : decidedNumber(gpu, 'norm.parameterLanes', own) === 64 ? 64 : 1;
		const across = columns && wide ? channels / 4 : channels;
		// As in a reduction: enough invocations to fill the adapter, with at least 16 steps each.
		const step = lanes * (columns || !wide ? 1 : 4);
		const wanted = Math.max(1, Math.floor((gpu.isSoftware ? 1024 : 65536) / (across * lanes)));
		const segment = Math.max(16 * step, Math.ceil(Math.ceil(count / wanted) / step) * step);
		const segments = Math.max(1, Math.ceil(count / segment));
		const direct = segments === 1;
		const sums = targets.map((target) =>
			direct && target !== undefined ? target.storage : gpu.scratch(segments * channels, 'float32'),
		);
		gpu.launch({
			kernel: normParameters,
			variant: {
				storage: storageType(x),
				centred: mean !== undefined,
				spatial: !columns,
				statistics: perChannel ? 'channel' : groups === 1 ? 'sample' : 'group',
				wide,
				lanes,
			},
			buffers: {
				x: x.storage,
				gradient: gradient.storage,
				means: mean?.storage,
				rstds: rstd.storage,
				dweight: sums[0]!,
				dbias: sums[1]!,
			},
			params: {
				batch,
				channels,
				spatial,
				groups,
				groupChannels,
				offsetX: x.offset,
				offsetGradient: gradient.offset,
				offsetMean: mean?.offset,
				offsetRstd: rstd.offset,
				segment,
				segments,
			},
			grid: [lanes === 1 ? Math.ceil((across * segments) / WORKGROUP_SIZE) : across * segments],
			flops: batch * channels * spatial * 5,
			bytes: batch * channels * spatial * gpuBytes(x.dtype) * 2,
		});
		targets.forEach((target, i) => {
			const partial = sums[i]!;
			if (target?.storage === partial) return;
			if (target !== undefined) {
				const shape = [segments, channels];
				const view = { storage: partial, dtype: 'float32', shape, strides: contiguousStrides(shape), offset: 0 } as const;
				launchReduction(gpu, { op: 'sum', x: view, dims: [0], outputs: { y: target.storage }, output: 'f32' });
			}
			gpu.release(partial);
		});
	}

	function channelwise(
		kind: 'forward' | 'backward',
		views: Record<'x' | 'mean' | 'rstd' | 'result', View> &
			Partial<Record<'gradient' | 'weight' | 'bias' | 'dweight' | 'dbias', View>>,
		{ batch, channels, spatial }: NormShape,
	): void {
		const { x, gradient, mean, rstd, weight, bias, dweight, dbias, result } = views;
		const size = batch * channels * spatial;
		const wide = aligned([spatial === 1 ? channels : spatial], [x, gradient]);
		// Software adapters gain if one invocation uses a channel's numbers for several elements; GPUs want every invocation.
		const steps = gpu.isSoftware ? 16 : 1;
		const width = wide ? 4 : 1;
		const columns = spatial === 1;
		const parts = columns ? 1 : Math.ceil(spatial / width / steps);
		const items = columns ? (channels / width) * Math.ceil(batch / steps) : batch * channels * parts;
		gpu.launch({
			kernel: normChannels,
			variant: {
				kind,
				storage: storageType(x),
				weight: weight !== undefined,
				bias: bias !== undefined,
				spatial: !columns,
				wide,
				corrected: mean.shape.length > 1,
			},
			buffers: {
				x: x.storage,
				gradient: gradient?.storage,
				means: mean.storage,
				rstds: rstd.storage,
				weight: weight?.storage,
				bias: bias?.storage,
				dweight: dweight?.storage,
				dbias: dbias?.storage,
				result: result.storage,
			},
			params: {
				items,
				channels,
				parts,
				steps,
				length: columns ? batch : spatial / width,
				offsetX: x.offset,
				offsetGradient: gradient?.offset,
				offsetMean: mean.offset,
				offsetRstd: rstd.offset,
				offsetWeight: weight?.offset,
				offsetBias: bias?.offset,
				offsetDweight: dweight?.offset,
				offsetDbias: dbias?.offset,
				share: 1 / (batch * spatial),
			},
			grid: [Math.ceil(items / WORKGROUP_SIZE)],
			flops: size * (kind === 'forward' ? 4 : 8),
			bytes: size * gpuBytes(x.dtype) * (kind === 'forward' ? 2 : 3),
		});
	}

	return {
		groupNorm(inputs, { y, ...statistics }, { eps, ...shape }) {
			rows('forward', { ...inputs, ...statistics, result: y }, shape, eps);
		},
		groupNormGrad(inputs, { dx }, shape) {
			rows('backward', { ...inputs, result: dx }, shape, 0);
		},
		normParametersGrad({ x, gradient, mean, rstd }, { dweight, dbias }, shape) {
			parameters({ x, gradient, mean, rstd }, [dweight, dbias], shape);
		},
		channelStatistics({ x }, { mean, variance }, { batch, channels, spatial }) {
			const shape = [batch, channels, spatial];
			const view = { ...viewOf(x), shape, strides: contiguousStrides(shape) };
			launchVariance(gpu, view, [0, 2], { result: variance, mean }, { correction: 0, root: false });
		},
		channelScale({ mean, variance }, { rstd, runningMean, runningVar }, { eps, momentum, count }) {
			const running = runningMean === undefined ? 'none' : storageType(runningMean);
			const channels = variance.shape[0]!;
			gpu.launch({
				kernel: normScale,
				variant: { running },
				buffers: {
					means: runningMean && mean.storage,
					variances: variance.storage,
					rstds: rstd.storage,
					runningMeans: runningMean?.storage,
					runningVariances: runningVar?.storage,
				},
				params: {
					channels,
					offsetMean: mean.offset,
					offsetVariance: variance.offset,
					offsetRstd: rstd.offset,
					offsetRunningMean: runningMean?.offset,
					offsetRunningVar: runningVar?.offset,
					eps,
					momentum,
					unbias: count / (count - 1),
				},
				grid: [Math.ceil(channels / WORKGROUP_SIZE)],
				flops: channels * 8,
				bytes: channels * 16,
			});
		},
		channelNorm(inputs, { y }, shape) {
			channelwise('forward', { ...inputs, result: y }, shape);
		},
		channelNormGrad(inputs, { dx }, shape) {
			channelwise('backward', { ...inputs, result: dx }, shape);
		},
	};
}

/** Copies the view's fields: a tensor is a view too, but spreading a tensor does not copy its storage. */
function viewOf({ storage, dtype, offset }: View) {
	return { storage, dtype, offset };
}
