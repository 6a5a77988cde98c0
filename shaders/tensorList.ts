/**
 * Kernels that work on several tensors in one launch. Their elements have the same types, but each tensor has its own buffer.
 *
 * Each workgroup works on one tensor. A table in the parameters, `tensors`, has a row for each: x is the number of the tensor's first
 * workgroup, in ascending order; the kernel gives y, z and w their meaning. A switch selects the buffer, because a shader cannot index
 * bindings. All invocations of a workgroup take the same branch. A kernel has a variant for each number of tensors.
 */
import { type Binding, lines, range, readWrite, type StorageType, WORKGROUP_SIZE } from './shader';

/** The most tensors of a launch: the length of the table. */
export const MOST_TENSORS = 16;

/** The parameter `tensors`. */
export const TENSOR_TABLE = `array<vec4<u32>, ${MOST_TENSORS}>` as const;

/** The bindings `name0`, `name1`, ... of `count` tensors. */
export function tensorBindings(name: string, count: number, binding: Binding): Record<string, Binding> {
	return Object.fromEntries(range(count).map((k) => [`${name}${k}`, binding]));
}

/** Declares `tensor`, the number of the workgroup's tensor, `row`, its row of the table, and `at`, the workgroup's number within it. */
export function findTensor(count: number): string {
	return `
	var tensor = 0u;
	${lines(count - 1, (k) => `tensor += select(0u, 1u, groupIndex >= p.tensors[${k + 1}].x);`)}
	let row = p.tensors[tensor];
	let at = groupIndex - row.x;`;
}

/** The statement `of(k)` for the workgroup's tensor k. */
export function forTensor(count: number, of: (k: number) => string): string {
	if (count === 1) return of(0);
	const cases = range(count).map((k) => `\t\t${k < count - 1 ? `case ${k}u:` : 'default:'} {\n\t\t\t${of(k)}\n\t\t}`);
	return `switch tensor {\n${cases.join('\n')}\n\t}`;
}

/** A kernel that replaces each element of some tensors. */
export type EachVariant = { readonly storage: StorageType; readonly vec4: boolean; readonly tensors: number };

export const EACH_PARAMS = {
	/** First workgroup, number of reads, offset in units of one read, number of elements. */
	tensors: TENSOR_TABLE,
	/** The reads of an invocation. */
	each: 'u32',
} as const;

/**
 * Bindings, types and body of a kernel that replaces each element of the tensors x0, x1, ... by `result`, an expression with `value`, the
 * element as a `Value`: f32 or vec4<f32>. `first` are statements before it.
 */
export function eachElement({ storage, vec4, tensors }: EachVariant, result: string, first = '') {
	return {
		tensors: tensorBindings('x', tensors, readWrite('Element')),
		types: `
alias Element = ${vec4 ? `vec4<${storage}>` : storage};
alias Value = ${vec4 ? 'vec4<f32>' : 'f32'};
`,
		main: `
	${findTensor(tensors)}
	let room = p.each * ${WORKGROUP_SIZE}u;
	let end = min(row.y, (at + 1u) * room);
	for (var i = at * room + lid; i < end; i += ${WORKGROUP_SIZE}u) {
		var element: Element;
		${forTensor(tensors, (k) => `element = x${k}[row.z + i];`)}
		let value = Value(element);
		${first}
		let result = Element(${result});
		${forTensor(tensors, (k) => `x${k}[row.z + i] = result;`)}
	}
`,
	};
}
