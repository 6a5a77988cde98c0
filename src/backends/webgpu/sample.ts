/** Launches of shaders/sample.wgsl.ts. */
import { SAMPLE_CHANNELS, type SampleVariant, sample } from '../../../shaders/sample.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { View } from '../contract';
import type { GridAttributes, SampleAttributes, SampleKernels } from '../contract/sample';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';

export function sampleKernels(gpu: Gpu): SampleKernels {
	function launch(x: View, points: View, y: View, attributes: SampleAttributes | GridAttributes): void {
		const { mode, padding, fill } = attributes;
		const [batch, channels, height, width] = x.shape as [number, number, number, number];
		const [outHeight, outWidth] = [y.shape[2]!, y.shape[3]!];
		const groups = Math.ceil(channels / SAMPLE_CHANNELS);
		const rowQuads = Math.ceil(outWidth / 4);
		const blocks = Math.ceil((rowQuads * outHeight) / WORKGROUP_SIZE);
		const images = batch * groups;
		const isGrid = 'scale' in attributes;
		const type = storageType(x) as SampleVariant['type'];
		gpu.launch({
			kernel: sample,
			variant: { type, points: isGrid ? 'grid' : 'affine', mode, padding, store: outWidth % 4 === 0 ? 'vec4' : 'scalar' },
			buffers: { x: x.storage, points: points.storage, y: y.storage },
			params: {
				steps: x.strides,
				...(isGrid && { gridSteps: points.strides, scale: attributes.scale, shift: attributes.shift }),
				size: [width, height],
				outSize: [outWidth, outHeight],
				rowQuads,
				channels,
				groups,
				images,
				blocks,
				offset: x.offset,
				pointOffset: points.offset,
				fill,
				taps: mode === 'bicubic' ? 16 : 4,
			},
			grid: [blocks * images],
			flops: numel(y.shape) * (mode === 'bicubic' ? 32 : mode === 'bilinear' ? 8 : 0),
			bytes: (numel(x.shape) + numel(y.shape) + (isGrid ? numel(points.shape) : 0)) * gpuBytes(y.dtype),
		});
	}

	return {
		affineSample({ x, matrices }, { y }, attributes) {
			launch(x, matrices, y, attributes);
		},
		gridSample({ x, grid }, { y }, attributes) {
			launch(x, grid, y, attributes);
		},
	};
}
