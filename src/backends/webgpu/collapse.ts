/** Views several operands with as few dimensions as their strides allow. */
import type { Shape } from '../../core/shape';

export interface Collapsed {
	/** At least one dimension. No dimension has size 1 unless it is the only one. */
	readonly shape: readonly number[];
	/** `strides[operand][dimension]`. */
	readonly strides: readonly (readonly number[])[];
}

/**
 * Merges each dimension with the one inside it if a single stride walks both in every operand, and drops dimensions of
 * size 1. `strides` holds one list for each operand. No size of `shape` is 0.
 */
export function collapse(shape: Shape, strides: readonly (readonly number[])[]): Collapsed {
	const sizes: number[] = [];
	const steps: number[][] = strides.map(() => []);
	// From the innermost dimension outwards; both lists are reversed at the end.
	for (let d = shape.length - 1; d >= 0; d--) {
		const size = shape[d]!;
		if (size === 1) continue;
		const last = sizes.length - 1;
		if (last >= 0 && strides.every((list, k) => list[d] === steps[k]![last]! * sizes[last]!)) {
			sizes[last]! *= size;
		} else {
			sizes.push(size);
			strides.forEach((list, k) => {
				steps[k]!.push(list[d]!);
			});
		}
	}
	if (sizes.length === 0) return { shape: [1], strides: strides.map(() => [1]) };
	return { shape: sizes.reverse(), strides: steps.map((list) => list.reverse()) };
}
