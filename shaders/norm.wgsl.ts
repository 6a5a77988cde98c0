/**
 * Normalisation of a contiguous x, seen as [batch, channels, spatial]: the contract is src/backends/contract/norm.ts. This file
 * normalises groups; normChannels.wgsl.ts has the kernels with per-channel statistics or results.
 *
 * A row is the channels / groups * spatial adjacent elements of a group. Forward finds its mean, then the mean square of the
 * deviations, then y. It reads the row three times, from memory once. The mean of the deviations is the rounding error of the
 * mean; it is subtracted too (the corrected two-pass algorithm of Chan, Golub and LeVeque 1983), so that rows far from 0 lose
 * nothing. Backward finds two sums, then dx.
 *
 *   lanes = 1         one invocation walks a row alone: short rows, and software adapters with many rows.
 *   lanes = 64, 256   a workgroup walks a row together, and between the passes each invocation adds up the results of all
 *                     (workgroupReduction.ts): GPUs.
 *   wide              reads and writes are vec4: offsets and rows are multiples of 4, and so is spatial unless groups
 *                     and spatial are 1.
 *
 * x, gradient, y, dx, weight and bias are of the storage type; statistics are f32. Means come in two parts, a float32 and its
 * rounding error, which may exceed the distance of most elements from the mean.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, read, readWrite, type StorageType, WORKGROUP_SIZE } from './shader';
import { workgroupSum } from './workgroupReduction';

/** The declarations that all kernels of the family share: types, and functions that read weight and bias at a channel. */
export function preamble(storage: StorageType, wide: boolean, spatial: boolean): string {
	const vector = (type: string) => (wide ? `vec4<${type}>` : type);
	return wgsl`
alias T = ${storage};
alias V = ${vector(storage)};
alias F = ${vector('f32')};
// The types of per-channel values: four at once if a vec4 spans four channels.
alias VC = ${spatial ? storage : vector(storage)};
alias FC = ${spatial ? 'f32' : vector('f32')};
`;
}

/** The sum of the elements of a vector, after `preamble`. */
export function horizontalSum(wide: boolean): string {
	return `fn horizontal(v: F) -> f32 { return ${wide ? '(v.x + v.y) + (v.z + v.w)' : 'v'}; }`;
}

export type NormRowsVariant = {
	kind: 'forward' | 'backward';
	storage: StorageType;
	centred: boolean;
	weight: boolean;
	bias: boolean;
	/**
	 * Whether a channel has several elements in a row, or rows have different channels. If not (layer normalisation: groups and
	 * spatial are 1), element j of every row has weight j, and invocations that walk separate rows read the same weight at once.
	 */
	spatial: boolean;
	wide: boolean;
	lanes: 1 | 64 | 256;
};

export const normRows = defineKernel({
	name: 'norm.rows',
	params: {
		rows: 'u32',
		/** The length of a row. */
		length: 'u32',
		groups: 'u32',
		groupChannels: 'u32',
		spatial: 'u32',
		offsetX: 'u32',
		offsetGradient: 'u32?',
		offsetMean: 'u32?',
		offsetRstd: 'u32',
		offsetWeight: 'u32?',
		offsetBias: 'u32?',
		eps: 'f32',
	},
	define({ kind, storage, centred, weight, bias, spatial, wide, lanes }: NormRowsVariant) {
		const width = wide ? 4 : 1;
		const workgroupSize = Math.max(WORKGROUP_SIZE, lanes);
		const backward = kind === 'backward';
		const statistics = backward ? read('f32') : readWrite('f32');
		const functions = wgsl`
${preamble(storage, wide, spatial)}
#if ${lanes > 1}
${workgroupSum('vec2<f32>', workgroupSize)}
#endif

${horizontalSum(wide)}

/** Adds up over a row what each lane found; every lane gets the sums. */
fn rowSums(mine: vec2<f32>, lid: u32) -> vec2<f32> {
#if ${lanes > 1}
	return workgroupSum(mine, lid);
#else
	return mine;
#endif
}

fn inputAt(row: u32, j: u32) -> F {
	return F(x[(p.offsetX + row * p.length + j) / ${width}u]);
}

/** The index of weight and bias for element j of a row. */
fn channelAt(row: u32, j: u32) -> u32 {
#if ${spatial}
	return (row % p.groups) * p.groupChannels + j / p.spatial;
#else
	return j;
#endif
}

#if ${weight}
fn weightAt(channel: u32) -> FC {
	return FC(weight[(p.offsetWeight + channel)${wide && !spatial ? ' / 4u' : ''}]);
}
#endif

#if ${bias}
fn biasAt(channel: u32) -> FC {
	return FC(bias[(p.offsetBias + channel)${wide && !spatial ? ' / 4u' : ''}]);
}
#endif

#if ${backward}
/** gradient * weight */
fn scaledAt(row: u32, j: u32) -> F {
	let incoming = F(gradient[(p.offsetGradient + row * p.length + j) / ${width}u]);
#if ${weight}
	return incoming * weightAt(channelAt(row, j));
#else
	return incoming;
#endif
}

fn normalise(row: u32, lane: u32, lid: u32) {
	let count = f32(p.length);
	// Not the constant 2: compilers unroll loops of known length, and each load and store of a second walk would be compiled again.
	let walks = select(0u, 2u, p.length > 0u);
#if ${centred}
	let mean = means[p.offsetMean + row];
	let correction = means[p.offsetMean + p.rows + row];
#else
	let mean = 0.0;
	let correction = 0.0;
#endif
	let rstd = rstds[p.offsetRstd + row];
	var level = F();
	var slope = F();
	var sums = vec2<f32>();
	// The first walk sums, the second writes.
	for (var walk = 0u; walk < walks; walk++) {
		for (var j = lane * ${width}u; j < p.length; j += ${lanes * width}u) {
			let scaled = scaledAt(row, j);
			let normal = ((inputAt(row, j) - mean) - correction) * rstd;
			level += scaled;
			slope += scaled * normal;
			if (walk == 1u) {
#if ${centred}
				let value = rstd * (scaled - sums.x - normal * sums.y);
#else
				let value = rstd * (scaled - normal * sums.y);
#endif
				result[(row * p.length + j) / ${width}u] = V(value);
			}
		}
		if (walk == 0u) {
			sums = rowSums(vec2(horizontal(level), horizontal(slope)), lid) / count;
		}
	}
}
#else
fn normalise(row: u32, lane: u32, lid: u32) {
	let count = f32(p.length);
	// Not a constant, as in backward.
	let walks = select(0u, 2u, p.length > 0u);
#if ${centred}
	// The first walk finds the mean, from the deviations from the first element, so that equal elements leave exactly 0.
	// The second walk finds the mean square and the mean of the deviations from that mean.
	var mean = f32(x[(p.offsetX + row * p.length) / ${width}u]${wide ? '.x' : ''});
#else
	let mean = 0.0;
#endif
	var sums = vec2<f32>();
	for (var walk = ${centred ? 0 : 1}u; walk < walks; walk++) {
		var spread = F();
		var drift = F();
		for (var j = lane * ${width}u; j < p.length; j += ${lanes * width}u) {
			let deviation = inputAt(row, j) - mean;
			spread += deviation * deviation;
			drift += deviation;
		}
		sums = rowSums(vec2(horizontal(spread), horizontal(drift)), lid) / count;
#if ${centred}
		if (walk == 0u) {
			mean += sums.y;
		}
#endif
	}
#if ${centred}
	let correction = sums.y;
	let variance = max(sums.x - correction * correction, 0.0);
#else
	let correction = 0.0;
	let variance = sums.x;
#endif
	let rstd = 1.0 / sqrt(variance + p.eps);
	for (var j = lane * ${width}u; j < p.length; j += ${lanes * width}u) {
		var value = ((inputAt(row, j) - mean) - correction) * rstd;
#if ${weight || bias}
		let channel = channelAt(row, j);
#endif
#if ${weight}
		value *= weightAt(channel);
#endif
#if ${bias}
		value += biasAt(channel);
#endif
		result[(row * p.length + j) / ${width}u] = V(value);
	}
	if (lane == 0u) {
#if ${centred}
		means[p.offsetMean + row] = mean;
		means[p.offsetMean + p.rows + row] = correction;
#endif
		rstds[p.offsetRstd + row] = rstd;
	}
}
#endif
`;
		return {
			bindings: {
				x: read('V'),
				gradient: backward && read('V'),
				weight: weight && read('VC'),
				bias: bias && read('VC'),
				means: centred && statistics,
				rstds: statistics,
				result: readWrite('V'),
			},
			workgroupSize,
			invocations: lanes === 1 ? 'p.rows' : undefined,
			functions,
			main: wgsl`
#if ${lanes === 1}
	normalise(i, 0u, lid);
#else
	if (groupIndex < p.rows) {
		normalise(groupIndex, lid, lid);
	}
#endif
`,
		};
	},
});
