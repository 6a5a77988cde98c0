/** Sampling of images, boxes, and spectra. */
import { ShapeError } from '../../../core/errors';
import { arange, zerosLike } from '../../../ops/creation';
import * as ops from '../../../ops/elementwise';
import { fft, ifft, irfft, rfft } from '../../../ops/fourier';
import { indexSelect } from '../../../ops/indexing';
import { cat, narrow, reshape, squeeze } from '../../../ops/layout';
import { affineGrid, gridSample } from '../../../ops/sample';
import type { Tensor } from '../../../tensor';
import {
	axisOf,
	type Call,
	has,
	hostInts,
	input,
	number,
	numbers,
	optional,
	type Result,
	type Table,
	unsupported,
} from '../operator';

function sampleGrid(call: Call): Tensor {
	const { attributes } = call;
	const x = input(call, 0);
	const mode = attributes.choice('mode', ['bilinear', 'linear', 'nearest', 'cubic', 'bicubic']);
	if (x.ndim !== 4) unsupported(call, `an input of ${x.ndim} dims`);
	return gridSample(x, input(call, 1), {
		mode: mode === 'nearest' ? mode : mode === 'cubic' || mode === 'bicubic' ? 'bicubic' : 'bilinear',
		paddingMode: attributes.choice('padding_mode', ['zeros', 'border', 'reflection']),
		alignCorners: attributes.flag('align_corners'),
	});
}

/** Chooses boxes on the host: the best of each class that overlaps no better one too much, as rows [batch, class, box]. */
function nonMaxSuppression(call: Call): Result {
	const [boxes, scores] = [numbers(call, 0), numbers(call, 1)];
	const [batches, classes, count] = input(call, 1).shape as [number, number, number];
	const most = number(call, 2, 0);
	const [overlap, threshold] = [number(call, 3, 0), has(call, 4) ? number(call, 4) : Number.NEGATIVE_INFINITY];
	const isCentred = call.attributes.int('center_point_box', 0) === 1;
	const cornersOf = (batch: number, box: number) => {
		const at = 4 * (batch * count + box);
		const [a, b, c, d] = boxes.slice(at, at + 4) as [number, number, number, number];
		if (isCentred) return [b - d / 2, a - c / 2, b + d / 2, a + c / 2] as const;
		return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)] as const;
	};
	const rows: number[] = [];
	for (let batch = 0; batch < batches; batch++) {
		const corners = Array.from({ length: count }, (_, box) => cornersOf(batch, box));
		for (let c = 0; c < classes; c++) {
			const score = (box: number) => scores[(batch * classes + c) * count + box]!;
			const order = corners.map((_, box) => box).filter((box) => score(box) > threshold);
			order.sort((a, b) => score(b) - score(a));
			const chosen: number[] = [];
			for (const box of order) {
				if (chosen.length >= most) break;
				if (chosen.every((other) => shared(corners[box]!, corners[other]!) <= overlap)) chosen.push(box);
			}
			rows.push(...chosen.flatMap((box) => [batch, c, box]));
		}
	}
	return hostInts(rows, [rows.length / 3, 3]);
}

type Box = readonly [top: number, left: number, bottom: number, right: number];

/** The intersection of two boxes over their union. */
function shared(a: Box, b: Box): number {
	const area = ([top, left, bottom, right]: Box) => (bottom - top) * (right - left);
	const height = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
	const width = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
	if (height <= 0 || width <= 0) return 0;
	const both = height * width;
	return both / (area(a) + area(b) - both);
}

/** Signals [..., n, 1] are real, [..., n, 2] complex. The axis is an attribute before version 20. */
function fourier(call: Call): Tensor {
	const { attributes, version } = call;
	const x = input(call, 0);
	const axis = version < 20 ? attributes.int('axis', 1) : number(call, 2, -2);
	const dim = axisOf(call, axis, x.ndim);
	if (dim === x.ndim - 1) throw new ShapeError('DFT: the axis must not be that of real and imaginary part');
	const options = { dim, ...(has(call, 1) && { n: number(call, 1) }) };
	const isReal = x.shape.at(-1) === 1;
	const onesided = attributes.flag('onesided');
	if (attributes.flag('inverse')) {
		if (onesided) return reshapeReal(irfft(complex(x), options));
		return ifft(complex(x), options);
	}
	if (isReal && onesided) return rfft(squeeze(x, -1), options);
	const y = fft(complex(x), options);
	return onesided ? narrow(y, dim, 0, Math.floor(y.shape[dim]! / 2) + 1) : y;
}

function complex(x: Tensor): Tensor {
	return x.shape.at(-1) === 1 ? cat([x, zerosLike(x)], -1) : x;
}

function reshapeReal(x: Tensor): Tensor {
	return reshape(x, [...x.shape, 1]);
}

/** The spectra of overlapping frames: [B, L, 1 or 2] to [B, frames, bins, 2]. */
function shortTime(call: Call): Tensor {
	const x = input(call, 0);
	const step = number(call, 1);
	const window = optional(call, 2);
	const length = has(call, 3) ? number(call, 3) : (window?.shape[0] ?? x.shape[1]!);
	const frames = Math.floor((x.shape[1]! - length) / step) + 1;
	if (!(frames >= 1)) throw new ShapeError(`STFT: ${x.shape[1]} elements hold no frame of ${length}`);
	const starts = ops.mul(arange(frames, { dtype: 'int32', device: x.device }), step);
	const at = ops.add(reshape(starts, [frames, 1]), arange(length, { dtype: 'int32', device: x.device }));
	const parts = x.shape.at(-1)!;
	const cut = reshape(indexSelect(x, 1, reshape(at, [-1])), [x.shape[0]!, frames, length, parts]);
	const shaped = window === null ? cut : ops.mul(cut, reshape(window, [length, 1]));
	const onesided = call.attributes.flag('onesided', true);
	if (parts === 1 && onesided) return rfft(squeeze(shaped, -1));
	const y = fft(complex(shaped), { dim: 2 });
	return onesided ? narrow(y, 2, 0, Math.floor(length / 2) + 1) : y;
}

export const SIGNALS: Table = {
	GridSample: { run: sampleGrid },
	AffineGrid: {
		run: (call) => {
			const size = numbers(call, 1);
			if (size.length !== 4) unsupported(call, `a grid of ${size.length - 2} dims`);
			return affineGrid(input(call, 0), size, { alignCorners: call.attributes.flag('align_corners') });
		},
	},
	NonMaxSuppression: { run: nonMaxSuppression },
	DFT: { run: fourier },
	STFT: { run: shortTime },
};
