/** Trees of plain data and tensors: the states of callbacks and checkpoints. */
import { ArgumentError, FormatError } from '../core/errors';
import { Tensor } from '../tensor';

/** Plain data that may contain tensors. */
export type CheckpointTree =
	| null
	| boolean
	| number
	| string
	| Tensor
	| readonly CheckpointTree[]
	| { readonly [key: string]: CheckpointTree | undefined };

/** Limits recursion, so that deep trees do not overflow the stack. */
const MAX_DEPTH = 500;

/** Replaces the tensors of a tree by their names, and non-finite numbers by strings. */
export function pack(tree: CheckpointTree | undefined, path: string, tensors: [string, Tensor][], depth = 0): unknown {
	if (depth > MAX_DEPTH)
		throw new ArgumentError(`a checkpoint cannot hold data nested ${MAX_DEPTH} deep or in itself: '${path.slice(0, 80)}...'`);
	if (tree instanceof Tensor) {
		tensors.push([path, tree]);
		return { $tensor: path };
	}
	if (typeof tree === 'number' && (!Number.isFinite(tree) || Object.is(tree, -0)))
		return { $number: Object.is(tree, -0) ? '-0' : String(tree) };
	if (Array.isArray(tree)) return tree.map((item, i) => pack(item, `${path}/${i}`, tensors, depth + 1));
	if (['bigint', 'function', 'symbol'].includes(typeof tree))
		throw new ArgumentError(`a checkpoint holds plain data and tensors; '${path}' is a ${typeof tree}`);
	if (typeof tree !== 'object' || tree === null) return tree;
	const entries = Object.entries(tree).filter(([, value]) => value !== undefined);
	return Object.fromEntries(
		entries.map(([key, value]) => [key, pack(value, path === '' ? key : `${path}/${key}`, tensors, depth + 1)]),
	);
}

/** Restores a tree from the result of `pack`. `source` names the file in errors. */
export function unpack(value: unknown, tensors: Readonly<Record<string, Tensor>>, source: string, depth = 0): CheckpointTree {
	if (depth > MAX_DEPTH) throw new FormatError(`${source}: the checkpoint's state is nested more than ${MAX_DEPTH} deep`);
	if (Array.isArray(value)) return value.map((item) => unpack(item, tensors, source, depth + 1));
	if (typeof value !== 'object' || value === null) return value as CheckpointTree;
	const { $tensor: name, $number: number } = value as { $tensor?: string; $number?: string };
	if (typeof number === 'string') return Number(number);
	if (typeof name === 'string') {
		const found = tensors[name];
		if (found === undefined) throw new FormatError(`${source}: the checkpoint lacks the tensor '${name}'`);
		return found;
	}
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item, tensors, source, depth + 1)]));
}

/** Disposes of every tensor in a tree. */
export function releaseTree(tree: CheckpointTree | undefined): void {
	if (tree instanceof Tensor) tree.dispose();
	else if (typeof tree === 'object' && tree !== null) for (const value of Object.values(tree)) releaseTree(value);
}
