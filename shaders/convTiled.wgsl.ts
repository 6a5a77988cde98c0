/**
 * Convolution with tiles in workgroup memory, for GPUs. The kernels share data, parameters and walk with shaders/conv.wgsl.ts.
 * They compute a GEMM and gather the operands, 16 deep, into two tiles of 16 x 64.
 *
 * A workgroup of 256 invocations computes 64 x 64 results, each invocation 4 x 4: it reads eight values from the tiles for 16
 * multiply-adds. Adjacent invocations read adjacent positions to fill a tile. Software adapters do not use these
 * kernels: barriers and workgroup memory are slow there, and the register kernels are several times faster.
 *
 * correlateTiled   results are 64 channels x 64 positions, the depth is (tap, channel). The host packs the weights in blocks of
 *                  16.
 * weightGradTiled  results are 64 output channels x 64 columns (c, tap), the depth is a range of output positions of all batches.
 */
import { wgsl } from 'wgsl-preprocessor';
import { CORRELATE_PARAMS, vectorLoad, WEIGHT_GRAD_PARAMS, weightGradBindings } from './conv.wgsl';
import { defineKernel, LANES, lines, read, readWrite, type StorageType } from './shader';

/** The side of the square of results that a workgroup computes. */
export const TILED_SIDE = 64;
/** The terms of the sum that the tiles hold at once. */
export const TILED_DEPTH = 16;
const WORKGROUP = 256;

/** Adds the products of the tiles: a0 ... a3 are four rows of left, and each has four columns of right. */
const MULTIPLY_TILES = `
		for (var k = 0u; k < ${TILED_DEPTH}u; k++) {
			let l = left[k * 16u + lid / 16u];
			let r = right[k * 16u + lid % 16u];
			${lines(4, (i) => `a${i} = fma(vec4(l.${LANES[i]}), r, a${i});`)}
		}`;

const TILES = `
var<workgroup> left: array<vec4<f32>, ${(TILED_DEPTH * TILED_SIDE) / 4}>;
var<workgroup> right: array<vec4<f32>, ${(TILED_DEPTH * TILED_SIDE) / 4}>;
`;

export const convCorrelateTiled = defineKernel({
	name: 'conv.correlateTiled',
	params: CORRELATE_PARAMS,
	divisible: true,
	define({ type }: Readonly<{ type: StorageType }>) {
		return {
			bindings: { x: read(type), weight: read('vec4<f32>'), y: readWrite(type) },
			workgroupSize: WORKGROUP,
			functions: wgsl`
${TILES}
/** (depth, height, width, batch) of a position. */
fn coordinates(position: u32) -> vec4<u32> {
	let row = position / p.out.z;
	let slice = row / p.out.y;
	let n = slice / p.out.x;
	return vec4<u32>(slice - n * p.out.x, row - slice * p.out.y, position - row * p.out.z, n);
}
`,
			main: wgsl`
	// A tile has four blocks of 16 channels.
	let tiles = (p.blocks + 3u) / 4u;
	let group = groupIndex % (p.groups * tiles) / tiles;
	let firstBlock = groupIndex % tiles * 4u;
	let firstPosition = groupIndex / (p.groups * tiles) * ${TILED_SIDE}u;

	// This invocation loads four taps of one position, and four channels of one tap, into the tiles.
	let begin = coordinates(firstPosition + lid % 64u);
	let start = begin.xyz * p.inStep.xyz + p.inStart.xyz;
	let isPosition = firstPosition + lid % 64u < p.positions;
	let source = p.offset + (begin.w * p.groups + group) * p.channels * p.size.w;
	let block = firstBlock + lid % 16u / 4u;
	let weightStart = (group * p.blocks + block) * p.weightTaps;
	let depth = p.taps.w * p.channels;

	${lines(4, (i) => `var a${i} = vec4<f32>();`)}
	for (var base = 0u; base < depth; base += ${TILED_DEPTH}u) {
		var values: vec4<f32>;
		${lines(
			4,
			(i) => `{
			let k = base + lid / 64u * 4u + ${i}u;
			let t = k / p.channels;
			let tap = vec3<u32>(t / (p.taps.z * p.taps.y), t / p.taps.z % p.taps.y, t % p.taps.z);
			let at = start + tap * p.tapStep.xyz;
			let inside = isPosition && k < depth && all(at < p.size.xyz);
			values.${LANES[i]} = select(0.0, f32(x[source + (k - t * p.channels) * p.size.w + (at.x * p.size.y + at.y) * p.size.z + at.z]), inside);
		}`,
		)}
		let k = base + lid / 16u;
		let t = k / p.channels;
		let weightTap = p.tapJump.w + t / (p.taps.z * p.taps.y) * p.tapJump.x + t / p.taps.z % p.taps.y * p.tapJump.y + t % p.taps.z * p.tapJump.z;
		let weightAt = ((weightStart + weightTap) * p.channels + k - t * p.channels) * 4u + lid % 4u;
		let weights = select(vec4<f32>(), weight[weightAt], k < depth && block < p.blocks);

		workgroupBarrier();
		${lines(4, (i) => `right[(lid / 64u * 4u + ${i}u) * 16u + lid % 64u / 4u][lid % 4u] = values.${LANES[i]};`)}
		left[lid] = weights;
		workgroupBarrier();
		${MULTIPLY_TILES}
	}

	let output = firstBlock * 16u + lid / 16u * 4u;
	let position = firstPosition + lid % 16u * 4u;
	let bias = select(vec4<f32>(), weight[p.bias + group * p.blocks * 4u + output / 4u], output < p.blocks * 16u);
	${lines(4, (i) => `a${i} += vec4(bias.${LANES[i]});`)}
	for (var i = 0u; i < 4u; i++) {
		if (position + i >= p.positions) { break; }
		let to = coordinates(position + i);
		let at = to.xyz * p.outStep.xyz + p.outStart.xyz;
		let destination = ((to.w * p.groups + group) * p.outputs + output) * p.result.w + (at.x * p.result.y + at.y) * p.result.z + at.z;
		${lines(4, (o) => `if (output + ${o}u < p.outputs) { y[destination + ${o}u * p.result.w] = ${type}(a${o}[i]); }`)}
	}
`,
		};
	},
});

/** The parameters `rows` and `rowsPerSplit` count positions here, and blocks have 64 elements. */
export const convWeightGradTiled = defineKernel({
	name: 'conv.weightGradTiled',
	params: WEIGHT_GRAD_PARAMS,
	divisible: true,
	define({ type }: Readonly<{ type: StorageType }>) {
		return {
			bindings: weightGradBindings(type),
			workgroupSize: WORKGROUP,
			functions: TILES,
			main: wgsl`
	var flat = groupIndex;
	let firstColumn = flat % p.laneBlocks * ${TILED_SIDE}u;
	flat /= p.laneBlocks;
	let firstOutput = flat % p.sharedBlocks * ${TILED_SIDE}u;
	flat /= p.sharedBlocks;
	let group = flat % p.groups;
	let split = flat / p.groups;
	if (split >= p.splits) {
		return;
	}

	// This invocation loads one position into the tiles, for four outputs and four columns from \`mine\` on.
	let mine = lid / 16u * 4u;
	let columns = vec4(firstColumn + mine) + vec4<u32>(0u, 1u, 2u, 3u);
	let isColumn = columns < vec4(p.channels * p.kernel.w);
	let taps = columns % vec4(p.kernel.w);
	let planes = columns / vec4(p.kernel.w) * p.size.w;
	let shiftX = taps % vec4(p.kernel.z) * p.dilation.z - vec4(p.padding.z);
	let shiftY = taps / vec4(p.kernel.z) % vec4(p.kernel.y) * p.dilation.y - vec4(p.padding.y);
	let shiftZ = taps / vec4(p.kernel.z * p.kernel.y) * p.dilation.x - vec4(p.padding.x);
	let outputs = vec4(firstOutput + mine) + vec4<u32>(0u, 1u, 2u, 3u);
	let isOutput = outputs < vec4(p.outputs);

	${lines(4, (i) => `var a${i} = vec4<f32>();`)}
	let end = min((split + 1u) * p.rowsPerSplit, p.rows);
	for (var base = split * p.rowsPerSplit; base < end; base += ${TILED_DEPTH}u) {
		let position = base + lid % 16u;
		let row = position / p.out.z;
		let slice = row / p.out.y;
		let n = slice / p.out.x;
		let within = position - n * p.out.w;
		let atX = shiftX + (position - row * p.out.z) * p.stride.z;
		let atY = shiftY + (row - slice * p.out.y) * p.stride.y;
		let atZ = shiftZ + (slice - n * p.out.x) * p.stride.x;
		let isHere = vec4(position < end);
		let inside = isHere & isColumn & (atX < vec4(p.size.z)) & (atY < vec4(p.size.y)) & (atZ < vec4(p.size.x));
		let values = planes + (atZ * p.size.y + atY) * p.size.z + atX + p.offsetX + (n * p.groups + group) * p.channels * p.size.w;
		let gradients = (outputs + (n * p.groups + group) * p.outputs) * p.out.w + within + p.offsetY;
		let g = select(vec4<f32>(), ${vectorLoad('gradY', 'gradients')}, isHere & isOutput);
		let v = select(vec4<f32>(), ${vectorLoad('x', 'values')}, inside);

		workgroupBarrier();
		left[lid % 16u * 16u + lid / 16u] = g;
		right[lid % 16u * 16u + lid / 16u] = v;
		workgroupBarrier();
		${MULTIPLY_TILES}
	}

	let step = p.laneBlocks * 16u;
	let start = ((split * p.groups + group) * p.sharedBlocks * ${TILED_SIDE}u + firstOutput + mine) * step + firstColumn / 4u + lid % 16u;
	${lines(4, (i) => `partial[start + ${i}u * step] = a${i};`)}
`,
		};
	},
});
