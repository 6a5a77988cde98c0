/**
 * How a workgroup puts together what its invocations have found.
 *
 * A tree would share the work, but has a barrier in a loop, which software adapters compile for longer than all the rest of a kernel. So either
 * every invocation goes through all there is, reads that all share, which take GPUs about as long as a tree's barriers; or, where as
 * many digits count as a tree gives, one invocation does the tree's work alone.
 */

/**
 * `fn sumOfAll(mine: TYPE, lid: u32) -> TYPE`: the sum over the workgroup, in each of its `lanes` invocations. It may be called again. What they gave
 * stands in `shares`.
 */
export function sumOfAll(type: 'f32' | 'vec2<f32>', lanes: number): string {
	return /* wgsl */ `
var<workgroup> shares: array<${type}, ${lanes}>;
fn sumOfAll(mine: ${type}, lid: u32) -> ${type} {
	// What is used again must have been read by all.
	workgroupBarrier();
	shares[lid] = mine;
	workgroupBarrier();
	var sum = ${type}();
	for (var lane = 0u; lane < ${lanes}u; lane++) {
		sum += shares[lane];
	}
	return sum;
}
`;
}

/** Places of the array that `pairwise` works in. */
export const pairwisePlaces = (lanes: number): number => 2 * lanes - 1;

/**
 * A statement for one invocation: combines the first `lanes` elements of `array`, pairs first and then pairs of them, each behind the others. The
 * result is the array's last.
 */
export function pairwise(array: string, lanes: number, combined: (a: string, b: string) => string): string {
	return /* wgsl */ `
		for (var n = 0u; n < ${lanes - 1}u; n++) {
			${array}[${lanes}u + n] = ${combined(`${array}[2u * n]`, `${array}[2u * n + 1u]`)};
		}`;
}
