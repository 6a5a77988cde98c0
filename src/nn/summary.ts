/**
 * Computes the figures of `Module.summary` and formats its table. FLOPs and memory come from a trial run on meta devices, which compute and
 * change nothing.
 */

import { grad } from '../autograd/backward';
import { enableGrad, noGrad } from '../autograd/modes';
import type { Backend } from '../backends/contract';
import { bytesOf, metaBackend, Tally } from '../backends/meta/backend';
import { defaultDevice, withBackends } from '../backends/registry';
import { requireArray } from '../core/checks';
import { type DType, isFloating } from '../core/dtype';
import { ArgumentError, formatShape, WgradError } from '../core/errors';
import { formatBytes } from '../core/format';
import { defaultGenerator } from '../core/generator';
import { closeScope, openScope } from '../core/scope';
import { ones, zeros } from '../ops/creation';
import { Tensor } from '../tensor';

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
	requireArray('summary', 'inputShape', inputShape, 'a shape, [64, 1, 28, 28], or a list of shapes');
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

/** The part of `Module` that a summary needs. module.ts imports this file, so it cannot import module.ts. */
interface ModuleTree {
	training: boolean;
	forward(...inputs: never[]): unknown;
	eval(): unknown;
	modules(): readonly ModuleTree[];
	namedModules(): readonly (readonly [path: string, module: ModuleTree])[];
	parameters(): readonly Tensor[];
	ownParameters(): readonly (readonly [name: string, parameter: Tensor])[];
	buffers(): readonly Tensor[];
	namedBuffers(): readonly (readonly [path: string, buffer: Tensor])[];
}

/** A module's own work, without its submodules. */
export interface Work {
	/** The shapes of the last call's output. */
	readonly output: string;
	readonly calls: number;
	readonly flops: number;
}

interface TrialInput {
	readonly shape: readonly number[];
	readonly dtype: DType;
}

/** Bytes that a training step holds besides parameters and buffers. */
interface TrainingMemory {
	/** By module: bytes that its operations made and that forward keeps for the backward pass or as output. */
	readonly activations: ReadonlyMap<unknown, number>;
	/** The peak of forward and backward: inputs, activations, gradients. */
	readonly peak: number;
}

interface Trial {
	readonly work: ReadonlyMap<ModuleTree, Work>;
	/** The peak bytes of inference, besides parameters and buffers. */
	readonly inferencePeak: number;
	/** Null if no parameter requires a gradient, or if the module throws on this input in training mode. */
	readonly training: TrainingMemory | null;
}

/** Runs `module.forward` for inference and for a training step. */
export function measure(module: ModuleTree, inputs: readonly TrialInput[]): Trial {
	const work = new Map<ModuleTree, Work>();
	const tally = new Tally();
	unchanged(module, () => {
		module.eval();
		observe(module, tally, work);
		dryRun(tally, () => noGrad(() => call(module, inputs)));
	});
	return { work, inferencePeak: tally.peak, training: measureTraining(module, inputs) };
}

function measureTraining(module: ModuleTree, inputs: readonly TrialInput[]): TrainingMemory | null {
	const learned = module.parameters().filter((parameter) => parameter.requiresGrad);
	if (learned.length === 0) return null;
	const tally = new Tally();
	let activations: ReadonlyMap<unknown, number> = new Map();
	try {
		unchanged(module, () => {
			// Modules with buffers stay in inference mode: in training they would update their statistics.
			const owners = new Set(module.namedBuffers().map(([path]) => path.split('.').slice(0, -1).join('.')));
			for (const [path, part] of module.namedModules()) part.training = !owners.has(path);
			observe(module, tally, new Map());
			const train = () => {
				const outputs = tensorsIn(call(module, inputs)).filter((output) => output.requiresGrad);
				activations = new Map(tally.held);
				if (outputs.length === 0) return;
				const gradOutputs = outputs.map((output) => ones(output.shape, { dtype: output.dtype, device: output.device }));
				grad(outputs, learned, { gradOutputs, allowUnused: true });
			};
			dryRun(tally, () => enableGrad(train));
		});
	} catch (error) {
		if (error instanceof WgradError) return null;
		throw error;
	}
	return { activations, peak: tally.peak };
}

function call(module: ModuleTree, inputs: readonly TrialInput[]): unknown {
	const device = module.parameters()[0]?.device ?? module.buffers()[0]?.device ?? defaultDevice();
	const tensors = inputs.map(({ shape, dtype }) => zeros(shape, { dtype, device }));
	const output = (module.forward as (...inputs: Tensor[]) => unknown)(...tensors);
	if (output instanceof Promise) {
		output.catch(() => {});
		throw new ArgumentError(
			`summary: forward of ${module.constructor.name} is async; the trial run has no values to await. Call summary() without an input shape`,
		);
	}
	return output;
}

/** Runs `fn` on meta devices and disposes of every tensor that it makes. */
function dryRun(tally: Tally, fn: () => unknown): void {
	const metaBackends = new Map<Backend, Backend>();
	const metaBackendFor = (backend: Backend): Backend => {
		let found = metaBackends.get(backend);
		if (found === undefined) {
			found = metaBackend(backend, tally);
			metaBackends.set(backend, found);
			metaBackends.set(found, found);
		}
		return found;
	};
	const random = defaultGenerator.getState();
	const scope = openScope();
	try {
		withBackends(metaBackendFor, fn);
	} finally {
		for (const node of scope.nodes) node.release();
		closeScope(scope, () => false);
		defaultGenerator.setState(random);
	}
}

/** Records in `work` what each module's calls do, and in `tally` which module makes each storage. */
function observe(module: ModuleTree, tally: Tally, work: Map<ModuleTree, Work>): void {
	/** FLOPs of the submodules of the innermost running module. */
	let below = 0;
	for (const part of module.modules()) {
		const forward = part.forward;
		part.forward = (...inputs: never[]) => {
			const outer = { below, holder: tally.holder, flops: tally.flops };
			below = 0;
			tally.holder = part;
			const output = forward.apply(part, inputs);
			tally.holder = outer.holder;
			const all = tally.flops - outer.flops;
			const earlier = work.get(part) ?? { calls: 0, flops: 0 };
			work.set(part, { output: describe(output), calls: earlier.calls + 1, flops: earlier.flops + all - below });
			below = outer.below + all;
			return output;
		};
	}
}

/** Runs `fn`, then restores the properties of all modules, including those that forward sets. */
function unchanged(module: ModuleTree, fn: () => void): void {
	const before = module.modules().map((part) => [part, Object.entries(part)] as const);
	try {
		fn();
	} finally {
		for (const [part, properties] of before) {
			const own = new Map<string, unknown>(properties);
			const now = part as unknown as Record<string, unknown>;
			for (const key of Object.keys(now)) if (!own.has(key)) delete now[key];
			for (const [key, value] of own) if (!Object.is(now[key], value)) now[key] = value;
		}
	}
}

function describe(output: unknown): string {
	if (output instanceof Tensor) return formatShape(output.shape);
	const parts = Array.isArray(output) ? output : isPlain(output) ? Object.values(output) : [];
	return parts
		.map(describe)
		.filter((part) => part !== '')
		.join(', ');
}

function tensorsIn(output: unknown): Tensor[] {
	if (output instanceof Tensor) return isFloating(output.dtype) ? [output] : [];
	return (Array.isArray(output) ? output : isPlain(output) ? Object.values(output) : []).flatMap(tensorsIn);
}

function isPlain(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
