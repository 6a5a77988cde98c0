/**
 * The weight gradient of kernels of width 3, with stride and dilation 1 along the width, for adapters with subgroups. The
 * parameters are those of shaders/convWeightGrad.wgsl.ts.
 *
 * An invocation has two kernel rows (c, kd, kh), which are six columns, and 16 output channels, in 24 vec4 accumulators. It walks
 * output rows two elements at a time and keeps the two elements of each row of x that the next step reuses. So 192
 * multiply-adds need four loads of x, and eight loads of gradY that the subgroup shares: half the time of the general kernel.
 *
 * partial is [split, group, column, output], with columns padded to whole workgroups and outputs to blocks of 16.
 */
import { wgsl } from 'wgsl-preprocessor';
import { vectorLoad, WEIGHT_GRAD_PARAMS, weightGradBindings } from './conv.wgsl';
import { WEIGHT_GRAD_SHARED, WEIGHT_GRAD_WORKGROUP } from './convWeightGrad.wgsl';
import { defineKernel, LANES, lines, type StorageType } from './shader';

/** Columns of a workgroup: two rows of three for each invocation. */
export const ROW3_COLUMNS = WEIGHT_GRAD_WORKGROUP * 6;

const VECTORS = WEIGHT_GRAD_SHARED / 4;

/** Column 3 row + tap multiplies the elements `tap` behind each position. */
function multiplyAdd(gradients: string, values: (row: number, tap: number) => string): string {
	return lines(6 * VECTORS, (i) => {
		const column = Math.floor(i / VECTORS);
		return `a${i} = fma(${gradients}${i % VECTORS}, vec4(${values(Math.floor(column / 3), column % 3)}), a${i});`;
	});
}

export const convWeightGradRow3 = defineKernel({
	name: 'conv.weightGradRow3',
	params: WEIGHT_GRAD_PARAMS,
	divisible: true,
	define({ type }: Readonly<{ type: StorageType }>) {
		return {
			bindings: weightGradBindings(type),
			workgroupSize: WEIGHT_GRAD_WORKGROUP,
			enable: ['subgroups'],
			main: wgsl`
	var flat = groupIndex;
	let firstRow = ((flat % p.laneBlocks) * ${WEIGHT_GRAD_WORKGROUP}u + lid) * 2u;
	flat /= p.laneBlocks;
	let sharedFirst = (flat % p.sharedBlocks) * ${WEIGHT_GRAD_SHARED}u;
	flat /= p.sharedBlocks;
	let group = flat % p.groups;
	let split = flat / p.groups;
	if (split >= p.splits) {
		return;
	}

	let kernelRow = vec2(firstRow) + vec2<u32>(0u, 1u);
	let planes = kernelRow / vec2(p.kernel.y * p.kernel.x) * p.size.w + p.offsetX;
	let shiftY = kernelRow % vec2(p.kernel.y) * p.dilation.y - vec2(p.padding.y);
	let shiftZ = kernelRow / vec2(p.kernel.y) % vec2(p.kernel.x) * p.dilation.x - vec2(p.padding.x);
	let outputs = min(vec4(sharedFirst + (subgroupLane & 3u) * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4(p.outputs - 1u));

	${lines(6 * VECTORS, (i) => `var a${i} = vec4<f32>();`)}
	let end = min((split + 1u) * p.rowsPerSplit, p.rows);
	for (var r = split * p.rowsPerSplit; r < end; r++) {
		let h = r % p.out.y;
		let d = r / p.out.y % p.out.x;
		let n = r / (p.out.y * p.out.x);
		let z = shiftZ + d * p.stride.x;
		let y = shiftY + h * p.stride.y;
		let inside = (z < vec2(p.size.x)) & (y < vec2(p.size.y));
		let base = planes + (n * p.groups + group) * p.channels * p.size.w + (z * p.size.y + y) * p.size.z;
		let gradients = (outputs + (n * p.groups + group) * p.outputs) * p.out.w + (d * p.out.y + h) * p.out.z;
		var column = 0u - p.padding.z;
		var old = ${loadPair('column')};
		var young = ${loadPair('column + 1u')};
		for (var w = 0u; w < p.out.z; w += 2u) {
			let third = ${loadPair('column + 2u')};
			let fourth = ${loadPair('column + 3u')};
			let at = gradients + w + p.offsetY;
			let mine = ${vectorLoad('gradY', 'at')};
			let next = at + 1u;
			let mineNext = select(vec4<f32>(), ${vectorLoad('gradY', 'next')}, w + 1u < p.out.z);
			${lines(VECTORS, (i) => `let g${i} = subgroupBroadcast(mine, ${i}u);`)}
			${multiplyAdd('g', (row, tap) => `${['old', 'young', 'third'][tap]}.${LANES[row]}`)}
			${lines(VECTORS, (i) => `let e${i} = subgroupBroadcast(mineNext, ${i}u);`)}
			${multiplyAdd('e', (row, tap) => `${['young', 'third', 'fourth'][tap]}.${LANES[row]}`)}
			old = third;
			young = fourth;
			column += 2u;
		}
	}

	let step = p.sharedBlocks * ${VECTORS}u;
	let start = ((split * p.groups + group) * p.laneBlocks * ${ROW3_COLUMNS}u + firstRow * 3u) * step + sharedFirst / 4u;
	${lines(6 * VECTORS, (i) => `partial[start + ${Math.floor(i / VECTORS)}u * step + ${i % VECTORS}u] = a${i};`)}
`,
		};
	},
});

/** One element of x for each of the two rows; 0 outside x. */
function loadPair(column: string): string {
	return `select(vec2<f32>(), vec2<f32>(f32(x[base.x + ${column}]), f32(x[base.y + ${column}])), inside & vec2(${column} < p.size.z))`;
}
