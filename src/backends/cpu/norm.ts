/** Normalisation in plain loops: the reference for shaders/norm.wgsl.ts. Sums are float64. */
import { numel } from '../../core/shape';
import type { View } from '../contract';
import type { GroupNormShape, NormKernels, NormShape } from '../contract/norm';
import { meanOf } from './reduce';
import { cpuData, storeParts } from './storage';

/** Reads element i of a contiguous view; `fallback` if the view is missing. */
function elements(view: View | undefined, fallback: number): (i: number) => number {
	if (view === undefined) return () => fallback;
	const data = cpuData(view);
	return (i) => data[view.offset + i]!;
}

/** Visits the elements of channel c of all samples. */
function forEachOfChannel({ batch, channels, spatial }: NormShape, c: number, visit: (i: number, b: number) => void): void {
	for (let b = 0; b < batch; b++) {
		const start = (b * channels + c) * spatial;
		for (let i = start; i < start + spatial; i++) visit(i, b);
	}
}

function store(view: View | undefined, i: number, value: number): void {
	if (view !== undefined) cpuData(view)[view.offset + i] = value;
}

/** Groups as runs of `length` adjacent elements; `channelOf` gives the channel of an element of x. */
function groupsOf({ batch, channels, groups, spatial }: GroupNormShape) {
	return {
		count: batch * groups,
		length: (channels / groups) * spatial,
		channelOf: (i: number) => Math.floor(i / spatial) % channels,
	};
}

/** Reads means. Running means have one part, the others two. */
function means(view: View | undefined): (i: number) => number {
	const part = elements(view, 0);
	const { shape } = view ?? { shape: [0] };
	if (shape.length === 1) return part;
	const count = numel(shape.slice(1));
	return (i) => part(i) + part(count + i);
}

function storeMean(view: View | undefined, i: number, value: number): void {
	if (view === undefined) return;
	storeParts(cpuData(view), view.offset + i, view.offset + i + view.strides[0]!, value);
}

export const norm: NormKernels = {
	groupNorm({ x, weight, bias }, { y, mean, rstd }, { eps, ...shape }) {
		const { count, length, channelOf } = groupsOf(shape);
		const [input, scale, shift] = [elements(x, 0), elements(weight, 1), elements(bias, 0)];
		for (let g = 0; g < count; g++) {
			const [start, end] = [g * length, (g + 1) * length];
			const centre = mean ? meanOf((j) => input(start + j), length) : 0;
			let variance = 0;
			for (let i = start; i < end; i++) variance += (input(i) - centre) ** 2 / length;
			const factor = 1 / Math.sqrt(variance + eps);
			for (let i = start; i < end; i++) {
				store(y, i, (input(i) - centre) * factor * scale(channelOf(i)) + shift(channelOf(i)));
			}
			storeMean(mean, g, centre);
			store(rstd, g, factor);
		}
	},

	groupNormGrad({ x, gradient, mean, rstd, weight }, { dx }, shape) {
		const { count, length, channelOf } = groupsOf(shape);
		const [input, incoming, scale] = [elements(x, 0), elements(gradient, 0), elements(weight, 1)];
		const [centre, factor] = [means(mean), elements(rstd, 1)];
		for (let g = 0; g < count; g++) {
			const [start, end] = [g * length, (g + 1) * length];
			const normal = (i: number) => (input(i) - centre(g)) * factor(g);
			const scaled = (i: number) => incoming(i) * scale(channelOf(i));
			let level = 0;
			let slope = 0;
			for (let i = start; i < end; i++) {
				if (mean) level += scaled(i) / length;
				slope += (scaled(i) * normal(i)) / length;
			}
			for (let i = start; i < end; i++) store(dx, i, factor(g) * (scaled(i) - level - normal(i) * slope));
		}
	},

	normParametersGrad({ x, gradient, mean, rstd }, { dweight, dbias }, shape) {
		const { channels, groups } = shape;
		const [input, incoming] = [elements(x, 0), elements(gradient, 0)];
		const [centre, factor] = [means(mean), elements(rstd, 1)];
		for (let c = 0; c < channels; c++) {
			let slope = 0;
			let level = 0;
			forEachOfChannel(shape, c, (i, b) => {
				const s = groups === 0 ? c : b * groups + Math.floor(c / (channels / groups));
				slope += incoming(i) * (input(i) - centre(s)) * factor(s);
				level += incoming(i);
			});
			store(dweight, c, slope);
			store(dbias, c, level);
		}
	},

	channelStatistics({ x }, { mean, variance }, shape) {
		const input = elements(x, 0);
		const count = shape.batch * shape.spatial;
		for (let c = 0; c < shape.channels; c++) {
			const values: number[] = [];
			forEachOfChannel(shape, c, (i) => values.push(input(i)));
			const centre = meanOf((j) => values[j]!, count);
			let spread = 0;
			for (const value of values) spread += (value - centre) ** 2 / count;
			storeMean(mean, c, centre);
			store(variance, c, spread);
		}
	},

	channelScale({ mean, variance }, { rstd, runningMean, runningVar }, { eps, momentum, count }) {
		const [centre, spread] = [means(mean), elements(variance, 0)];
		const [oldMean, oldVariance] = [elements(runningMean, 0), elements(runningVar, 0)];
		for (let c = 0; c < variance.shape[0]!; c++) {
			const unbiased = (spread(c) * count) / (count - 1);
			store(runningMean, c, oldMean(c) + momentum * (centre(c) - oldMean(c)));
			store(runningVar, c, oldVariance(c) + momentum * (unbiased - oldVariance(c)));
			store(rstd, c, 1 / Math.sqrt(spread(c) + eps));
		}
	},

	channelNorm({ x, mean, rstd, weight, bias }, { y }, shape) {
		const [input, centre, factor] = [elements(x, 0), means(mean), elements(rstd, 1)];
		const [scale, shift] = [elements(weight, 1), elements(bias, 0)];
		for (let c = 0; c < shape.channels; c++) {
			forEachOfChannel(shape, c, (i) => store(y, i, (input(i) - centre(c)) * factor(c) * scale(c) + shift(c)));
		}
	},

	channelNormGrad({ x, gradient, mean, rstd, weight, dweight, dbias }, { dx }, shape) {
		const [input, incoming, scale] = [elements(x, 0), elements(gradient, 0), elements(weight, 1)];
		const [centre, factor] = [means(mean), elements(rstd, 1)];
		const [slope, level] = [elements(dweight, 0), elements(dbias, 0)];
		const count = shape.batch * shape.spatial;
		for (let c = 0; c < shape.channels; c++) {
			forEachOfChannel(shape, c, (i) => {
				const normal = (input(i) - centre(c)) * factor(c);
				store(dx, i, scale(c) * factor(c) * (incoming(i) - level(c) / count - (normal * slope(c)) / count));
			});
		}
	},
};
