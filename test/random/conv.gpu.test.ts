import * as w from 'wgrad';
import type { Case, Draw } from './draw';
import { testRandom } from './drive';

const CONV = { 1: w.conv1d, 2: w.conv2d, 3: w.conv3d };
const TRANSPOSED = { 1: w.convTranspose1d, 2: w.convTranspose2d, 3: w.convTranspose3d };

/** One number, or one for each spatial dim. */
function perDim(d: Draw, rank: number, min: number, max: number): number[] {
	if (d.bool()) return new Array<number>(rank).fill(d.int(min, max));
	return Array.from({ length: rank }, () => d.int(min, max));
}

function channels(d: Draw): [groups: number, inputs: number, outputs: number] {
	const groups = d.oneIn(3) ? d.int(2, 5) : 1;
	if (groups > 1 && d.bool()) return [groups, 1, d.int(1, 2)];
	return [groups, d.oneIn(6) ? 17 : d.int(1, 5), d.oneIn(6) ? 33 : d.int(1, 5)];
}

function convolution(d: Draw): Case {
	const rank = d.pick([2, 2, 2, 1, 3] as const);
	const [groups, inputs, outputs] = channels(d);
	const kernel = perDim(d, rank, 1, 3);
	const dilation = perDim(d, rank, 1, 2);
	const same = d.oneIn(6);
	const stride = same ? 1 : perDim(d, rank, 1, 3);
	const padding = same ? ('same' as const) : perDim(d, rank, 0, 2);
	const size = kernel.map((taps, i) => (taps - 1) * dilation[i]! + d.int(1, rank === 3 ? 3 : 7));
	const batch = d.oneIn(8) ? [] : [d.oneIn(10) ? 0 : d.int(1, 3)];
	const x = d.input([...batch, groups * inputs, ...size]);
	const weight = d.input([groups * outputs, inputs, ...kernel]);
	const bias = d.bool() ? [d.input([groups * outputs])] : [];
	const options = { groups, stride, padding, dilation };
	return d.case(`conv${rank}d`, [x, weight, ...bias], ([s, t, u]) => CONV[rank](s!, t!, u ?? null, options), options);
}

function transposed(d: Draw): Case {
	const rank = d.pick([2, 2, 2, 1, 3] as const);
	const [groups, inputs, outputs] = channels(d);
	const kernel = perDim(d, rank, 1, 3);
	const dilation = perDim(d, rank, 1, 2);
	const stride = perDim(d, rank, 1, 3);
	const outputPadding = stride.map((step, i) => d.int(0, Math.max(step, dilation[i]!) - 1));
	const padding = kernel.map((taps, i) => d.int(0, Math.floor(((taps - 1) * dilation[i]!) / 2)));
	const size = kernel.map(() => d.int(1, rank === 3 ? 3 : 6));
	const batch = d.oneIn(8) ? [] : [d.oneIn(10) ? 0 : d.int(1, 3)];
	const x = d.input([...batch, groups * inputs, ...size]);
	const weight = d.input([groups * inputs, outputs, ...kernel]);
	const bias = d.bool() ? [d.input([groups * outputs])] : [];
	const options = { groups, stride, padding, outputPadding, dilation };
	const call = ([s, t, u]: w.Tensor[]) => TRANSPOSED[rank](s!, t!, u ?? null, options);
	return d.case(`convTranspose${rank}d`, [x, weight, ...bias], call, options);
}

testRandom('conv', (d) => d.pick([convolution, convolution, convolution, transposed])(d));
