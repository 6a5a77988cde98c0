/** Convolution in plain loops: the reference for shaders/conv.wgsl.ts. Sums are float64. */
import { numel, type Shape } from '../../core/shape';
import { asTriple, type ConvAttributes, type ConvKernels } from '../contract/conv';
import { cpuData } from './storage';

/**
 * Visits every product of a convolution, in runs along the width: for i in [0, count), y[y + i] pairs with x[x + i * xStep] and
 * `weight`. Positions are those of contiguous tensors at offset 0. Runs leave out padding.
 */
function forEachRun(
	shapes: { x: Shape; weight: Shape; y: Shape },
	{ stride, padding, dilation, groups }: ConvAttributes,
	visit: (y: number, x: number, weight: number, xStep: number, count: number) => void,
): void {
	const [batch, channels, ...size] = shapes.x as [number, number, ...number[]];
	const [outChannels, perGroup, ...kernel] = shapes.weight as [number, number, ...number[]];
	const [depth, height, width] = asTriple(size, 1);
	const [kd, kh, kw] = asTriple(kernel, 1);
	const [outDepth, outHeight, outWidth] = asTriple(shapes.y.slice(2), 1);
	const [sd, sh, sw] = asTriple(stride, 1);
	const [pd, ph, pw] = asTriple(padding, 0);
	const [dd, dh, dw] = asTriple(dilation, 1);

	for (let n = 0; n < batch; n++) {
		for (let o = 0; o < outChannels; o++) {
			const firstChannel = Math.floor(o / (outChannels / groups)) * perGroup;
			for (let c = 0; c < perGroup; c++) {
				const plane = (n * channels + firstChannel + c) * depth;
				for (let a = 0; a < kd; a++) {
					for (let b = 0; b < kh; b++) {
						for (let k = 0; k < kw; k++) {
							const weight = (((o * perGroup + c) * kd + a) * kh + b) * kw + k;
							const shift = k * dw - pw;
							const first = Math.max(0, Math.ceil(-shift / sw));
							const end = Math.min(outWidth, Math.floor((width - 1 - shift) / sw) + 1);
							if (end <= first) continue;
							for (let od = 0; od < outDepth; od++) {
								const z = od * sd - pd + a * dd;
								if (z < 0 || z >= depth) continue;
								for (let oh = 0; oh < outHeight; oh++) {
									const row = oh * sh - ph + b * dh;
									if (row < 0 || row >= height) continue;
									const y = (((n * outChannels + o) * outDepth + od) * outHeight + oh) * outWidth + first;
									const x = ((plane + z) * height + row) * width + first * sw + shift;
									visit(y, x, weight, sw, end - first);
								}
							}
						}
					}
				}
			}
		}
	}
}

/** Sums [batch, channels, ...spatial] that start at each channel's bias. */
function startWithBias(shape: Shape, bias: ArrayLike<number> | undefined, offset: number): Float64Array {
	const [batch, channels, ...size] = shape as [number, number, ...number[]];
	const plane = numel(size);
	const sums = new Float64Array(batch * channels * plane);
	if (bias === undefined) return sums;
	for (let row = 0; row < batch * channels; row++) sums.fill(bias[offset + (row % channels)]!, row * plane, (row + 1) * plane);
	return sums;
}

export const conv: ConvKernels = {
	conv({ x, weight, bias }, { y }, attributes) {
		const xs = cpuData(x);
		const ws = cpuData(weight);
		const sums = startWithBias(y.shape, bias && cpuData(bias), bias?.offset ?? 0);
		forEachRun({ x: x.shape, weight: weight.shape, y: y.shape }, attributes, (to, from, tap, step, count) => {
			const w = ws[weight.offset + tap]!;
			const start = x.offset + from;
			for (let i = 0; i < count; i++) sums[to + i]! += w * xs[start + i * step]!;
		});
		cpuData(y).set(sums, y.offset);
	},

	convInputGrad({ gradY, weight, bias }, { gradX }, attributes) {
		const gs = cpuData(gradY);
		const ws = cpuData(weight);
		const sums = startWithBias(gradX.shape, bias && cpuData(bias), bias?.offset ?? 0);
		forEachRun({ x: gradX.shape, weight: weight.shape, y: gradY.shape }, attributes, (from, to, tap, step, count) => {
			const w = ws[weight.offset + tap]!;
			const start = gradY.offset + from;
			for (let i = 0; i < count; i++) sums[to + i * step]! += w * gs[start + i]!;
		});
		cpuData(gradX).set(sums, gradX.offset);
	},

	convWeightGrad({ x, gradY }, { gradWeight }, attributes) {
		const xs = cpuData(x);
		const gs = cpuData(gradY);
		const sums = new Float64Array(numel(gradWeight.shape));
		forEachRun({ x: x.shape, weight: gradWeight.shape, y: gradY.shape }, attributes, (right, left, tap, step, count) => {
			const xStart = x.offset + left;
			const gStart = gradY.offset + right;
			let sum = 0;
			for (let i = 0; i < count; i++) sum += xs[xStart + i * step]! * gs[gStart + i]!;
			sums[tap]! += sum;
		});
		cpuData(gradWeight).set(sums, gradWeight.offset);
	},
};
