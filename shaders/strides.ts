/** How strided views are walked. */

/**
 * `fn name(k: u32) -> u32`: where element (or line) k of a view of at least one dim lies, in the order of its dims. Params hold `offset`, and under
 * the names given the view's rank, and its shape and strides as array<vec4<u32>, 2>.
 *
 * The outermost dim needs no division, so the loop stops before it.
 */
export function placeFunction(name: string, { rank = 'rank', shape = 'shape', strides = 'strides' } = {}): string {
	return /* wgsl */ `
fn ${name}(k: u32) -> u32 {
	var rest = k;
	var at = p.offset;
	for (var d = p.${rank}; d > 1u; d--) {
		let size = p.${shape}[(d - 1u) / 4u][(d - 1u) % 4u];
		at += (rest % size) * p.${strides}[(d - 1u) / 4u][(d - 1u) % 4u];
		rest /= size;
	}
	return at + rest * p.${strides}[0].x;
}
`;
}
