/** Images sampled at arbitrary positions, in plain loops: the reference for shaders/sample.wgsl.ts. */
import type { View } from '../contract';
import type { SampleAttributes, SampleKernels, SamplePadding } from '../contract/sample';
import { cpuData } from './storage';

/** Rounds to the nearest integer; ties go to the even one. */
function roundToEven(value: number): number {
	const rounded = Math.round(value);
	return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Reflects `position` between 0 and `span`. */
function mirrored(position: number, span: number): number {
	if (span === 0) return 0;
	const rest = Math.abs(position) % (2 * span);
	return rest > span ? 2 * span - rest : rest;
}

/** Maps a position into 0 .. size - 1 by the padding rule; 'constant' changes nothing. */
function folded(position: number, size: number, padding: SamplePadding): number {
	const clamped = (inside: number) => Math.min(Math.max(inside, 0), size - 1);
	switch (padding) {
		case 'constant':
			return position;
		case 'edge':
			return clamped(position);
		case 'reflect':
			return mirrored(position, size - 1);
		case 'symmetric':
			return clamped(mirrored(position + 0.5, size) - 0.5);
	}
}

/** Keys' cubic kernel with A = -0.75, for a pixel at this distance. */
function cubic(distance: number): number {
	const d = Math.abs(distance);
	if (d <= 1) return (1.25 * d - 2.25) * d * d + 1;
	return d < 2 ? ((-0.75 * d + 3.75) * d - 6) * d + 3 : 0;
}

function sampleAt(
	x: View,
	y: View,
	{ mode, padding, fill }: SampleAttributes,
	positionOf: (n: number, i: number, j: number) => readonly [column: number, row: number],
): void {
	const [batch, channels, height, width] = x.shape as [number, number, number, number];
	const [, , outHeight, outWidth] = y.shape as [number, number, number, number];
	const [stepN, stepC, stepH, stepW] = x.strides as [number, number, number, number];
	const xs = cpuData(x);
	const ys = cpuData(y);
	const plane = outHeight * outWidth;
	for (let n = 0; n < batch; n++) {
		for (let pixel = 0; pixel < plane; pixel++) {
			const [column, row] = positionOf(n, Math.floor(pixel / outWidth), pixel % outWidth);
			const [atX, atY] = mode === 'bicubic' ? [column, row] : [folded(column, width, padding), folded(row, height, padding)];
			for (let c = 0; c < channels; c++) {
				const from = x.offset + n * stepN + c * stepC;
				const valueAt = (px: number, py: number) =>
					px >= 0 && px < width && py >= 0 && py < height ? xs[from + py * stepH + px * stepW]! : fill;
				const to = y.offset + (n * channels + c) * plane + pixel;
				if (mode === 'nearest') {
					ys[to] = valueAt(roundToEven(atX), roundToEven(atY));
					continue;
				}
				const left = Math.floor(atX);
				const top = Math.floor(atY);
				if (mode === 'bicubic') {
					let total = 0;
					for (let py = top - 1; py <= top + 2; py++) {
						for (let px = left - 1; px <= left + 2; px++) {
							const weight = cubic(atX - px) * cubic(atY - py);
							if (weight !== 0) total += valueAt(folded(px, width, padding), folded(py, height, padding)) * weight;
						}
					}
					ys[to] = total;
					continue;
				}
				const right = atX - left;
				const below = atY - top;
				// A neighbour without weight may lie outside the image or be NaN, so it must not enter the sum.
				let sum = valueAt(left, top) * (1 - right) * (1 - below);
				if (right > 0) sum += valueAt(left + 1, top) * right * (1 - below);
				if (below > 0) sum += valueAt(left, top + 1) * (1 - right) * below;
				if (right > 0 && below > 0) sum += valueAt(left + 1, top + 1) * right * below;
				ys[to] = sum;
			}
		}
	}
}

export const sample: SampleKernels = {
	affineSample({ x, matrices }, { y }, attributes) {
		const values = cpuData(matrices);
		const [stepN, step] = matrices.strides as [number, number];
		sampleAt(x, y, attributes, (n, i, j) => {
			const m = (k: number) => values[matrices.offset + n * stepN + k * step]!;
			return [m(0) * j + m(1) * i + m(2), m(3) * j + m(4) * i + m(5)];
		});
	},
	gridSample({ x, grid }, { y }, { scale, shift, ...attributes }) {
		const values = cpuData(grid);
		const [stepN, stepH, stepW, step] = grid.strides as [number, number, number, number];
		sampleAt(x, y, attributes, (n, i, j) => {
			const at = grid.offset + n * stepN + i * stepH + j * stepW;
			return [(values[at]! + 1) * scale[0] + shift[0], (values[at + step]! + 1) * scale[1] + shift[1]];
		});
	},
};
