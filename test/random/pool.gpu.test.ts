import * as w from 'wgrad';
import type { Case, Draw } from './draw';
import { testRandom } from './drive';

const MAX = { 1: w.maxPool1d, 2: w.maxPool2d, 3: w.maxPool3d };
const AVG = { 1: w.avgPool1d, 2: w.avgPool2d, 3: w.avgPool3d };

function perDim(d: Draw, rank: number, min: number, max: number): number[] {
	return d.bool() ? new Array<number>(rank).fill(d.int(min, max)) : Array.from({ length: rank }, () => d.int(min, max));
}

function planes(d: Draw): number[] {
	return d.oneIn(6) ? [d.int(1, 5)] : [d.oneIn(10) ? 0 : d.int(1, 3), d.int(1, 5)];
}

function windows(d: Draw): Case {
	const rank = d.pick([2, 2, 2, 1, 3] as const);
	const max = d.bool();
	const kernel = d.oneIn(4) ? new Array<number>(rank).fill(2) : perDim(d, rank, 1, 4);
	const dilation = max ? perDim(d, rank, 1, 2) : new Array<number>(rank).fill(1);
	const padding = kernel.map((size) => d.int(0, Math.floor(size / 2)));
	const ceilMode = d.bool();
	const stride = d.bool() ? kernel : perDim(d, rank, 1, 4);
	const size = kernel.map((taps, i) => (taps - 1) * dilation[i]! + d.int(1, rank === 3 ? 3 : 9));
	const ties = max && d.bool();
	const x = d.input([...planes(d), ...size], 'float32', ties ? { multipleOf: 0.5 } : max ? { distinct: true } : {});
	if (max) {
		const options = { stride, padding, dilation, ceilMode, returnIndices: true as const };
		const call = ([t]: w.Tensor[]) => [...MAX[rank](t!, kernel, options)];
		return d.case(`maxPool${rank}d`, [x], call, { kernel, ...options }, { ties });
	}
	const options = {
		stride,
		padding,
		ceilMode,
		countIncludePad: d.bool(),
		...(rank > 1 && d.oneIn(4) && { divisorOverride: 3 }),
	};
	return d.case(`avgPool${rank}d`, [x], ([t]) => AVG[rank](t!, kernel, options), { kernel, ...options });
}

function adaptive(d: Draw): Case {
	const size = [d.int(1, 12), d.int(1, 12)];
	const output = [d.int(1, 7), d.int(1, 7)];
	const x = d.input([...planes(d), ...size], 'float32', { distinct: true });
	const line = d.input([...planes(d), size[0]!]);
	return d.pick<() => Case>([
		() => d.case('adaptiveAvgPool2d', [x], ([t]) => w.adaptiveAvgPool2d(t!, output), { output }),
		() => d.case('adaptiveAvgPool1d', [line], ([t]) => w.adaptiveAvgPool1d(t!, output[0]!), { output: output[0] }),
		() => d.case('adaptiveMaxPool2d', [x], ([t]) => [...w.adaptiveMaxPool2d(t!, output, { returnIndices: true })], { output }),
	])();
}

testRandom('pool', (d) => d.pick([windows, windows, windows, adaptive])(d));
