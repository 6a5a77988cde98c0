/**
 * `graph` shows the autograd graph of an expression as data: plain objects that hold no tensor and no node, so that the graph of a step can
 * be kept, compared and written to a file while the step's memory is freed.
 */
import { requireFunction } from '../core/checks';
import type { DType } from '../core/dtype';
import { formatShape } from '../core/errors';
import { formatBytes } from '../core/format';
import { checkOptions } from '../core/options';
import type { Shape } from '../core/shape';
import { type GradNode, Tensor } from '../tensor';
import { requireTensors } from '../tensorChecks';
import { reachable, requireEdge, valueAt } from './backward';
import { LeafNode, TapeNode } from './tape';

export interface GraphOptions {
	/** The module whose parameters name the leaves. Without it a leaf has the name that its tensor has, or ''. */
	readonly model?: { namedParameters(): Iterable<readonly [name: string, parameter: Tensor]> };
}

/** The shape and dtype of a value. */
export interface TensorInfo {
	readonly shape: Shape;
	readonly dtype: DType;
}

/** A tensor that an operation keeps for the backward pass. */
export interface SavedTensor extends TensorInfo {
	/** What the operation calls it, such as 'x' or 'output'; 'saved 0', 'saved 1', ... where it has no names. */
	readonly name: string;
	/** Bytes of the memory that it keeps: of the whole tensor if it is a view of a part. */
	readonly bytes: number;
	/** Equal numbers share memory. */
	readonly memory: number;
	/** Whether the memory belongs to a leaf, such as a parameter, and so is in use anyway. */
	readonly isLeaf: boolean;
}

/** A leaf, or a recorded operation. */
export interface GraphNode {
	/** Its index in `nodes`. An operation has a larger one than its inputs. */
	readonly id: number;
	/** The operation's public name; 'leaf' for a leaf. */
	readonly operation: string;
	readonly isLeaf: boolean;
	/** The name of a leaf: of the parameter, or of the tensor, or ''. */
	readonly name: string;
	/** The operation's results, or the leaf itself. Null for an optional result that the call did not give. */
	readonly outputs: readonly (TensorInfo | null)[];
	/** What it keeps for the backward pass. Empty if it needs nothing, if `savedBy` does it, or once it is released. */
	readonly saved: readonly SavedTensor[];
	/** The function that replaces saving here: 'checkpoint' computes again, 'saveOnCpu' moves to the host. Otherwise null. */
	readonly savedBy: 'checkpoint' | 'saveOnCpu' | null;
	/** Whether a backward pass without `retainGraph` has freed what it kept. */
	readonly isReleased: boolean;
}

/** A value on its way from the node that computes it to one that uses it. Gradients take the opposite way. */
export interface GraphEdge extends TensorInfo {
	/** Ids of nodes. */
	readonly from: number;
	readonly to: number;
	/** The value's index among the outputs of `from`. */
	readonly output: number;
	/** The value's index among the inputs of `to`. */
	readonly input: number;
}

/** An autograd graph as plain data. `JSON.stringify` and `structuredClone` copy the data, without the methods. */
export class Graph {
	/** @internal */
	constructor(
		/** Leaves and operations, in the order in which they were made. */
		readonly nodes: readonly GraphNode[],
		readonly edges: readonly GraphEdge[],
		/** The ids of the nodes that computed the given tensors. */
		readonly roots: readonly number[],
		/** Bytes that the graph keeps for the backward pass, besides the leaves. Shared memory counts once. */
		readonly savedBytes: number,
	) {}

	/**
	 * The graph as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html), leaves above, for Markdown. Mermaid draws at most 500
	 * edges unless its `maxEdges` says otherwise.
	 */
	toMermaid(): string {
		const line = ({ id, isLeaf }: GraphNode, label: string) => {
			const [open, close] = isLeaf ? ['([', '])'] : this.roots.includes(id) ? ['[[', ']]'] : ['[', ']'];
			return `\tn${id}${open}"${label}"${close}`;
		};
		return [
			'flowchart TD',
			...this.nodes.map((node) => line(node, linesOf(node).map(escapeMermaid).join('<br/>'))),
			...this.edges.map(({ from, to, shape }) => `\tn${from} -->|"${escapeMermaid(formatShape(shape))}"| n${to}`),
			'',
		].join('\n');
	}

	/** The graph in Graphviz' language DOT (https://graphviz.org/doc/info/lang.html), leaves above. */
	toDot(): string {
		const style = ({ id, isLeaf }: GraphNode) => (isLeaf ? ', shape=ellipse' : this.roots.includes(id) ? ', peripheries=2' : '');
		return [
			'digraph {',
			'\tnode [shape=box]',
			...this.nodes.map((node) => `\tn${node.id} [label="${linesOf(node).map(escapeDot).join('\\n')}"${style(node)}]`),
			...this.edges.map(({ from, to, shape }) => `\tn${from} -> n${to} [label="${escapeDot(formatShape(shape))}"]`),
			'}',
			'',
		].join('\n');
	}
}

/** The text of a node, in lines. */
function linesOf({ operation, isLeaf, name, outputs, saved, savedBy, isReleased }: GraphNode): string[] {
	const lines = [isLeaf && name !== '' ? name : operation];
	for (const output of outputs) if (output !== null) lines.push(`${formatShape(output.shape)} ${output.dtype}`);
	const bytes = bytesOf(saved);
	if (bytes > 0) lines.push(`saves ${formatBytes(bytes)}`);
	if (savedBy !== null) lines.push(savedBy);
	if (isReleased) lines.push('released');
	return lines;
}

/** Bytes of the memory of saved tensors that no leaf has. Shared memory counts once. */
function bytesOf(saved: readonly SavedTensor[]): number {
	const memories = new Map(saved.filter(({ isLeaf }) => !isLeaf).map(({ memory, bytes }) => [memory, bytes]));
	return [...memories.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Replaces what ends a quoted label, or begins markup or a character code in it. */
function escapeMermaid(text: string): string {
	return text.replaceAll(/["#&<>`\\]/g, (character) => `#${character.charCodeAt(0)};`).replaceAll(/\s/g, ' ');
}

function escapeDot(text: string): string {
	return text.replaceAll(/["\\]/g, '\\$&').replaceAll(/\s/g, ' ');
}

/**
 * The autograd graph that leads to `output`, or to several outputs, as data: the operations with shapes, dtypes and what they keep for the
 * backward pass, the leaves by name, and the values that pass between them. `toMermaid()` and `toDot()` draw it. It holds no tensor. Inputs that
 * require no gradient are not on the tape, and so appear only where an operation keeps them. Throws an AutogradError if an output requires
 * no gradient.
 *
 * ```ts
 * const { nodes, savedBytes } = graph(loss, { model });
 * ```
 */
export function graph(output: Tensor | readonly Tensor[], options: GraphOptions = {}): Graph {
	const { model } = checkOptions('graph', options, ['model']);
	const outputs = output instanceof Tensor ? [output] : output;
	requireTensors('graph', 'output', outputs);
	if (model !== undefined) requireFunction('graph', 'model.namedParameters', model?.namedParameters, 'a module');
	const names = new Map<Tensor, string>();
	for (const [name, parameter] of model?.namedParameters() ?? []) names.set(parameter, name);
	const roots = outputs.map((tensor) => requireEdge('graph', tensor));
	const order = reachable(roots).reverse();
	const ids = new Map(order.map((node, id) => [node, id]));
	const leaves = new Set(
		order.flatMap((node) => (node instanceof LeafNode && !node.tensor.isDisposed ? [node.tensor.storage] : [])),
	);
	const memories = new Map<unknown, number>();
	const memoryOf = (storage: object) => {
		if (!memories.has(storage)) memories.set(storage, memories.size);
		return memories.get(storage)!;
	};
	const nodes = order.map((node, id): GraphNode => {
		const { operation, isLeaf } = node;
		if (!(node instanceof TapeNode))
			return {
				id,
				operation,
				isLeaf,
				name: nameOf(node, names),
				outputs: [infoOf(valueAt({ node, index: 0 }))],
				...NOTHING_SAVED,
			};
		const saved = node.savedTensors().map(
			({ name, shape, storage }): SavedTensor => ({
				name,
				shape: [...shape],
				dtype: storage.dtype,
				bytes: storage.claims.bytes,
				memory: memoryOf(storage),
				isLeaf: leaves.has(storage),
			}),
		);
		const { packedBy: savedBy, released: isReleased } = node;
		const results = node.outputs.map((info) => (info === undefined ? null : infoOf(info)));
		return { id, operation, isLeaf, name: '', outputs: results, saved, savedBy, isReleased };
	});
	const edges = order.flatMap((node, to) =>
		(node instanceof TapeNode ? node.edges : []).flatMap((edge, input): GraphEdge[] =>
			edge === null ? [] : [{ from: ids.get(edge.node)!, to, output: edge.index, input, ...infoOf(valueAt(edge)) }],
		),
	);
	const rootIds = [...new Set(roots.map(({ node }) => ids.get(node)!))];
	return new Graph(nodes, edges, rootIds, bytesOf(nodes.flatMap(({ saved }) => saved)));
}

const NOTHING_SAVED = { saved: [], savedBy: null, isReleased: false } as const;

function infoOf({ shape, dtype }: TensorInfo): TensorInfo {
	return { shape: [...shape], dtype };
}

function nameOf(node: GradNode, names: ReadonlyMap<Tensor, string>): string {
	return node instanceof LeafNode ? (names.get(node.tensor) ?? node.tensor.name) : '';
}
