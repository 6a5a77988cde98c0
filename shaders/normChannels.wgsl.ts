/**
 * Normalisation with per-channel statistics or results: the other half of norm.wgsl.ts, on the same layout of x.
 *
 * parameters   the sums behind dweight and dbias, in segments: [segments, channels] partial sums that the host adds up. An
 *              invocation adds up blocks of 32 before it adds them to its total, so errors grow with the blocks.
 *                spatial = 1     adjacent invocations take adjacent channels and walk down the batch.
 *                spatial > 1     lanes = 64: a workgroup walks a segment of a channel together, and its first invocation combines
 *                                the results of all, pairs first (GPUs; see workgroupReduction.ts);
 *                                lanes = 1: an invocation walks it alone (software adapters).
 * channels     y or dx with statistics per channel: elementwise.
 * scale        rstd from a variance, and running statistics in place: one invocation for each channel.
 *
 * `wide` variants read and write vec4: offsets are multiples of 4, and so is spatial, or if spatial = 1 the channels (of a
 * group).
 */
import { wgsl } from 'wgsl-preprocessor';
import { horizontalSum, preamble } from './norm.wgsl';
import { defineKernel, read, readWrite, type StorageType } from './shader';
import { pairwise, pairwiseLength } from './workgroupReduction';

type NormParametersVariant = {
	storage: StorageType;
	centred: boolean;
	spatial: boolean;
	/** The elements that share statistics. With one group that is a sample, so that adjacent invocations read the same statistics. */
	statistics: 'channel' | 'group' | 'sample';
	wide: boolean;
	lanes: 1 | 64;
};

export const normParameters = defineKernel({
	name: 'norm.parameters',
	params: {
		batch: 'u32',
		channels: 'u32',
		spatial: 'u32',
		groups: 'u32',
		groupChannels: 'u32',
		offsetX: 'u32',
		offsetGradient: 'u32',
		offsetMean: 'u32?',
		offsetRstd: 'u32',
		/** The size of a segment: in samples if spatial = 1, else in elements of batch * spatial. */
		segment: 'u32',
		segments: 'u32',
	},
	define({ storage, centred, spatial, statistics, wide, lanes }: NormParametersVariant) {
		const width = wide ? 4 : 1;
		const columns = !spatial;
		const perChannel = statistics === 'channel';
		const step = lanes * width;
		const four = (name: string, offset: string) =>
			`vec4(${[0, 1, 2, 3].map((e) => `${name}[p.${offset} + at + ${e}u]`).join(', ')})`;
		const items = columns && wide ? 'p.channels / 4u * p.segments' : 'p.channels * p.segments';
		const functions = wgsl`
${preamble(storage, wide, spatial)}
struct Sums {
	slope: F,
	level: F,
}

#if ${lanes > 1}
var<workgroup> shares: array<vec2<f32>, ${pairwiseLength(lanes)}>;
#endif

struct Statistics {
	mean: FC,
	correction: FC,
	rstd: FC,
}

/** The statistics of a channel (of the first of four, in wide columns) in one sample. */
fn statisticsAt(sample: u32, channel: u32) -> Statistics {
#if ${perChannel}
	let at = channel;
	let all = p.channels;
#elif ${statistics === 'sample'}
	let at = sample;
	let all = p.batch;
#else
	let at = sample * p.groups + channel / p.groupChannels;
	let all = p.batch * p.groups;
#endif
#if ${perChannel && wide && columns}
	let rstd = ${four('rstds', 'offsetRstd')};
#else
	let rstd = FC(rstds[p.offsetRstd + at]);
#endif
#if ${!centred}
	return Statistics(FC(), FC(), rstd);
#elif ${perChannel && wide && columns}
	return Statistics(${four('means', 'offsetMean')}, ${four('means', 'offsetMean + all')}, rstd);
#else
	return Statistics(FC(means[p.offsetMean + at]), FC(means[p.offsetMean + all + at]), rstd);
#endif
}

fn added(sums: Sums, at: u32, statistics: Statistics) -> Sums {
	let incoming = F(gradient[(p.offsetGradient + at) / ${width}u]);
	let normal = ((F(x[(p.offsetX + at) / ${width}u]) - statistics.mean) - statistics.correction) * statistics.rstd;
	return Sums(sums.slope + incoming * normal, sums.level + incoming);
}

#if ${columns}
/** Sums the samples from segment * p.segment on, 32 at a time, so that errors grow with the blocks. */
fn walk(channel: u32, segment: u32, lane: u32) -> Sums {
	var total = Sums();
	var sample = segment * p.segment + lane;
	let end = min(segment * p.segment + p.segment, p.batch);
#if ${perChannel}
	let statistics = statisticsAt(0u, channel);
#endif
	while (sample < end) {
		let until = min(end, sample + ${32 * lanes}u);
		var block = Sums();
		for (; sample < until; sample += ${lanes}u) {
#if ${perChannel}
			block = added(block, sample * p.channels + channel, statistics);
#else
			block = added(block, sample * p.channels + channel, statisticsAt(sample, channel));
#endif
		}
		total = Sums(total.slope + block.slope, total.level + block.level);
	}
	return total;
}
#else
/** Sums the elements from segment * p.segment on of the channel's batch * spatial: of each sample the part inside the segment. */
fn walk(channel: u32, segment: u32, lane: u32) -> Sums {
	var total = Sums();
	var j = segment * p.segment;
	let end = min(j + p.segment, p.batch * p.spatial);
	while (j < end) {
		let sample = j / p.spatial;
		let first = j - sample * p.spatial;
		let stop = min(p.spatial, first + (end - j));
		let line = (sample * p.channels + channel) * p.spatial;
		let statistics = statisticsAt(sample, channel);
		var i = first + lane * ${width}u;
		while (i < stop) {
			let until = min(stop, i + ${32 * step}u);
			var block = Sums();
			for (; i < until; i += ${step}u) {
				block = added(block, line + i, statistics);
			}
			total = Sums(total.slope + block.slope, total.level + block.level);
		}
		j += stop - first;
	}
	return total;
}
#endif

${horizontalSum(wide)}
`;
		return {
			bindings: {
				x: read('V'),
				gradient: read('V'),
				means: centred && read('f32'),
				rstds: read('f32'),
				dweight: readWrite(columns ? 'F' : 'f32'),
				dbias: readWrite(columns ? 'F' : 'f32'),
			},
			invocations: lanes === 1 ? items : undefined,
			functions,
			main: wgsl`
#if ${lanes === 1}
#if ${columns}
	let across = p.channels / ${width}u;
	let sums = walk(i % across * ${width}u, i / across, 0u);
	dweight[i] = sums.slope;
	dbias[i] = sums.level;
#else
	let sums = walk(i % p.channels, i / p.channels, 0u);
	dweight[i] = horizontal(sums.slope);
	dbias[i] = horizontal(sums.level);
#endif
#else
	if (groupIndex >= ${items}) {
		return;
	}
	let sums = walk(groupIndex % p.channels, groupIndex / p.channels, lid);
	shares[lid] = vec2(horizontal(sums.slope), horizontal(sums.level));
	workgroupBarrier();
	if (lid == 0u) {
		${pairwise('shares', lanes, (a, b) => `${a} + ${b}`)}
		dweight[groupIndex] = shares[${pairwiseLength(lanes) - 1}].x;
		dbias[groupIndex] = shares[${pairwiseLength(lanes) - 1}].y;
	}
#endif
`,
		};
	},
});

type NormChannelsVariant = {
	kind: 'forward' | 'backward';
	storage: StorageType;
	weight: boolean;
	bias: boolean;
	spatial: boolean;
	wide: boolean;
	/** Whether means come in two parts. Running means do not. */
	corrected: boolean;
};

/**
 * An item is the work of one invocation in one channel (or four). If spatial > 1, it is every `parts`-th element of one sample's
 * channel with `length` reads, so that adjacent invocations read adjacent elements. If spatial = 1, it is `steps` of `length`
 * samples.
 */
export const normChannels = defineKernel({
	name: 'norm.channels',
	params: {
		items: 'u32',
		channels: 'u32',
		parts: 'u32',
		steps: 'u32',
		length: 'u32',
		offsetX: 'u32',
		offsetGradient: 'u32?',
		offsetMean: 'u32',
		offsetRstd: 'u32',
		offsetWeight: 'u32?',
		offsetBias: 'u32?',
		offsetDweight: 'u32?',
		offsetDbias: 'u32?',
		/** 1 / (batch * spatial) */
		share: 'f32',
	},
	define({ kind, storage, weight, bias, spatial, wide, corrected }: NormChannelsVariant) {
		const width = wide ? 4 : 1;
		const backward = kind === 'backward';
		const four = wide && !spatial;
		/** The value of the channel, or of four adjacent channels. */
		const at = (name: string, offset: string) =>
			four
				? `vec4<f32>(vec4<${name === 'weight' || name === 'bias' ? 'T' : 'f32'}>(${[0, 1, 2, 3].map((e) => `${name}[p.${offset} + channel + ${e}u]`).join(', ')}))`
				: `f32(${name}[p.${offset} + channel])`;
		return {
			bindings: {
				x: read('V'),
				gradient: backward && read('V'),
				means: read('f32'),
				rstds: read('f32'),
				weight: weight && read('T'),
				bias: bias && read('T'),
				dweight: backward && read('f32'),
				dbias: backward && read('f32'),
				result: readWrite('V'),
			},
			invocations: 'p.items',
			functions: preamble(storage, wide, spatial),
			main: wgsl`
#if ${spatial}
	let line = i / p.parts;
	let channel = line % p.channels;
	let start = line * p.length;
	let first = i % p.parts;
	let end = p.length;
	let stride = p.parts;
#else
	let across = p.channels / ${width}u;
	let channel = i % across * ${width}u;
	let start = i % across;
	let first = (i / across) * p.steps * across;
	let end = min(first + p.steps * across, p.length * across);
	let stride = across;
#endif
	let mean = ${at('means', 'offsetMean')};
#if ${corrected}
	let correction = ${at('means', 'offsetMean + p.channels')};
#endif
	let rstd = ${at('rstds', 'offsetRstd')};
#if ${weight}
	let scale = rstd * ${at('weight', 'offsetWeight')};
#else
	let scale = rstd;
#endif
#if ${bias}
	let shift = ${at('bias', 'offsetBias')};
#endif
#if ${backward}
	let level = ${at('dbias', 'offsetDbias')} * p.share;
	let slope = ${at('dweight', 'offsetDweight')} * p.share * rstd;
#endif
	for (var j = first; j < end; j += stride) {
		let at = start + j;
		let deviation = ${corrected ? `(F(x[p.offsetX / ${width}u + at]) - mean) - correction` : `F(x[p.offsetX / ${width}u + at]) - mean`};
#if ${backward}
		let value = scale * (F(gradient[p.offsetGradient / ${width}u + at]) - level - deviation * slope);
#elif ${bias}
		let value = deviation * scale + shift;
#else
		let value = deviation * scale;
#endif
		result[at] = V(value);
	}
`,
		};
	},
});

type NormScaleVariant = {
	/** The storage type of running statistics, or 'none'. */
	running: StorageType | 'none';
};

export const normScale = defineKernel({
	name: 'norm.scale',
	params: {
		channels: 'u32',
		offsetMean: 'u32',
		offsetVariance: 'u32',
		offsetRstd: 'u32',
		offsetRunningMean: 'u32?',
		offsetRunningVar: 'u32?',
		eps: 'f32',
		momentum: 'f32',
		/** count / (count - 1) */
		unbias: 'f32',
	},
	define({ running }: NormScaleVariant) {
		const tracked = running !== 'none';
		return {
			bindings: {
				means: tracked && read('f32'),
				variances: read('f32'),
				rstds: readWrite('f32'),
				runningMeans: tracked && readWrite(running),
				runningVariances: tracked && readWrite(running),
			},
			invocations: 'p.channels',
			main: wgsl`
	let variance = variances[p.offsetVariance + i];
	rstds[p.offsetRstd + i] = 1.0 / sqrt(variance + p.eps);
#if ${tracked}
	let oldMean = f32(runningMeans[p.offsetRunningMean + i]);
	let oldVariance = f32(runningVariances[p.offsetRunningVar + i]);
	let mean = means[p.offsetMean + i] + means[p.offsetMean + p.channels + i];
	runningMeans[p.offsetRunningMean + i] = ${running}(oldMean + p.momentum * (mean - oldMean));
	runningVariances[p.offsetRunningVar + i] = ${running}(oldVariance + p.momentum * (variance * p.unbias - oldVariance));
#endif
`,
		};
	},
});
