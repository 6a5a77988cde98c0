/** The weight gradient in registers: see shaders/conv.wgsl.ts. */
import { wgsl } from 'wgsl-preprocessor';
import { CONV_LANE, multiplyAdd, vectorLoad, WEIGHT_GRAD_PARAMS, weightGradBindings } from './conv.wgsl';
import { defineKernel, lines, type StorageType, WORKGROUP_SIZE } from './shader';

/** The elements along the shared side of one invocation. */
export const WEIGHT_GRAD_SHARED = 16;
/** As small as a subgroup, so that a partly filled tile leaves few invocations idle. `single` uses WORKGROUP_SIZE. */
export const WEIGHT_GRAD_WORKGROUP = 8;

export type WeightGradVariant = Readonly<{
	type: StorageType;
	subgroups: boolean;
	/**
	 * taps    : an invocation has its own 4 columns (c, tap) and 16 output channels that the workgroup shares.
	 * outputs : an invocation has its own 4 output channels and 16 shared columns. For few input channels, as in a first layer.
	 * single  : 4 columns and one output channel, nothing shared. For groups so small (depthwise) that tiles would be mostly empty.
	 */
	lanes: 'taps' | 'outputs' | 'single';
}>;

/** Each invocation sums its products over a range of output rows. */
export const convWeightGrad = defineKernel({
	name: 'conv.weightGrad',
	params: WEIGHT_GRAD_PARAMS,
	divisible: true,
	define({ type, subgroups, lanes }: WeightGradVariant) {
		const isSingle = lanes === 'single';
		const sharedCount = isSingle ? 1 : WEIGHT_GRAD_SHARED;
		const sharedSites = subgroups ? 1 : 4;
		/** Four adjacent columns (c, tap) from `first` on; their variables have the prefix `name`. */
		const taps = (name: string, first: string) => `
	let ${name}Column = vec4<u32>(${first}) + vec4<u32>(0u, 1u, 2u, 3u);
	let ${name}Tap = ${name}Column % vec4(p.kernel.w);
	let ${name}Source = (${name}Column / vec4(p.kernel.w)) * p.size.w + group * p.channels * p.size.w + p.offsetX;
	let ${name}Width = (${name}Tap % vec4(p.kernel.z)) * p.dilation.z - vec4(p.padding.z);
	let ${name}Height = ((${name}Tap / vec4(p.kernel.z)) % vec4(p.kernel.y)) * p.dilation.y - vec4(p.padding.y);
	let ${name}Depth = (${name}Tap / vec4(p.kernel.z * p.kernel.y)) * p.dilation.x - vec4(p.padding.x);`;
		const outputs = (name: string, first: string) => `
	let ${name}Output = (vec4<u32>(group * p.outputs) + min(vec4<u32>(${first}) + vec4<u32>(0u, 1u, 2u, 3u), vec4(p.outputs - 1u))) * p.out.w + p.offsetY;`;
		const tapsRow = (name: string) => `
		let ${name}Z = ${name}Depth + d * p.stride.x;
		let ${name}Y = ${name}Height + h * p.stride.y;
		let ${name}Inside = (${name}Z < vec4(p.size.x)) & (${name}Y < vec4(p.size.y));
		let ${name}Base = ${name}Source + n * p.groups * p.channels * p.size.w + (${name}Z * p.size.y + ${name}Y) * p.size.z;`;
		const outputsRow = (name: string) => `
		let ${name}Base = ${name}Output + n * p.groups * p.outputs * p.out.w + (d * p.out.y + h) * p.out.z;`;
		const tapsLoad = (name: string, value: string) => `
			let ${name}X = ${name}Width + w * p.stride.z;
			let ${name}At = ${name}Base + ${name}X;
			let ${value} = select(vec4<f32>(), ${vectorLoad('x', `${name}At`)}, ${name}Inside & (${name}X < vec4(p.size.z)));`;
		const outputsLoad = (name: string, value: string) => `
			let ${name}At = ${name}Base + w;
			let ${value} = ${vectorLoad('gradY', `${name}At`)};`;
		const onLanes =
			lanes !== 'outputs'
				? { setup: taps, row: tapsRow, load: tapsLoad }
				: { setup: outputs, row: outputsRow, load: outputsLoad };
		const shared =
			lanes !== 'outputs'
				? { setup: outputs, row: outputsRow, load: outputsLoad }
				: { setup: taps, row: tapsRow, load: tapsLoad };
		return {
			bindings: weightGradBindings(type),
			workgroupSize: isSingle ? WORKGROUP_SIZE : WEIGHT_GRAD_WORKGROUP,
			enable: subgroups ? ['subgroups'] : [],
			main: wgsl`
	var flat = groupIndex;
#if ${isSingle}
	let quad = (flat % p.sharedBlocks) * ${WORKGROUP_SIZE}u + lid;
	let split = flat / p.sharedBlocks;
	let row = min(quad / p.laneBlocks, p.groups * p.outputs - 1u);
	let laneFirst = quad % p.laneBlocks * ${CONV_LANE}u;
	let group = row / p.outputs;
	let gradient = row * p.out.w + p.offsetY;
#else
	let laneFirst = ((flat % p.laneBlocks) * ${WEIGHT_GRAD_WORKGROUP}u + lid) * ${CONV_LANE}u;
	flat /= p.laneBlocks;
	let sharedFirst = (flat % p.sharedBlocks) * ${WEIGHT_GRAD_SHARED}u;
	flat /= p.sharedBlocks;
	let group = flat % p.groups;
	let split = flat / p.groups;
#endif
	if (split >= p.splits) {
		return;
	}
	${onLanes.setup('lane', 'laneFirst')}
#if ${isSingle}
#elif ${subgroups}
	${shared.setup('shared0', 'sharedFirst + (subgroupLane & 3u) * 4u')}
#else
	${lines(4, (i) => shared.setup(`shared${i}`, `sharedFirst + ${i * 4}u`))}
#endif

	${lines(sharedCount, (i) => `var a${i} = vec4<f32>();`)}
	let end = min((split + 1u) * p.rowsPerSplit, p.rows);
	for (var r = split * p.rowsPerSplit; r < end; r++) {
		let h = r % p.out.y;
		let d = (r / p.out.y) % p.out.x;
		let n = r / (p.out.y * p.out.x);
		${onLanes.row('lane')}
#if ${isSingle}
		let gradientRow = gradient + n * p.groups * p.outputs * p.out.w + (d * p.out.y + h) * p.out.z;
#else
		${lines(sharedSites, (i) => shared.row(`shared${i}`))}
#endif
		for (var w = 0u; w < p.out.z; w++) {
			${onLanes.load('lane', 'v')}
#if ${isSingle}
			let b0 = f32(gradY[gradientRow + w]);
#elif ${subgroups}
			${shared.load('shared0', 'shared4')}
			${lines(4, (i) => `let b${i} = subgroupBroadcast(shared4, ${i}u);`)}
#else
			${lines(4, (i) => shared.load(`shared${i}`, `b${i}`))}
#endif
			${multiplyAdd(sharedCount)}
		}
	}

#if ${isSingle}
	if (quad < p.groups * p.outputs * p.laneBlocks) {
		partial[split * p.groups * p.outputs * p.laneBlocks + quad] = a0;
	}
#else
	let step = p.laneBlocks * ${WEIGHT_GRAD_WORKGROUP}u;
	let start = (((split * p.groups + group) * p.sharedBlocks * ${WEIGHT_GRAD_SHARED}u + sharedFirst) * step) + laneFirst / 4u;
	${lines(WEIGHT_GRAD_SHARED, (i) => `partial[start + ${i}u * step] = a${i};`)}
#endif
`,
		};
	},
});
