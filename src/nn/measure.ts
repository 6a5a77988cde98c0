/** Finds the FLOPs and the memory of a call of a module by a trial run on meta devices, which compute and change nothing. */
import { grad } from '../autograd/backward';
import { enableGrad, noGrad } from '../autograd/modes';
import type { Backend } from '../backends/contract';
import { metaBackend, Tally } from '../backends/meta/backend';
import { defaultDevice, withBackends } from '../backends/registry';
import { type DType, isFloating } from '../core/dtype';
import { ArgumentError, formatShape, WgradError } from '../core/errors';
import { defaultGenerator } from '../core/generator';
import { ones, zeros } from '../ops/creation';
import { closeScope, openScope } from '../scope';
import { Tensor } from '../tensor';

/** The part of `Module` that a summary needs. module.ts imports these files, so they cannot import it. */
export interface ModuleTree {
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

export interface TrialInput {
	readonly shape: readonly number[];
	readonly dtype: DType;
}

/** Bytes that a training step holds besides parameters and buffers. */
export interface TrainingMemory {
	/** By module: bytes that its operations made and that forward keeps for the backward pass or as output. */
	readonly activations: ReadonlyMap<unknown, number>;
	/** The peak of forward and backward: inputs, activations, gradients. */
	readonly peak: number;
}

export interface Trial {
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
