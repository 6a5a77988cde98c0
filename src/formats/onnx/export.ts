/** `saveOnnx` and `toOnnx`: a module as an ONNX file, which other runtimes run. */
import { requireInteger } from '../../core/checks';
import { ArgumentError, formatShape } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { thePlatform } from '../../io/platform';
import { Module } from '../../nn/module';
import { tensor as makeTensor } from '../../ops/creation';
import { indexSelect } from '../../ops/indexing';
import { Tensor } from '../../tensor';
import { tidy } from '../../tidy';
import type { Axis } from './graph';
import { merged } from './merge';
import { encodeModel } from './messages';
import { type Assignment, assignments } from './symbols';
import { type Trace, type TraceTarget, trace } from './trace';
import { byteLength, EXTERNAL_ABOVE, externalParts, requireUnique, weightsOf, writeGraph } from './write';

export interface OnnxOptions {
	/**
	 * Example inputs of `forward`, in order. Their values do not matter, but indices must be valid. A list names them 'input', or 'input_0',
	 * 'input_1' and so on.
	 */
	readonly inputs: Readonly<Record<string, Tensor>> | readonly Tensor[];
	/** The names of the outputs. Default: the keys of the object that `forward` returns, 'output', or 'output_0' and so on. */
	readonly outputs?: readonly string[];
	/** Whether dim 0 of every input is a batch of any size. Default true, or false if `dynamicAxes` is given. */
	readonly dynamicBatch?: boolean;
	/** The dims of inputs that may have any size, by input, with a name for each: `{ ids: { 0: 'batch', 1: 'length' } }`. One name is one size. */
	readonly dynamicAxes?: Readonly<Record<string, Readonly<Record<number, string>>>>;
	/** The version of ONNX's operators, 18 to 22. Default 18. Newer ones have more operators, such as Gelu from 20 on. */
	readonly opset?: number;
	/** Whether the module stays in training mode, with the statistics of the batch in batch norm. Default false: inference mode. */
	readonly training?: boolean;
}

export interface SaveOnnxOptions extends OnnxOptions {
	/** Whether the weights go to a second file, `<path>.data`. Default: if they exceed `externalAbove`. */
	readonly externalData?: boolean;
	/** Bytes of weights above which they go to a second file. Default 2 GB, the largest size of an ONNX file, less 16 MB for the graph. */
	readonly externalAbove?: number;
}

/** What can be exported: a module, or a function of tensors. The constants of a function have no names. */
export type OnnxModel = Module | ((...inputs: Tensor[]) => unknown);

const NAMES = ['inputs', 'outputs', 'dynamicBatch', 'dynamicAxes', 'opset', 'training'] as const;

/**
 * The bytes of an ONNX file that computes what `model.forward` computes. Runs forward on the example inputs and records the operations. The
 * parameters and buffers keep their names. Throws an ArgumentError for what a graph cannot hold: reads on the host, random numbers, weights over
 * 2 GB (see `saveOnnx`), and operations that ONNX lacks. As `torch.onnx.export`.
 *
 * ```ts
 * const bytes = await toOnnx(model, { inputs: { image: zeros([1, 3, 32, 32]) }, outputs: ['logits'] });
 * ```
 */
export async function toOnnx(model: OnnxModel, options: OnnxOptions): Promise<Uint8Array> {
	checkOptions('toOnnx', options, NAMES);
	return exported('toOnnx', model, options, async ({ model, initializers }) => {
		const bytes = initializers.reduce((sum, initializer) => sum + byteLength(initializer), 0);
		if (bytes > EXTERNAL_ABOVE)
			throw new ArgumentError(
				`toOnnx: ${bytes} bytes of weights exceed the 2 GB that one ONNX file holds. Use saveOnnx, which writes two files`,
			);
		const { initializer } = await weightsOf(initializers, null);
		return encodeModel({ ...model, graph: { ...model.graph, initializer } });
	});
}

/**
 * Writes an ONNX file, as `toOnnx` makes it, to a path in Node. Weights over `externalAbove` (2 GB) go to a second file beside it, tensor
 * by tensor. As `torch.onnx.export`.
 */
export async function saveOnnx(model: OnnxModel, path: string, options: SaveOnnxOptions): Promise<void> {
	const { externalData, externalAbove = EXTERNAL_ABOVE } = checkOptions('saveOnnx', options, [
		...NAMES,
		'externalData',
		'externalAbove',
	]);
	requireInteger('saveOnnx', 'externalAbove', externalAbove, 0, EXTERNAL_ABOVE + 1);
	if (typeof path !== 'string') throw new ArgumentError('saveOnnx: the path must be a string');
	await exported('saveOnnx', model, options, async ({ model, initializers }) => {
		const bytes = initializers.reduce((sum, initializer) => sum + byteLength(initializer), 0);
		const isExternal = externalData ?? bytes > externalAbove;
		const location = isExternal ? `${path.split(/[\\/]/).at(-1)}.data` : null;
		const weights = await weightsOf(initializers, location);
		const file = encodeModel({ ...model, graph: { ...model.graph, initializer: weights.initializer } });
		const data = isExternal ? [{ path: `${path}.data`, parts: externalParts(weights) }] : [];
		await thePlatform().writeFiles('saveOnnx', [...data, { path, parts: [file] }]);
	});
}

type Place = readonly [input: number, dim: number];

interface Inputs {
	readonly names: readonly string[];
	readonly tensors: readonly Tensor[];
	/** The dynamic axes: a symbol and its places, as pairs of an input and a dim. */
	readonly symbols: readonly { readonly name: string; readonly places: readonly [Place, ...Place[]] }[];
}

function checkedInputs(operation: string, { inputs, dynamicAxes, dynamicBatch }: OnnxOptions): Inputs {
	if (typeof inputs !== 'object' || inputs === null || inputs instanceof Tensor)
		throw new ArgumentError(
			`${operation}: inputs must hold example tensors, in a list or by name: { inputs: [x] } or { inputs: { image: x } }`,
		);
	const list = Array.isArray(inputs) ? (inputs as readonly Tensor[]) : null;
	const entries: [string, Tensor][] =
		list === null ? Object.entries(inputs) : list.map((x, i) => [list.length === 1 ? 'input' : `input_${i}`, x]);
	for (const [name, x] of entries)
		if (!(x instanceof Tensor)) throw new ArgumentError(`${operation}: the example input '${name}' must be a tensor`);
	const names = entries.map(([name]) => name);
	const tensors = entries.map(([, x]) => x);
	const symbols = new Map<string, Place[]>();
	const mark = (name: string, input: number, dim: number) => {
		const places = symbols.get(name) ?? [];
		symbols.set(name, places);
		const { shape } = tensors[input]!;
		const [first] = places;
		const size = first === undefined ? shape[dim]! : tensors[first[0]]!.shape[first[1]]!;
		if (size !== shape[dim]) {
			throw new ArgumentError(
				`${operation}: '${name}' is one size, but dim ${dim} of '${names[input]}' ${formatShape(shape)} is not ${size}. Name the dynamic axes with dynamicAxes`,
			);
		}
		places.push([input, dim]);
	};
	for (const [name, axes] of Object.entries(dynamicAxes ?? {})) {
		const input = names.indexOf(name);
		if (input < 0)
			throw new ArgumentError(`${operation}: dynamicAxes names '${name}', which is no input; the inputs are ${names.join(', ')}`);
		for (const [dim, symbol] of Object.entries(axes)) {
			requireInteger(operation, `a dim of '${name}' in dynamicAxes`, Number(dim), 0, tensors[input]!.ndim);
			mark(symbol, input, Number(dim));
		}
	}
	if (dynamicBatch ?? dynamicAxes === undefined) {
		tensors.forEach((x, input) => {
			if (x.ndim > 0 && dynamicAxes?.[names[input]!]?.[0] === undefined) mark('batch', input, 0);
		});
	}
	return {
		names,
		tensors,
		symbols: [...symbols].map(([name, places]) => ({ name, places: places as unknown as [Place, ...Place[]] })),
	};
}

async function exported<T>(
	operation: string,
	model: OnnxModel,
	options: OnnxOptions,
	finish: (written: ReturnType<typeof writeGraph>) => Promise<T>,
): Promise<T> {
	const { opset = 18, training = false, outputs } = options;
	requireInteger(operation, 'opset', opset, 18, 23);
	if (!(model instanceof Module) && typeof model !== 'function')
		throw new ArgumentError(`${operation}: takes a module, or a function of tensors`);
	const inputs = checkedInputs(operation, options);
	requireUnique(inputs.names, 'inputs');
	const sizes = inputs.symbols.map(({ places: [[input, dim]] }) => inputs.tensors[input]!.shape[dim]!) as Assignment;
	const runs = assignments(sizes);
	const module = model instanceof Module ? model : null;
	const forward = (module === null ? model : module.forward.bind(module)) as TraceTarget['forward'];
	const modes = module === null ? [] : module.modules().map((part) => [part, part.training] as const);
	const traces: Trace[] = [];
	try {
		if (!training) module?.eval();
		for (const run of runs) traces.push(runOnce(operation, { module, forward, names: inputs.names }, inputs, run, traces.length));
		for (const [part, mode] of modes) part.training = mode;
		const joined = await merged(traces, runs);
		const names = outputNames(joined.outputs, inputs.names, outputs);
		requireUnique([...inputs.names, ...names], 'inputs or outputs');
		const axes: Axis[] = inputs.symbols.map(({ name, places: [[input, dim]] }) => ({ name, input: inputs.names[input]!, dim }));
		return await finish(writeGraph(joined, names, opset, axes));
	} finally {
		for (const [part, mode] of modes) part.training = mode;
		for (const { values } of traces) for (const { tensor } of values) tensor?.dispose();
	}
}

/** The names of outputs, of the paths within what forward returned or as the user wants them. */
function outputNames(
	paths: readonly string[],
	inputs: readonly string[],
	wanted: readonly string[] | undefined,
): readonly string[] {
	if (wanted === undefined) {
		return paths.map((path) => (path === '' ? 'output' : /^\d/.test(path) || inputs.includes(path) ? `output_${path}` : path));
	}
	if (wanted.length === paths.length) return wanted;
	throw new ArgumentError(`ONNX export: outputs names ${wanted.length} tensors, but forward returned ${paths.length}`);
}

/** A trace with the dynamic axes of these sizes: the example inputs, cut off or continued from their beginning. */
function runOnce(operation: string, target: TraceTarget, { tensors, symbols }: Inputs, run: Assignment, shift: number): Trace {
	return tidy(() => {
		const resized = tensors.map((x, input) =>
			symbols.reduce(
				(y, { places }, symbol) =>
					places.reduce((z, [place, dim]) => {
						const size = z.shape[dim]!;
						if (place !== input) return z;
						if (size === 0) throw new ArgumentError(`${operation}: an example input has no elements`);
						const at = Int32Array.from({ length: run[symbol]! }, (_, i) => (i + shift) % size);
						return indexSelect(z, dim, makeTensor(at, { device: z.device }));
					}, y),
				x,
			),
		);
		try {
			return trace(target, resized);
		} catch (error) {
			if (shift === 0 || !(error instanceof Error)) throw error;
			const given = symbols.map(({ name }, i) => `${name} ${run[i]}`).join(', ');
			throw new ArgumentError(
				`${operation}: forward fails at another size of the dynamic axes (${given}): ${error.message}. Export with dynamicBatch: false, or choose dynamicAxes`,
				{ cause: error },
			);
		}
	});
}
