/** How a kernel tells the host of an index that is out of range, when nothing can throw. */

/**
 * `fn reportIndex(index: i32)`. The last word of the kernel's Params is `report: u32`, the launch's place in the records, which are bound at
 * `binding`, read_write, behind all others; place 0 is for launches whose indices nobody asked about. A launch's record holds the largest of its
 * bad indices, so it does not depend on timing. 0 means none: -2^31 is told as -2^31 + 1.
 */
export function reportIndex(binding: number): string {
	return /* wgsl */ `
@group(0) @binding(${binding}) var<storage, read_write> records: array<atomic<u32>>;

fn reportIndex(index: i32) {
	atomicMax(&records[p.report], max(bitcast<u32>(index) ^ 0x80000000u, 1u));
}
`;
}
