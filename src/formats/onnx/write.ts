/** Turns a trace into the messages of an ONNX file, and its weights into bytes. */
import type { DType } from '../../core/dtype';
import { ArgumentError } from '../../core/errors';
import { storedArray } from '../../core/halves';
import { Tensor } from '../../tensor';
import { Call } from './call';
import { type Axis, Graph, type Initializer, type Name } from './graph';
import type { MergedTrace, SymbolicStep, SymbolicValue } from './merge';
import { DATA_TYPE, type Message, type ModelProto, type TensorProto, type ValueInfoProto } from './messages';
import { ROWS } from './rows';
import { Dim } from './symbols';

/** The version of the file format that goes with opset 18; every reader of that opset knows it. */
const IR_VERSION = 8;

export interface Written {
	readonly model: Message<ModelProto>;
	readonly initializers: readonly Initializer[];
}

/** The model without the data of its initializers. */
export function writeGraph(trace: MergedTrace, outputNames: readonly string[], opset: number, axes: readonly Axis[]): Written {
	const graph = new Graph(opset, axes);
	const names = new Map<SymbolicValue, Name>();
	const makers = new Map<SymbolicValue, SymbolicStep>();
	const read = new Set<SymbolicValue>(trace.results);
	for (const { name } of trace.inputs) graph.unique(name);
	for (const name of outputNames) graph.unique(name);
	for (const step of trace.steps) {
		for (const value of step.outputs) if (value !== null) makers.set(value, step);
		for (const value of Object.values(step.inputs)) if (value !== null) read.add(value);
	}
	for (const value of trace.inputs) names.set(value, value.name);
	const define = (value: SymbolicValue) => {
		if (!names.has(value) && value.source !== 'step') names.set(value, constantOf(graph, value));
	};
	for (const step of trace.steps) {
		graph.place = `/${[...step.place.split('.').filter((part) => part !== ''), step.name].join('/')}`;
		for (const value of Object.values(step.inputs)) if (value !== null) define(value);
		const call = new Call(
			graph,
			step,
			names,
			(value) => makers.get(value),
			(i) => step.outputs[i] != null && read.has(step.outputs[i]),
		);
		const row = ROWS[step.kind];
		if (row === undefined) call.refuse('the ONNX exporter does not know it');
		const found = row!(call);
		step.outputs.forEach((value, i) => {
			const name = typeof found === 'string' ? found : found[i];
			if (value !== null && name != null) names.set(value, name);
		});
	}
	graph.place = '';
	const output = trace.results.map((value, i) => {
		define(value);
		const name = outputNames[i]!;
		graph.nodes.push({ name: graph.unique(`/${name}`), opType: 'Identity', input: [names.get(value)!], output: [name] });
		return described(name, value, axes);
	});
	return {
		model: {
			irVersion: IR_VERSION,
			producerName: 'wgrad',
			opsetImport: [{ domain: '', version: opset }],
			graph: {
				name: 'main',
				node: withoutCopies(
					graph.nodes,
					output.map(({ name }) => name!),
				),
				input: trace.inputs.map((value) => described(value.name, value, axes)),
				output,
			},
		},
		initializers: graph.initializers,
	};
}

type Nodes = Graph['nodes'];

/** Lets nodes write the outputs of the graph themselves, where only an Identity reads their result. */
function withoutCopies(nodes: Nodes, outputs: readonly Name[]): Nodes {
	const readers = new Map<Name, number>();
	for (const { input } of nodes) for (const name of input!) readers.set(name, (readers.get(name) ?? 0) + 1);
	const renamed = new Map<Name, Name>();
	const kept = nodes.filter(({ opType, input, output }) => {
		const isCopy = opType === 'Identity' && outputs.includes(output![0]!) && readers.get(input![0]!) === 1;
		if (!isCopy || !nodes.some((node) => node.output!.includes(input![0]!))) return true;
		renamed.set(input![0]!, output![0]!);
		return false;
	});
	return kept.map((node) => ({ ...node, output: node.output!.map((name) => renamed.get(name) ?? name) }));
}

/** An initializer, or the nodes that make a constant whose shape follows the dynamic axes. */
function constantOf(graph: Graph, value: SymbolicValue): Name {
	const { dtype, shape, range, repeated, tensor } = value;
	if (range !== null) {
		const limit = graph.integers([shape[0]!]);
		const scalar = graph.cast(graph.reshape(limit, [1], []), 'int64', dtype);
		const step = graph.scalar(dtype, range.step);
		const end = graph.add('Add', [graph.scalar(dtype, range.start), graph.add('Mul', [scalar, step])]);
		return graph.add('Range', [graph.scalar(dtype, range.start), end, step]);
	}
	const name = graph.unique(value.name === '' ? 'constant' : value.name);
	graph.initializers.push({ name, dataType: typeOf(dtype), dims: tensor!.shape, data: tensor! });
	return repeated.length === 0 ? name : graph.add('Expand', [name, graph.integers(shape)]);
}

function typeOf(dtype: DType): number {
	return DATA_TYPE[dtype];
}

function described(name: Name, { dtype, shape }: SymbolicValue, axes: readonly Axis[]): Message<ValueInfoProto> {
	const dim = shape.map((size) => {
		if (!(size instanceof Dim)) return { dimValue: size };
		const symbol = size.symbol();
		return symbol === undefined ? {} : { dimParam: axes[symbol]!.name };
	});
	return { name, type: { tensorType: { elemType: typeOf(dtype), shape: { dim } } } };
}

/** The largest message that every reader of protobuf takes is 2 GB; the rest is left to the graph. */
export const EXTERNAL_ABOVE = 2 ** 31 - 2 ** 24;

/** Initializers larger than this go to the external file; others are not worth a seek. */
const SMALL = 1024;
/** External data begins at multiples of this, so that readers can map it into memory. */
const ALIGNMENT = 4096;

export interface Weights {
	readonly initializer: readonly Message<TensorProto>[];
	/** The tensors of the external file, with their places. */
	readonly external: readonly { readonly initializer: Initializer; readonly offset: number; readonly length: number }[];
}

/** The initializers as messages: with their bytes or, if `location` names an external file, with their places in it. */
export async function weightsOf(initializers: readonly Initializer[], location: string | null): Promise<Weights> {
	const external: { initializer: Initializer; offset: number; length: number }[] = [];
	const messages: Message<TensorProto>[] = [];
	let end = 0;
	for (const initializer of initializers) {
		const { name, dataType, dims } = initializer;
		const length = byteLength(initializer);
		if (location === null || length <= SMALL) {
			messages.push({ name, dataType, dims, rawData: await bytesOf(initializer) });
			continue;
		}
		const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
		end = offset + length;
		external.push({ initializer, offset, length });
		const places = { location, offset: String(offset), length: String(length) };
		const externalData = Object.entries(places).map(([key, value]) => ({ key, value }));
		messages.push({ name, dataType, dims, dataLocation: 1, externalData });
	}
	return { initializer: messages, external };
}

const WIDTHS: Readonly<Record<DType, number>> = {
	float32: 4,
	float64: 8,
	float16: 2,
	bfloat16: 2,
	int32: 4,
	int8: 1,
	uint8: 1,
	bool: 1,
};

export function byteLength({ data }: Initializer): number {
	return data instanceof Tensor ? data.size * WIDTHS[data.dtype] : data.length;
}

export async function bytesOf({ data }: Initializer): Promise<Uint8Array> {
	if (!(data instanceof Tensor)) return data as Uint8Array;
	const { buffer, byteOffset, byteLength } = storedArray(data.dtype, await data.data());
	return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** The bytes of the external file, one tensor at a time. */
export async function* externalParts({ external }: Weights): AsyncGenerator<Uint8Array> {
	let position = 0;
	for (const { initializer, offset, length } of external) {
		if (offset > position) yield new Uint8Array(offset - position);
		yield await bytesOf(initializer);
		position = offset + length;
	}
}

export function requireUnique(names: readonly string[], what: string): void {
	const twice = names.find((name, i) => names.indexOf(name) !== i);
	if (twice !== undefined) throw new ArgumentError(`ONNX export: two ${what} have the name '${twice}'`);
}
