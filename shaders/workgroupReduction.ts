/**
 * How a workgroup combines the results of its invocations.
 *
 * A tree would share the work, but it has a barrier in a loop, which takes software adapters longer to compile than the rest of a
 * kernel. So either every invocation goes through all results: they share these reads, which take GPUs about as long as a tree's
 * barriers. Or, if the result must be as exact as a tree's, one invocation does the tree's work alone.
 */

/**
 * `fn workgroupSum(mine: TYPE, lid: u32) -> TYPE`: the sum over the workgroup, returned to each of its `lanes` invocations. It may be
 * called again. Afterwards `shares` holds the terms.
 */
export function workgroupSum(type: 'f32' | 'vec2<f32>', lanes: number): string {
	return /* wgsl */ `
var<workgroup> shares: array<${type}, ${lanes}>;
fn workgroupSum(mine: ${type}, lid: u32) -> ${type} {
	// All invocations must have read the previous values before they are overwritten.
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

/** The number of elements that `pairwise` needs in its array. */
export const pairwiseLength = (lanes: number): number => 2 * lanes - 1;

/**
 * A statement for one invocation: combines the first `lanes` elements of `array`, pairs first, then pairs of pairs, and appends
 * each result. The final result is the array's last element.
 */
export function pairwise(array: string, lanes: number, combined: (a: string, b: string) => string): string {
	return /* wgsl */ `
		for (var n = 0u; n < ${lanes - 1}u; n++) {
			${array}[${lanes}u + n] = ${combined(`${array}[2u * n]`, `${array}[2u * n + 1u]`)};
		}`;
}
