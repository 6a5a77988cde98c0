/** How kernels walk strided views. */

/**
 * `fn name(k: u32) -> u32`: the position of element (or line) k of a view of at least one dim, in the order of its dims. The view
 * is a parameter.
 *
 * The outermost dim needs no division, so the loop stops before it.
 */
export function placeFunction(name: string, view: string): string {
	return /* wgsl */ `
fn ${name}(k: u32) -> u32 {
	var rest = k;
	var at = p.${view}.offset;
	for (var d = p.${view}.rank; d > 1u; d--) {
		let size = p.${view}.shape[(d - 1u) / 4u][(d - 1u) % 4u];
		at += (rest % size) * p.${view}.strides[(d - 1u) / 4u][(d - 1u) % 4u];
		rest /= size;
	}
	return at + rest * p.${view}.strides[0].x;
}
`;
}
