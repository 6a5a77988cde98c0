/** Runs a model on an example to find which layers take the output of which layer. */
import { enableGrad } from '../../../autograd/modes';
import { TapeNode } from '../../../autograd/tape';
import { isFloating } from '../../../core/dtype';
import type { Shape } from '../../../core/shape';
import { detach } from '../../../ops/layout';
import { type GradEdge, type GradNode, Tensor } from '../../../tensor';
import { tidy } from '../../../tidy';
import type { Module } from '../../module';

/** A tensor that passes between layers. */
export interface Value {
	readonly shape: Shape;
	readonly edge: GradEdge | null;
	/** The layers that take it. */
	readonly consumers: Call[];
	/** A description of any other use, or null. */
	elsewhere: string | null;
}

/** A layer without children, with the input and the output of its one call. */
export interface Call {
	readonly path: string;
	readonly module: Module;
	readonly output: Value;
	/** The nodes on the tape that the call made. */
	readonly nodes: ReadonlySet<unknown>;
	/** How many times the model calls the layer. */
	calls: number;
}

/** The layers in the order of their first calls. The model should be in inference mode. */
export function trace(model: Module, example: readonly Tensor[]): Call[] {
	const calls = new Map<Module, Call>();
	const values: Value[] = [];
	const outputs: Value[] = [];
	// Compares nodes of the tape, because a layer such as dropout in inference may return its input as another handle.
	const valueAt = ({ shape, edge }: Tensor): Value => {
		let value = values.find((known) => edge !== null && known.edge?.node === edge.node && known.edge.index === edge.index);
		if (value === undefined) {
			value = { shape, edge, consumers: [], elsewhere: null };
			values.push(value);
		}
		return value;
	};
	const leaves = model.namedModules().filter(([, module]) => module.namedChildren().length === 0);
	const restore = leaves.map(([path, module]) =>
		observe(module, (input, output) => {
			const earlier = calls.get(module);
			if (earlier !== undefined) earlier.calls++;
			if (!(input instanceof Tensor) || !(output instanceof Tensor)) return;
			const [taken, given] = [valueAt(input), valueAt(output)];
			if (taken === given) return;
			const call = earlier ?? { path, module, output: given, nodes: nodesBetween(given.edge, taken.edge), calls: 1 };
			calls.set(module, call);
			taken.consumers.push(call);
		}),
	);
	try {
		tidy(() =>
			enableGrad(() => {
				// The tape records all operations only if the input requires a gradient.
				const inputs = example.map((x) => (isFloating(x.dtype) ? detach(x).requiresGrad_() : x));
				const result = (model.forward as (...inputs: Tensor[]) => unknown)(...inputs);
				outputs.push(...tensorsIn(result).map(valueAt));
			}),
		);
	} finally {
		for (const undo of restore) undo();
	}
	for (const value of outputs) value.elsewhere = 'it is an output of the model';
	findOthers(values, outputs);
	return [...calls.values()];
}

/** Calls `seen` after each forward of the module. Returns a function that stops it. */
function observe(module: Module, seen: (input: unknown, output: unknown) => void): () => void {
	const own = module as unknown as { forward: (...inputs: readonly unknown[]) => unknown };
	const before = Object.getOwnPropertyDescriptor(own, 'forward');
	const forward = own.forward;
	own.forward = (...inputs) => {
		const output = forward.apply(module, inputs as unknown[]);
		seen(inputs[0], output);
		return output;
	};
	return () => {
		if (before === undefined) delete (own as { forward?: unknown }).forward;
		else Object.defineProperty(own, 'forward', before);
	};
}

/** The nodes from `end` back to `start`, without `start`'s. */
function nodesBetween(end: GradEdge | null, start: GradEdge | null): Set<unknown> {
	const nodes = new Set<unknown>();
	const waiting: GradNode[] = end === null ? [] : [end.node];
	for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
		if (node === start?.node || nodes.has(node) || !(node instanceof TapeNode)) continue;
		nodes.add(node);
		for (const edge of node.edges) if (edge !== null) waiting.push(edge.node);
	}
	return nodes;
}

/** Notes which values go into operations outside the layers that take them. */
function findOthers(values: readonly Value[], outputs: readonly Value[]): void {
	const nodes = new Set<TapeNode>();
	for (const { edge } of outputs) for (const node of nodesBetween(edge, null)) nodes.add(node as TapeNode);
	for (const value of values) {
		if (value.edge === null) value.elsewhere ??= 'its gradient is not recorded';
		for (const node of nodes) {
			const takes = node.edges.some((edge) => edge?.node === value.edge?.node && edge?.index === value.edge?.index);
			if (takes && !value.consumers.some((call) => call.nodes.has(node)))
				value.elsewhere ??= `it goes into '${node.operation}' outside the layers`;
		}
	}
}

function tensorsIn(output: unknown): Tensor[] {
	if (output instanceof Tensor) return [output];
	return typeof output === 'object' && output !== null ? Object.values(output).flatMap(tensorsIn) : [];
}
