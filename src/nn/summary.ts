/** Computes the figures of `Module.summary` and formats its table. */
import { bytesOf } from '../backends/meta/backend';
import type { DType } from '../core/dtype';
import { ArgumentError } from '../core/errors';
import type { Tensor } from '../tensor';
import { type ModuleTree, measure, type Trial, type TrialInput } from './measure';

export interface SummaryOptions {
	/** The dtype of the input, or of each input. Default float32; embeddings take 'int32'. */
	readonly dtype?: DType | readonly DType[];
}

/** One module of a summary. Figures from the trial run are null without an input shape. */
export interface LayerSummary {
	/** The path, as in `stateDict`; '' for the model itself. */
	readonly path: string;
	readonly kind: string;
	/** The shapes of the output, separated by commas; '' if forward was not called. */
	readonly output: string;
	/** The number of its own parameters. A shared parameter counts where it appears first. */
	readonly parameters: number;
	/** Its own floating-point operations, without those of its submodules. */
	readonly flops: number | null;
	/** Bytes that its own operations keep for the backward pass; also null if no parameter requires a gradient. */
	readonly activations: number | null;
}

/** The result of `summarize`. Memory is in bytes. Figures from the trial run are null without an input shape. */
export interface ModelSummary {
	readonly layers: readonly LayerSummary[];
	readonly parameters: number;
	readonly trainable: number;
	/** FLOPs of one call: a multiply-add counts 2, any other operation or function on one number 1, a move 0. */
	readonly flops: number | null;
	readonly memory: {
		readonly parameters: number;
		readonly buffers: number;
		/** The peak of one inference call besides parameters and buffers, including its input. */
		readonly inference: number | null;
		/** Bytes that forward keeps for the backward pass, without the input. */
		readonly activations: number | null;
		/**
		 * An estimate for a training step with Adam: parameters, buffers, gradients, Adam's two moments, and the peak of forward and
		 * backward. Leaves out the loss, the kernels' partial sums and the pool's rounding. Null if no parameter requires a gradient.
		 */
		readonly training: number | null;
	};
}

/** The figures behind `Module.summary`, as data. `inputShape` is one shape, or one for each input of `forward`. */
export function summarize(
	module: ModuleTree,
	inputShape?: readonly number[] | readonly (readonly number[])[],
	{ dtype = 'float32' }: SummaryOptions = {},
): ModelSummary {
	const trial: Trial | null = inputShape === undefined ? null : measure(module, trialInputs(inputShape, dtype));
	const counted = new Set<Tensor>();
	const layers = module.namedModules().map(([path, part]): LayerSummary => {
		const work = trial?.work.get(part);
		const own = part.ownParameters().filter(([, parameter]) => !counted.has(parameter) && counted.add(parameter));
		return {
			path,
			kind: part.constructor.name,
			output: work === undefined ? '' : `${work.output}${work.calls > 1 ? ` (${work.calls} calls)` : ''}`,
			parameters: own.reduce((sum, [, parameter]) => sum + parameter.size, 0),
			flops: trial && (work?.flops ?? 0),
			activations: trial?.training ? (trial.training.activations.get(part) ?? 0) : null,
		};
	});
	const parameters = module.parameters();
	const learned = parameters.filter((parameter) => parameter.requiresGrad);
	const held = bytes(parameters) + bytes(module.buffers());
	return {
		layers,
		parameters: count(parameters),
		trainable: count(learned),
		flops: trial && layers.reduce((sum, layer) => sum + layer.flops!, 0),
		memory: {
			parameters: bytes(parameters),
			buffers: bytes(module.buffers()),
			inference: trial?.inferencePeak ?? null,
			activations: trial?.training ? layers.reduce((sum, layer) => sum + layer.activations!, 0) : null,
			training: trial?.training ? held + 2 * bytes(learned) + trial.training.peak : null,
		},
	};
}

function trialInputs(
	inputShape: readonly number[] | readonly (readonly number[])[],
	dtype: DType | readonly DType[],
): readonly TrialInput[] {
	if (!Array.isArray(inputShape))
		throw new ArgumentError(
			`summary: inputShape must be a shape, [64, 1, 28, 28], or a list of shapes, not ${String(inputShape)}`,
		);
	const several = inputShape.length > 0 && inputShape.every(Array.isArray);
	const shapes = (several ? inputShape : [inputShape]) as readonly (readonly number[])[];
	const dtypes = typeof dtype === 'string' ? shapes.map(() => dtype) : dtype;
	if (dtypes.length !== shapes.length)
		throw new ArgumentError(`summary: ${dtypes.length} dtypes for ${shapes.length} input shapes; give one for each`);
	return shapes.map((shape, i) => ({ shape, dtype: dtypes[i]! }));
}

function count(tensors: readonly Tensor[]): number {
	return tensors.reduce((sum, tensor) => sum + tensor.size, 0);
}

function bytes(tensors: readonly Tensor[]): number {
	return tensors.reduce((sum, { device, dtype, size }) => sum + bytesOf(device, dtype, size), 0);
}

/** Formats one line per module, indented by depth, and the totals below. */
export function formatSummary({ layers, parameters, trainable, flops, memory }: ModelSummary): string {
	const measured = flops !== null;
	const trained = memory.activations !== null;
	const header = [
		'layer',
		'type',
		...(measured ? ['output shape'] : []),
		'parameters',
		...(measured ? ['FLOPs'] : []),
		...(trained ? ['activations'] : []),
	];
	const rows = layers.map((layer) => [
		nameOf(layer.path),
		layer.kind,
		...(measured ? [layer.output] : []),
		figure(layer.parameters),
		...(measured ? [figure(layer.flops!)] : []),
		...(trained ? [layer.activations === 0 ? '' : formatBytes(layer.activations!)] : []),
	]);
	const numbersFrom = measured ? 3 : 2;
	const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
	const lines = [header, ...rows].map((row) =>
		row.map((cell, column) => (column < numbersFrom ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  '),
	);
	const rule = '-'.repeat(lines[0]!.length);
	return [lines[0], rule, ...lines.slice(1), rule, ...totals({ parameters, trainable, flops, memory })].join('\n');
}

/** The totals of a summary, one per line. */
export function totals({ parameters, trainable, flops, memory }: Omit<ModelSummary, 'layers'>): string[] {
	const lines = [`${thousands(parameters)} parameters, ${thousands(trainable)} trainable`];
	if (flops !== null) lines.push(`${thousands(flops)} FLOPs forward (a multiply-add is 2)`);
	const parts = [`${formatBytes(memory.parameters)} parameters`];
	if (memory.buffers > 0) parts.push(`${formatBytes(memory.buffers)} buffers`);
	if (memory.inference !== null) parts.push(`${formatBytes(memory.inference)} in inference`);
	if (memory.activations !== null) parts.push(`${formatBytes(memory.activations)} activations in training`);
	if (memory.training !== null) parts.push(`about ${formatBytes(memory.training)} in all for a step of Adam`);
	return [...lines, `memory: ${parts.join(', ')}`];
}

function nameOf(path: string): string {
	const names = path.split('.');
	return path === '' ? '(model)' : `${'  '.repeat(names.length - 1)}${names.at(-1)}`;
}

function figure(value: number): string {
	return value === 0 ? '' : thousands(value);
}

function thousands(value: number): string {
	return value.toLocaleString('en-US');
}

/** Formats bytes in decimal units with three digits: `1.54 MB`. */
export function formatBytes(size: number): string {
	const units = ['B', 'kB', 'MB', 'GB', 'TB'];
	let unit = 0;
	let value = size;
	while (value >= 999.5 && unit < units.length - 1) {
		value /= 1000;
		unit++;
	}
	return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}
