/** Launches of kernels that work on several tensors at once: see shaders/tensorList.ts. */
import type { Parameters, ParameterValues } from '../../../shaders/parameters';
import { type Bindings, type Kernel, WORKGROUP_SIZE } from '../../../shaders/shader';
import { type EACH_PARAMS, type EachVariant, MOST_TENSORS } from '../../../shaders/tensorList';
import { numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import { ownsTail, quadsEach } from './elementwisePlan';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';

/**
 * A tensor with more elements has a launch of its own. It keeps the device busy, and software adapters spend time on the branches of
 * the other tensors.
 */
const ALONE = { hardware: 2 ** 20, software: 2 ** 17 };

/** Whether a tensor of this size shares a launch with others. */
export function isShared(gpu: Gpu, size: number): boolean {
	return size <= ALONE[gpu.isSoftware ? 'software' : 'hardware'];
}

/** `list` in parts of at most `most`, as equal as can be, so that they need few variants of the kernel. */
export function inChunks<T>(list: readonly T[], most: number): (readonly T[])[] {
	if (list.length <= most) return list.length === 0 ? [] : [list];
	const size = Math.ceil(list.length / Math.ceil(list.length / most));
	const chunks: (readonly T[])[] = [];
	for (let at = 0; at < list.length; at += size) chunks.push(list.slice(at, at + size));
	return chunks;
}

/**
 * Launches a kernel of `eachElement` over contiguous `views`. Those that share a storage follow each other. `others` are its other buffers, and
 * `params` its other parameters.
 */
export function launchEach<P extends Parameters, B extends Bindings>(
	gpu: Gpu,
	kernel: Kernel<EachVariant, P & typeof EACH_PARAMS, B>,
	views: readonly View[],
	others: Readonly<Record<string, Storage>>,
	params: Omit<ParameterValues<P>, 'tensors' | 'each'>,
): void {
	const most = Math.min(MOST_TENSORS, gpu.limits.maxStorageBuffersPerShaderStage - Object.keys(others).length);
	let batches: {
		readonly storage: EachVariant['storage'];
		readonly vec4: boolean;
		readonly shared: boolean;
		readonly views: View[];
	}[] = [];
	const written = new Set<Storage>();
	const launchAll = () => {
		for (const { storage, vec4, views: list } of batches) {
			for (const chunk of inChunks(list, most)) launchChunk(storage, vec4, chunk);
		}
		batches = [];
		written.clear();
	};
	const launchChunk = (storage: EachVariant['storage'], vec4: boolean, chunk: readonly View[]) => {
		const buffers: Record<string, Storage> = { ...others };
		const table: number[] = [];
		const width = vec4 ? 4 : 1;
		const all = chunk.reduce((sum, { shape }) => sum + numel(shape), 0);
		const each = quadsEach(gpu, all / width);
		let groups = 0;
		chunk.forEach((view, k) => {
			const size = numel(view.shape);
			const count = Math.ceil(size / width);
			buffers[`x${k}`] = view.storage;
			table.push(groups, count, view.offset / width, size);
			groups += Math.ceil(count / WORKGROUP_SIZE / each);
		});
		gpu.launch({
			kernel: kernel as unknown as Kernel<EachVariant, Parameters, Bindings>,
			variant: { storage, vec4, tensors: chunk.length },
			buffers,
			params: { ...params, tensors: table, each },
			grid: [groups],
			flops: all,
			bytes: 2 * all * gpuBytes(chunk[0]!.dtype),
		});
	};
	for (const view of views) {
		const size = numel(view.shape);
		if (size === 0) continue;
		if (written.has(view.storage)) launchAll();
		written.add(view.storage);
		const storage = storageType(view);
		const vec4 = view.offset % 4 === 0 && ownsTail(view, size);
		const shared = isShared(gpu, size);
		const open = batches.find((batch) => shared && batch.shared && batch.vec4 === vec4 && batch.storage === storage);
		if (open === undefined) batches.push({ storage, vec4, shared, views: [view] });
		else open.views.push(view);
	}
	launchAll();
}
