/**
 * The (lower) median of lines, and its first position; if the line has a NaN, the first NaN.
 *
 * Radix selection: elements become u32 keys that sort as they do, NaN on top. Four passes over the line find the median's key
 * from its highest byte to its lowest. Among the elements that agree with the bytes found so far, a pass counts how many have
 * each value of the next byte, in integer atomics (counts do not depend on their order). One invocation then finds the byte that
 * contains the rank. A last pass finds the first position by an integer minimum. Lines have any stride.
 *
 * median  a workgroup works on one line, and writes only the result.
 * walk    a pass over long lines, which many workgroups share: they add their counts to those of the line.
 * step    the work before, between and after these passes, one workgroup for each line.
 */
import { wgsl } from 'wgsl-preprocessor';
import { offsetFunction } from './parameters';
import { defineKernel, read, readWrite, type StorageType, WORKGROUP_SIZE } from './shader';

type MedianVariant = { storage: StorageType };

const MEDIAN_PARAMS = {
	/** The kept dims. */
	keptDims: 'view',
	lines: 'u32',
	/** The length of a line. */
	length: 'u32',
	/** The stride along a line. */
	stride: 'u32',
	nan: 'bits',
	/** If workgroups share long lines: the pass, the number of parts of a line, and the length of a part. */
	turn: 'u32?',
	parts: 'u32?',
	part: 'u32?',
} as const;

const KEYS = ({ storage }: MedianVariant): string => wgsl`
#if ${isFloat(storage)}
fn keyOf(value: f32) -> u32 {
	let raw = bitcast<u32>(value);
	let magnitude = raw & 0x7fffffffu;
	let bits = select(raw, 0u, magnitude == 0u);
	let sorted = select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
	return select(sorted, 0xffffffffu, magnitude > 0x7f800000u);
}

fn load(at: u32) -> u32 {
	return keyOf(f32(x[at]));
}
#else
fn load(at: u32) -> u32 {
	return bitcast<u32>(x[at]) ^ 0x80000000u;
}
#endif
`;

const VALUES = ({ storage }: MedianVariant): string => wgsl`
#if ${isFloat(storage)}
fn valueOf(key: u32) -> f32 {
	let bits = select(~key, key & 0x7fffffffu, key >= 0x80000000u);
	return bitcast<f32>(select(bits, p.nan, key == 0xffffffffu));
}
#else
fn valueOf(key: u32) -> i32 {
	return bitcast<i32>(key ^ 0x80000000u);
}
#endif
`;

const isFloat = (storage: StorageType): boolean => storage === 'f32' || storage === 'f16';

export const medianKernel = defineKernel({
	name: 'line.median',
	params: MEDIAN_PARAMS,
	define: ({ storage }: MedianVariant) => ({
		bindings: { x: read(storage), values: readWrite(storage), indices: readWrite('i32') },
		functions: wgsl`
var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> nans: atomic<u32>;
var<workgroup> position: atomic<u32>;
var<workgroup> found: u32;
var<workgroup> rank: u32;

${offsetFunction('start', 'keptDims')}

${KEYS({ storage })}
${VALUES({ storage })}
`,
		main: wgsl`
	let line = groupIndex;
	if (line >= p.lines) {
		return;
	}
	let base = start(line);
	if (lid == 0u) {
		found = 0u;
		rank = (p.length - 1u) / 2u;
		atomicStore(&nans, 0u);
		atomicStore(&position, 0xffffffffu);
	}
	for (var turn = 0u; turn < 4u; turn++) {
		let shift = 24u - 8u * turn;
		for (var i = lid; i < 256u; i += ${WORKGROUP_SIZE}u) {
			atomicStore(&counts[i], 0u);
		}
		workgroupBarrier();
		let prefix = workgroupUniformLoad(&found);
		// The bytes above the byte of this pass.
		let mask = select(0xffffffffu << (shift + 8u), 0u, turn == 0u);
		for (var j = lid; j < p.length; j += ${WORKGROUP_SIZE}u) {
			let key = load(base + j * p.stride);
			if ((key & mask) == prefix) {
				atomicAdd(&counts[(key >> shift) & 0xffu], 1u);
			}
#if ${isFloat(storage)}
			if (turn == 0u && key == 0xffffffffu) {
				atomicAdd(&nans, 1u);
			}
#endif
		}
		workgroupBarrier();
		if (lid == 0u) {
			var below = 0u;
			var byte = 0u;
			loop {
				let count = atomicLoad(&counts[byte]);
				if (below + count > rank || byte == 255u) {
					break;
				}
				below += count;
				byte++;
			}
			rank -= below;
			found |= byte << shift;
		}
		workgroupBarrier();
	}
	let anyNan = atomicLoad(&nans) > 0u;
	let key = select(found, 0xffffffffu, anyNan);
	for (var j = lid; j < p.length; j += ${WORKGROUP_SIZE}u) {
		if (load(base + j * p.stride) == key) {
			atomicMin(&position, j);
			break;
		}
	}
	workgroupBarrier();
	if (lid == 0u) {
		values[line] = ${storage}(valueOf(key));
		indices[line] = bitcast<i32>(atomicLoad(&position));
	}
`,
	}),
});

/**
 * The words of state of a long line: 256 counts, the digits of the key found so far, the rank, the number of NaN, the position.
 */
export const MEDIAN_STATE = 260;
const STATE = wgsl`
const FOUND = 256u;
const RANK = 257u;
const NANS = 258u;
const POSITION = 259u;
`;

/** Turns 0 to 3 count the bytes; turn 4 finds the position. Grid: lines * parts. */
export const medianWalk = defineKernel({
	name: 'line.medianWalk',
	params: MEDIAN_PARAMS,
	define: ({ storage }: MedianVariant) => ({
		bindings: { x: read(storage), state: readWrite('atomic<u32>') },
		functions: wgsl`
var<workgroup> counts: array<atomic<u32>, 256>;

${STATE}
${offsetFunction('start', 'keptDims')}
${KEYS({ storage })}
`,
		main: wgsl`
	let line = groupIndex / p.parts;
	if (line >= p.lines) {
		return;
	}
	let own = line * ${MEDIAN_STATE}u;
	let base = start(line);
	let first = groupIndex % p.parts * p.part + lid;
	let end = min((groupIndex % p.parts + 1u) * p.part, p.length);
	let found = atomicLoad(&state[own + FOUND]);
	if (p.turn == 4u) {
		for (var j = first; j < end; j += ${WORKGROUP_SIZE}u) {
			if (load(base + j * p.stride) == found) {
				atomicMin(&state[own + POSITION], j);
				break;
			}
		}
		return;
	}
	for (var i = lid; i < 256u; i += ${WORKGROUP_SIZE}u) {
		atomicStore(&counts[i], 0u);
	}
	workgroupBarrier();
	let shift = 24u - 8u * p.turn;
	// The bytes above the byte of this pass.
	let mask = select(0xffffffffu << (shift + 8u), 0u, p.turn == 0u);
	for (var j = first; j < end; j += ${WORKGROUP_SIZE}u) {
		let key = load(base + j * p.stride);
		if ((key & mask) == found) {
			atomicAdd(&counts[(key >> shift) & 0xffu], 1u);
		}
#if ${isFloat(storage)}
		if (p.turn == 0u && key == 0xffffffffu) {
			atomicAdd(&state[own + NANS], 1u);
		}
#endif
	}
	workgroupBarrier();
	for (var i = lid; i < 256u; i += ${WORKGROUP_SIZE}u) {
		let count = atomicLoad(&counts[i]);
		if (count > 0u) {
			atomicAdd(&state[own + i], count);
		}
	}
`,
	}),
});

/** Turn 0 initialises, turns 1 to 4 find the byte that the previous turn has counted, turn 5 writes the result. Grid: lines. */
export const medianStep = defineKernel({
	name: 'line.medianStep',
	params: MEDIAN_PARAMS,
	define: ({ storage }: MedianVariant) => ({
		bindings: { state: readWrite('u32'), values: readWrite(storage), indices: readWrite('i32') },
		functions: wgsl`
${STATE}
${VALUES({ storage })}
`,
		main: wgsl`
	let line = groupIndex;
	if (line >= p.lines) {
		return;
	}
	let own = line * ${MEDIAN_STATE}u;
	if (lid == 0u && p.turn == 0u) {
		state[own + FOUND] = 0u;
		state[own + RANK] = (p.length - 1u) / 2u;
		state[own + NANS] = 0u;
		state[own + POSITION] = 0xffffffffu;
	} else if (lid == 0u && p.turn == 5u) {
		values[line] = ${storage}(valueOf(state[own + FOUND]));
		indices[line] = bitcast<i32>(state[own + POSITION]);
	} else if (lid == 0u) {
		let rank = state[own + RANK];
		var below = 0u;
		var byte = 0u;
		loop {
			let count = state[own + byte];
			if (below + count > rank || byte == 255u) {
				break;
			}
			below += count;
			byte++;
		}
		let found = state[own + FOUND] | (byte << (32u - 8u * p.turn));
		state[own + RANK] = rank - below;
		state[own + FOUND] = select(found, 0xffffffffu, p.turn == 4u && state[own + NANS] > 0u);
	}
	storageBarrier();
	for (var i = lid; i < 256u; i += ${WORKGROUP_SIZE}u) {
		state[own + i] = 0u;
	}
`,
	}),
});
