/** Pooling in plain loops: the reference for shaders/pool.wgsl.ts. Sums are float64. */
import { numel } from '../../core/shape';
import type { View } from '../contract';
import { asTriple, type Triple } from '../contract/conv';
import type { AvgPoolAttributes, MaxPoolAttributes, PoolKernels } from '../contract/pool';
import { cpuData } from './storage';

/** A window in one dimension: its begin, its end (exclusive; neither is clamped) and the step between its elements. */
interface Window {
	readonly begin: number;
	readonly end: number;
	readonly step: number;
}

type WindowOf = (dimension: 0 | 1 | 2, i: number) => Window;

interface Planes {
	readonly count: number;
	readonly size: Triple;
	readonly outSize: Triple;
}

function planesOf(x: View, y: View): Planes {
	return { count: x.shape[0]! * x.shape[1]!, size: asTriple(x.shape.slice(2), 1), outSize: asTriple(y.shape.slice(2), 1) };
}

function strided(attributes: {
	kernel: readonly number[];
	stride: readonly number[];
	padding: readonly number[];
	dilation?: readonly number[];
}): WindowOf {
	const kernel = asTriple(attributes.kernel, 1);
	const stride = asTriple(attributes.stride, 1);
	const padding = asTriple(attributes.padding, 0);
	const dilation = asTriple(attributes.dilation ?? [], 1);
	return (dimension, i) => {
		const begin = i * stride[dimension] - padding[dimension];
		return { begin, end: begin + kernel[dimension] * dilation[dimension], step: dilation[dimension] };
	};
}

function adaptive({ size, outSize }: Planes): WindowOf {
	return (dimension, i) => ({
		begin: Math.floor((i * size[dimension]) / outSize[dimension]),
		end: Math.ceil(((i + 1) * size[dimension]) / outSize[dimension]),
		step: 1,
	});
}

/** Calls `visit` for every output of a plane, with its window in the three dimensions. */
function forEachWindow(
	outSize: Triple,
	windowOf: WindowOf,
	visit: (output: number, windows: readonly [Window, Window, Window]) => void,
): void {
	let output = 0;
	for (let d = 0; d < outSize[0]; d++) {
		const depth = windowOf(0, d);
		for (let h = 0; h < outSize[1]; h++) {
			const height = windowOf(1, h);
			for (let w = 0; w < outSize[2]; w++) visit(output++, [depth, height, windowOf(2, w)]);
		}
	}
}

/** Visits the positions of a window that lie inside the plane, in order. */
function forEachInside(windows: readonly [Window, Window, Window], size: Triple, visit: (position: number) => void): void {
	const [depth, height, width] = windows;
	for (let z = depth.begin; z < depth.end; z += depth.step) {
		if (z < 0 || z >= size[0]) continue;
		for (let y = height.begin; y < height.end; y += height.step) {
			if (y < 0 || y >= size[1]) continue;
			for (let x = width.begin; x < width.end; x += width.step) {
				if (x >= 0 && x < size[2]) visit((z * size[1] + y) * size[2] + x);
			}
		}
	}
}

function pickMaxima(x: View, y: View, indices: View, windowOf: WindowOf): void {
	const { count, size, outSize } = planesOf(x, y);
	const xs = cpuData(x);
	const ys = cpuData(y);
	const chosen = cpuData(indices);
	for (let plane = 0; plane < count; plane++) {
		const from = x.offset + plane * numel(size);
		const to = plane * numel(outSize);
		forEachWindow(outSize, windowOf, (output, windows) => {
			let best = -Infinity;
			let index = -1;
			forEachInside(windows, size, (position) => {
				const value = xs[from + position]!;
				if (index < 0 || value > best || Number.isNaN(value)) {
					best = value;
					index = position;
				}
			});
			ys[y.offset + to + output] = best;
			chosen[indices.offset + to + output] = index;
		});
	}
}

function sendToIndices(gradY: View, indices: View, gradX: View): void {
	const { count, size, outSize } = planesOf(gradX, gradY);
	const gradients = cpuData(gradY);
	const chosen = cpuData(indices);
	const sums = new Float64Array(count * numel(size));
	const outputs = numel(outSize);
	for (let i = 0; i < count * outputs; i++) {
		const index = chosen[indices.offset + i]!;
		if (index >= 0) sums[Math.floor(i / outputs) * numel(size) + index]! += gradients[gradY.offset + i]!;
	}
	cpuData(gradX).set(sums, gradX.offset);
}

/** The divisor of a window of `avgPool`: the number of its elements inside the padded input, or inside the input. */
function divisorOf(windows: readonly [Window, Window, Window], size: Triple, attributes: AvgPoolAttributes): number {
	if (attributes.divisorOverride !== undefined) return attributes.divisorOverride;
	const padding = asTriple(attributes.padding, 0);
	let divisor = 1;
	windows.forEach(({ begin, end }, dimension) => {
		const whole = size[dimension]!;
		const around = attributes.countIncludePad ? padding[dimension]! : 0;
		divisor *= Math.max(0, Math.min(end, whole + around) - Math.max(begin, -around));
	});
	return divisor;
}

function average(
	x: View,
	y: View,
	windowOf: WindowOf,
	divisor: (windows: readonly [Window, Window, Window], size: Triple) => number,
): void {
	const { count, size, outSize } = planesOf(x, y);
	const xs = cpuData(x);
	const ys = cpuData(y);
	for (let plane = 0; plane < count; plane++) {
		const from = x.offset + plane * numel(size);
		const to = y.offset + plane * numel(outSize);
		forEachWindow(outSize, windowOf, (output, windows) => {
			let sum = 0;
			let inside = 0;
			forEachInside(windows, size, (position) => {
				sum += xs[from + position]!;
				inside++;
			});
			ys[to + output] = inside === 0 ? 0 : sum / divisor(windows, size);
		});
	}
}

function spread(
	gradY: View,
	gradX: View,
	windowOf: WindowOf,
	divisor: (windows: readonly [Window, Window, Window], size: Triple) => number,
): void {
	const { count, size, outSize } = planesOf(gradX, gradY);
	const gradients = cpuData(gradY);
	const sums = new Float64Array(count * numel(size));
	for (let plane = 0; plane < count; plane++) {
		const from = gradY.offset + plane * numel(outSize);
		const to = plane * numel(size);
		forEachWindow(outSize, windowOf, (output, windows) => {
			const share = gradients[from + output]! / divisor(windows, size);
			forEachInside(windows, size, (position) => {
				sums[to + position]! += share;
			});
		});
	}
	cpuData(gradX).set(sums, gradX.offset);
}

/** Windows of adaptive pooling never leave the input, so their size is their divisor. */
const windowSize = (windows: readonly Window[]): number => windows.reduce((size, { begin, end }) => size * (end - begin), 1);

export const pool: PoolKernels = {
	maxPool({ x }, { y, indices }, attributes: MaxPoolAttributes) {
		pickMaxima(x, y, indices, strided(attributes));
	},
	maxPoolGrad({ gradY, indices }, { gradX }) {
		sendToIndices(gradY, indices, gradX);
	},
	maxPoolGather({ x, indices }, { y }) {
		const { count, size, outSize } = planesOf(x, y);
		const xs = cpuData(x);
		const chosen = cpuData(indices);
		const ys = cpuData(y);
		const outputs = numel(outSize);
		for (let i = 0; i < count * outputs; i++) {
			const index = chosen[indices.offset + i]!;
			ys[y.offset + i] = index < 0 ? 0 : xs[x.offset + Math.floor(i / outputs) * numel(size) + index]!;
		}
	},
	avgPool({ x }, { y }, attributes) {
		average(x, y, strided(attributes), (windows, size) => divisorOf(windows, size, attributes));
	},
	avgPoolGrad({ gradY }, { gradX }, attributes) {
		spread(gradY, gradX, strided(attributes), (windows, size) => divisorOf(windows, size, attributes));
	},
	adaptiveAvgPool({ x }, { y }) {
		average(x, y, adaptive(planesOf(x, y)), windowSize);
	},
	adaptiveAvgPoolGrad({ gradY }, { gradX }) {
		spread(gradY, gradX, adaptive(planesOf(gradX, gradY)), windowSize);
	},
	adaptiveMaxPool({ x }, { y, indices }) {
		pickMaxima(x, y, indices, adaptive(planesOf(x, y)));
	},
	adaptiveMaxPoolGrad({ gradY, indices }, { gradX }) {
		sendToIndices(gradY, indices, gradX);
	},
};
