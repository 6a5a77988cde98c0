/** Launches of shaders/pool.wgsl.ts. */
import type { ParameterValues } from '../../../shaders/parameters';
import {
	averagePool,
	averagePoolGrad,
	maxPool,
	maxPoolGather,
	maxPoolGrad,
	type POOL_PARAMS,
	type PoolVariant,
	type PoolWindows,
} from '../../../shaders/pool.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { View } from '../contract';
import { asTriple, type Triple } from '../contract/conv';
import type { AvgPoolAttributes, MaxPoolAttributes, PoolKernels } from '../contract/pool';
import { type Gpu, storageType } from './launch';
import { viewBytes } from './memory';

interface Windows {
	readonly kernel: Triple;
	readonly stride: Triple;
	readonly padding: Triple;
	readonly dilation: Triple;
	readonly average?: AvgPoolAttributes;
}

const ADAPTIVE: Windows = { kernel: [1, 1, 1], stride: [1, 1, 1], padding: [0, 0, 0], dilation: [1, 1, 1] };

function windowsOf(attributes: MaxPoolAttributes | AvgPoolAttributes): Windows {
	const shared = {
		kernel: asTriple(attributes.kernel, 1),
		stride: asTriple(attributes.stride, 1),
		padding: asTriple(attributes.padding, 0),
	};
	return 'dilation' in attributes
		? { ...shared, dilation: asTriple(attributes.dilation, 1) }
		: { ...shared, dilation: [1, 1, 1], average: attributes };
}

function sizesOf(x: View, y: View): { size: Triple; out: Triple } {
	return { size: asTriple(x.shape.slice(2), 1), out: asTriple(y.shape.slice(2), 1) };
}

/** Whether these are adjacent 2x2 windows, all inside the input. */
function arePairs({ kernel, stride, padding, dilation }: Windows, { size, out }: { size: Triple; out: Triple }): boolean {
	const are = (list: Triple, value: number) => list[1] === value && list[2] === value;
	return (
		size[0] === 1 &&
		kernel[0] === 1 &&
		padding[0] === 0 &&
		are(kernel, 2) &&
		are(stride, 2) &&
		are(padding, 0) &&
		are(dilation, 1) &&
		out[0] === 1 &&
		out[1] * 2 <= size[1] &&
		out[2] * 2 <= size[2]
	);
}

/** The number of 2x2 tiles that cover all planes of x. */
function tilesOf(x: View): number {
	const [, height, width] = asTriple(x.shape.slice(2), 1);
	return x.shape[0]! * x.shape[1]! * Math.ceil(height / 2) * Math.ceil(width / 2);
}

function variantOf(view: View, windows: PoolWindows): PoolVariant {
	return { type: storageType(view), windows, volumetric: windows !== 'pairs' && view.shape.length > 4 };
}

/** Parameters that do not follow from the windows. */
type OwnParams = Pick<ParameterValues<typeof POOL_PARAMS>, 'total' | 'offset' | 'indexOffset' | 'tiles' | 'divisor'>;

export function poolKernels(gpu: Gpu): PoolKernels {
	/** `divisor` applies if the operation has no divisor of its own. */
	function paramsOf(
		{ kernel, stride, padding, dilation, average }: Windows,
		{ size, out }: { size: Triple; out: Triple },
		{ total, offset, indexOffset, tiles, divisor }: OwnParams,
	): ParameterValues<typeof POOL_PARAMS> {
		return {
			size: [...size, numel(size)],
			out: [...out, numel(out)],
			kernel,
			stride,
			padding,
			dilation,
			total,
			offset,
			indexOffset,
			countIncludePad: average?.countIncludePad,
			divisor: average?.divisorOverride ?? divisor,
			tiles,
			lowest: -Infinity,
		};
	}

	const grid = (total: number): [number] => [Math.ceil(total / WORKGROUP_SIZE)];

	/** Elements that the windows read, for the profile. */
	const flopsOf = (y: View, windows: Windows): number => numel(y.shape) * numel(windows.kernel);

	function pickMaxima(x: View, y: View, indices: View, windows: Windows, kind: 'strided' | 'adaptive'): void {
		const sizes = sizesOf(x, y);
		const pairs = kind === 'strided' && arePairs(windows, sizes);
		const total = pairs ? Math.ceil(numel(y.shape) / 4) : numel(y.shape);
		gpu.launch({
			kernel: maxPool,
			variant: variantOf(x, pairs ? 'pairs' : kind),
			buffers: { x: x.storage, y: y.storage, indices: indices.storage },
			params: paramsOf(windows, sizes, { total, offset: x.offset }),
			grid: grid(total),
			flops: flopsOf(y, windows),
			bytes: viewBytes(x, y, indices),
		});
	}

	function sendToIndices(gradY: View, indices: View, gradX: View, windows: Windows, kind: 'strided' | 'adaptive'): void {
		const sizes = sizesOf(gradX, gradY);
		const tiles = kind === 'strided' && arePairs(windows, sizes) ? tilesOf(gradX) : undefined;
		const total = tiles === undefined ? numel(gradX.shape) : Math.ceil(tiles / 4);
		gpu.launch({
			kernel: maxPoolGrad,
			variant: variantOf(gradY, tiles === undefined ? kind : 'pairs'),
			buffers: { gradY: gradY.storage, indices: indices.storage, gradX: gradX.storage },
			params: paramsOf(windows, sizes, { total, offset: gradY.offset, indexOffset: indices.offset, tiles }),
			grid: grid(total),
			flops: flopsOf(gradY, windows),
			bytes: viewBytes(gradY, indices, gradX),
		});
	}

	function average(x: View, y: View, windows: Windows, kind: 'strided' | 'adaptive'): void {
		const sizes = sizesOf(x, y);
		const pairs = kind === 'strided' && arePairs(windows, sizes);
		const total = pairs ? Math.ceil(numel(y.shape) / 4) : numel(y.shape);
		gpu.launch({
			kernel: averagePool,
			variant: variantOf(x, pairs ? 'pairs' : kind),
			buffers: { x: x.storage, y: y.storage },
			params: paramsOf(windows, sizes, { total, offset: x.offset, divisor: pairs ? 4 : undefined }),
			grid: grid(total),
			flops: flopsOf(y, windows),
			bytes: viewBytes(x, y),
		});
	}

	function spread(gradY: View, gradX: View, windows: Windows, kind: 'strided' | 'adaptive'): void {
		const sizes = sizesOf(gradX, gradY);
		const tiles = kind === 'strided' && arePairs(windows, sizes) ? tilesOf(gradX) : undefined;
		const total = tiles === undefined ? numel(gradX.shape) : Math.ceil(tiles / 4);
		gpu.launch({
			kernel: averagePoolGrad,
			variant: variantOf(gradY, tiles === undefined ? kind : 'pairs'),
			buffers: { gradY: gradY.storage, gradX: gradX.storage },
			params: paramsOf(windows, sizes, { total, offset: gradY.offset, tiles, divisor: tiles && 4 }),
			grid: grid(total),
			flops: flopsOf(gradY, windows),
			bytes: viewBytes(gradY, gradX),
		});
	}

	return {
		maxPool({ x }, { y, indices }, attributes) {
			pickMaxima(x, y, indices, windowsOf(attributes), 'strided');
		},
		maxPoolGrad({ gradY, indices }, { gradX }, attributes) {
			sendToIndices(gradY, indices, gradX, windowsOf(attributes), 'strided');
		},
		maxPoolGather({ x, indices }, { y }) {
			const total = numel(y.shape);
			gpu.launch({
				kernel: maxPoolGather,
				variant: { type: storageType(x) },
				buffers: { x: x.storage, indices: indices.storage, y: y.storage },
				params: paramsOf(ADAPTIVE, sizesOf(x, y), { total, offset: x.offset, indexOffset: indices.offset }),
				grid: grid(total),
				flops: 0,
				bytes: viewBytes(indices, y) + viewBytes(y),
			});
		},
		avgPool({ x }, { y }, attributes) {
			average(x, y, windowsOf(attributes), 'strided');
		},
		avgPoolGrad({ gradY }, { gradX }, attributes) {
			spread(gradY, gradX, windowsOf(attributes), 'strided');
		},
		adaptiveAvgPool({ x }, { y }) {
			average(x, y, ADAPTIVE, 'adaptive');
		},
		adaptiveAvgPoolGrad({ gradY }, { gradX }) {
			spread(gradY, gradX, ADAPTIVE, 'adaptive');
		},
		adaptiveMaxPool({ x }, { y, indices }) {
			pickMaxima(x, y, indices, ADAPTIVE, 'adaptive');
		},
		adaptiveMaxPoolGrad({ gradY, indices }, { gradX }) {
			sendToIndices(gradY, indices, gradX, ADAPTIVE, 'adaptive');
		},
	};
}
