/**
 * Launches of optimizer steps (shaders/optimizer.wgsl.ts): the distribution of tensors over launches. A training loop steps the same memory again
 * and again, so the launches are kept, and a step with the same blocks only writes their parameters.
 */
import { MOST_STEPPED, type Step } from '../../../shaders/optimizer.wgsl';
import type { Parameters, ParameterValues } from '../../../shaders/parameters';
import { range, WORKGROUP_SIZE } from '../../../shaders/shader';
import type { DType } from '../../core/dtype';
import { numel, type Shape } from '../../core/shape';
import type { Storage, View } from '../contract';
import type { Penalties } from '../contract/optimizer';
import { ownsTail } from './elementwisePlan';
import { type Gpu, type Launch, type PreparedLaunch, storageType } from './launch';
import { type Block, type GpuStorage, gpuBytes } from './memory';
import { inChunks, isShared } from './tensorList';

type Views = readonly View[];

/** What a step reads, and what it updates in place. */
type StepViews<S extends string> = {
	readonly gradients: Views;
	readonly params: Views;
	readonly control?: View | undefined;
} & { readonly [K in S]?: Views | undefined };

type AnyStep = Step<string, Readonly<Record<never, never>>>;

/** Tensors that one launch could update. */
interface Batch {
	readonly storage: ReturnType<typeof storageType>;
	readonly vec4: boolean;
	/** The storage of all state; null if there is none, undefined if its parts have their own storages. */
	readonly arena: Storage | null | undefined;
	/** Whether others may join. */
	readonly shared: boolean;
	/** The numbers of the tensors. */
	readonly tensors: number[];
}

interface StepLaunch {
	readonly prepared: PreparedLaunch;
	/** The tables of the tensors. */
	readonly tables: { readonly tensors: readonly number[]; readonly states: readonly number[] };
	readonly blocks: readonly Block[];
}

/** The launches of a step, and the memory for which they were made. */
interface StepPlan {
	readonly launches: readonly StepLaunch[];
	readonly shapes: readonly Shape[];
	readonly dtypes: readonly DType[];
	/** Which parts of its state the step has. */
	readonly mask: number;
	/** Of each tensor: gradient, parameter, state. Last of all the control, if there is one. */
	readonly blocks: readonly (Block | undefined)[];
	readonly offsets: readonly number[];
}

/** The plans to keep for each optimizer: one for each of its groups. */
const PLANS = 8;

/** The names of bindings. */
const GRADIENTS = range(MOST_STEPPED).map((k) => `gradients${k}`);
const PARAMS = range(MOST_STEPPED).map((k) => `params${k}`);

function blockOf({ storage }: View): Block | undefined {
	return (storage as GpuStorage).block;
}

/** The arena that holds a parameter's state. Null if it has no state, undefined if the parts of its state have storages of their own. */
function arenaOf(state: Views, size: number): Storage | null | undefined {
	if (state.length === 0) return null;
	const { storage } = state[0]!;
	if (state.length === 1) return storage.length === size ? undefined : storage;
	return state.every((view) => view.storage === storage) ? storage : undefined;
}

/** Whether a step may read and write four elements at once. */
function takesQuads(gradient: View, param: View, state: Views, hasArena: boolean, size: number): boolean {
	if (gradient.offset % 4 !== 0 || param.offset % 4 !== 0 || !ownsTail(param, size)) return false;
	return state.every((view) => view.offset % 4 === 0 && (hasArena || ownsTail(view, size)));
}

/** Launches steps. `flops` are those of one element. */
export function stepLauncher(gpu: Gpu) {
	const plans = new Map<unknown, StepPlan[]>();
	return <S extends string, C extends Parameters>(
		step: Step<S, C>,
		views: NoInfer<StepViews<S>>,
		{ maximize, weightDecay, l1 }: Penalties,
		scalars: NoInfer<ParameterValues<C>>,
		flops: number,
	): void => {
		const { gradients, params, control } = views as StepViews<string>;
		const states: Views[] = [];
		let mask = 0;
		for (let part = 0; part < step.state.length; part++) {
			const list = (views as StepViews<string>)[step.state[part]!];
			if (list === undefined) continue;
			mask |= 1 << part;
			states.push(list);
		}
		const known = plans.get(step) ?? [];
		let plan = known.find((candidate) => candidate.mask === mask && isFor(candidate, gradients, params, states, control));
		if (plan === undefined) {
			plan = planned(gpu, step as unknown as AnyStep, mask, { gradients, params, states, control }, flops);
			plans.set(step, [plan, ...known.slice(0, PLANS - 1)]);
		}
		const gradientSign = maximize ? -1 : 1;
		for (const { prepared, tables, blocks } of plan.launches)
			gpu.relaunch(prepared, { ...scalars, ...tables, gradientSign, weightDecay, l1 } as Launch['params'], blocks);
	};
}

/** Whether the plan was made for the memory of these views. */
function isFor(plan: StepPlan, gradients: Views, params: Views, states: readonly Views[], control: View | undefined): boolean {
	const { shapes, dtypes, blocks, offsets } = plan;
	const count = params.length;
	const width = 2 + states.length;
	if (count !== shapes.length || blocks.length !== count * width + (control === undefined ? 0 : 1)) return false;
	let at = 0;
	for (let i = 0; i < count; i++) {
		const param = params[i]!;
		if (param.shape !== shapes[i] || param.dtype !== dtypes[i]) return false;
		for (let k = 0; k < width; k++, at++) {
			const view = k === 0 ? gradients[i]! : k === 1 ? param : states[k - 2]![i]!;
			if (blockOf(view) !== blocks[at] || view.offset !== offsets[at]) return false;
		}
	}
	return control === undefined || (blockOf(control) === blocks[at] && control.offset === offsets[at]);
}

interface Lists {
	readonly gradients: Views;
	readonly params: Views;
	readonly states: readonly Views[];
	readonly control: View | undefined;
}

function planned(gpu: Gpu, step: AnyStep, mask: number, lists: Lists, flops: number): StepPlan {
	const { gradients, params, states, control } = lists;
	const all = params.flatMap((param, i) => [gradients[i]!, param, ...states.map((list) => list[i]!)]);
	if (control !== undefined) all.push(control);
	return {
		launches: batches(gpu, lists).flatMap((batch) => launchesOf(gpu, step, mask, batch, lists, flops)),
		shapes: params.map(({ shape }) => shape),
		dtypes: params.map(({ dtype }) => dtype),
		mask,
		blocks: all.map(blockOf),
		offsets: all.map(({ offset }) => offset),
	};
}

/** Distributes the tensors. Those that share memory get into different batches, in order. */
function batches(gpu: Gpu, { gradients, params, states }: Lists): Batch[] {
	const closed: Batch[] = [];
	let open: Batch[] = [];
	const read = new Set<Storage>();
	const written = new Set<Storage>();
	params.forEach((param, i) => {
		const gradient = gradients[i]!;
		const size = numel(param.shape);
		if (size === 0) return;
		if (written.has(param.storage) || written.has(gradient.storage) || read.has(param.storage)) {
			closed.push(...open);
			open = [];
			read.clear();
			written.clear();
		}
		read.add(gradient.storage);
		written.add(param.storage);
		const own = states.map((list) => list[i]!);
		const arena = arenaOf(own, size);
		const storage = storageType(param);
		const vec4 = takesQuads(gradient, param, own, arena !== undefined, size);
		const shared = isShared(gpu, size);
		const isAlike = (batch: Batch) => batch.shared && batch.arena === arena && batch.vec4 === vec4 && batch.storage === storage;
		const batch = shared ? open.find(isAlike) : undefined;
		if (batch === undefined) open.push({ storage, vec4, arena, shared, tensors: [i] });
		else batch.tensors.push(i);
	});
	return [...closed, ...open];
}

function launchesOf(
	gpu: Gpu,
	{ kernel, state }: AnyStep,
	mask: number,
	{ storage, vec4, arena, tensors }: Batch,
	{ gradients, params, states, control }: Lists,
	flops: number,
): StepLaunch[] {
	const others = (arena ? 1 : 0) + (control === undefined ? 0 : 1);
	const free = gpu.limits.maxStorageBuffersPerShaderStage - others;
	const most = arena === undefined ? 1 : Math.min(MOST_STEPPED, Math.floor(free / 2));
	const width = vec4 ? 4 : 1;
	/** The numbers of the parts that the step has. */
	const parts = range(state.length).filter((part) => mask & (1 << part));
	return inChunks(tensors, most).flatMap((chunk): StepLaunch[] => {
		const buffers: Record<string, Storage> = {};
		if (control !== undefined) buffers.control = control.storage;
		if (arena) buffers.state = arena;
		const table: number[] = [];
		const offsets: number[] = [];
		let [groups, sizes, bytes] = [0, 0, 0];
		chunk.forEach((i, k) => {
			const [gradient, param] = [gradients[i]!, params[i]!];
			const size = numel(param.shape);
			const count = Math.ceil(size / width);
			buffers[GRADIENTS[k]!] = gradient.storage;
			buffers[PARAMS[k]!] = param.storage;
			table.push(groups, count, gradient.offset / width, param.offset / width);
			const row = [0, 0, 0, 0];
			parts.forEach((part, list) => {
				const view = states[list]![i]!;
				row[part] = view.offset / width;
				if (arena === undefined) buffers[`state${part}`] = view.storage;
			});
			offsets.push(...row);
			groups += Math.ceil(count / WORKGROUP_SIZE);
			sizes += size;
			bytes += size * (3 * gpuBytes(param.dtype) + 8 * parts.length);
		});
		const tables = { tensors: table, states: offsets };
		const prepared = gpu.prepare({
			kernel,
			variant: {
				storage,
				vec4,
				state: parts.map((part) => state[part]!).join(),
				controlled: control !== undefined,
				tensors: chunk.length,
				arena: Boolean(arena),
			},
			buffers,
			params: { ...tables, gradientSign: 1, weightDecay: 0, l1: 0 },
			grid: [groups],
			flops: flops * sizes,
			bytes,
		});
		if (prepared === null) return [];
		return [{ prepared, tables, blocks: Object.values(buffers).map((buffer) => (buffer as GpuStorage).block!) }];
	});
}
