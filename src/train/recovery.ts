/** Going on after the device was lost: what survives on the host, and how models, optimizers and runs get it back. */
import { noGrad } from '../autograd/modes';
import { ArgumentError, DeviceLostError } from '../core/errors';
import { renewDevice, sync } from '../init';
import { Module } from '../nn';
import { to } from '../ops/elementwise';
import { detach } from '../ops/layout';
import type { CommonOptions, Optimizer } from '../optim';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { type CheckpointParts, decodeCheckpoint, lastCheckpoint, loadCheckpoint } from './checkpoint';
import type { History } from './history';
import type { TrainingLoop } from './loop';
import type { CheckpointTree } from './tree';

/** How often in a row the device may be lost without a further step. */
const LOSSES_AT_A_STEP = 3;

/**
 * Brings a model and its optimizer back after their device was lost: finds a new device, as `init()` does, and gives them the values of
 * the last checkpoint of this model that the program wrote or read, by `saveCheckpoint`, `loadCheckpoint`, `fit` or `ModelCheckpoint`. Returns the
 * checkpoint's `extra`, as `loadCheckpoint`; the default generator is set back too.
 *
 *     try {
 *       step();
 *       if (count % 100 === 0) await saveCheckpoint('last', { model, optimizer }, { store, extra: { count } });
 *     } catch (error) {
 *       if (!(error instanceof DeviceLostError)) throw error;
 *       ({ count } = await restore(model, optimizer));
 *     }
 *
 * Tensors of your own, such as data, are to be made again. With a `MemoryStore` the checkpoint costs a read of all weights and their size on
 * the host; `fit` does all this by itself with `onDeviceLost: 'resume'`.
 */
export async function restore(
	model: Module,
	optimizer?: Optimizer<CommonOptions>,
	others: Pick<CheckpointParts, 'scheduler' | 'ema'> = {},
): Promise<CheckpointTree> {
	if (!(model instanceof Module)) throw new ArgumentError(`restore: the model must be an nn.Module, not ${typeof model}`);
	const last = lastCheckpoint(model);
	if (last === undefined) {
		throw new ArgumentError(
			`restore: this program has neither written nor read a checkpoint of this model, so its values are gone with the device. Write one now and then: saveCheckpoint('last', { model, optimizer }, { store: new MemoryStore() })`,
		);
	}
	await renewDevice('restore');
	return loadCheckpoint(last.name, { model, ...(optimizer && { optimizer }), ...others }, { store: last.store });
}

/** Collects the tensors of data and losses: those of TensorDatasets, also inside loaders and subsets, and those of modules. */
function tensorsIn(value: unknown, found: Set<Tensor>): Set<Tensor> {
	if (value instanceof Tensor) found.add(value);
	else if (Array.isArray(value)) for (const item of value) tensorsIn(item, found);
	else if (typeof value === 'object' && value !== null) {
		const { tensors, dataset, datasets, options } = value as Record<string, unknown>;
		for (const part of [tensors, dataset, datasets]) tensorsIn(part, found);
		if (value instanceof Module)
			for (const item of [value.parameters(), value.buffers(), Object.values(options ?? {})]) tensorsIn(item, found);
	}
	return found;
}

/** Copies what `values` hold on the GPU to the host. The function that it returns gives these tensors their values back, on a new device. */
export async function keepOnHost(values: readonly unknown[]): Promise<() => void> {
	const tensors = [...tensorsIn(values, new Set())].filter((tensor) => !tensor.isDisposed && tensor.device === 'webgpu');
	const copies = await Promise.all(
		tensors.map((tensor) => {
			// float16 is on the GPU only.
			const values = noGrad(() => tidy(() => detach(tensor.dtype === 'float16' ? to(tensor, 'float32') : tensor)));
			return to(values, 'cpu').finally(() => values.dispose());
		}),
	);
	return () => {
		for (const [i, tensor] of tensors.entries()) {
			if (tensor.isDisposed || tensor.storage.owner.loss === undefined) continue;
			tensor.viewing = null;
			tensor.adopt(noGrad(() => tidy(() => detach(to(to(copies[i]!, 'webgpu'), tensor.dtype)))));
		}
	};
}

/** Throws where data can be read once only. */
export function requireReadable(data: unknown): void {
	if (typeof (data as { next?: unknown } | null)?.next !== 'function') return;
	throw new ArgumentError(
		"fit: onDeviceLost 'resume' reads the data again, and a generator or iterator can be read only once; pass a dataset, a DataLoader or an object whose [Symbol.iterator]() begins anew",
	);
}

/** Runs the loop to its end; each time the device is lost, goes on from the last checkpoint on a new one. `renew` puts back what the loop needs. */
export async function runThroughLosses(loop: TrainingLoop, renew: () => void, isQuiet: boolean): Promise<History> {
	let losses = 0;
	let furthest = -1;
	for (;;) {
		try {
			if (losses > 0) {
				await renewDevice('fit');
				renew();
				const { name, store } = loop.last!;
				const source = `fit: checkpoint '${name}'`;
				const bytes = await store.read(name);
				if (bytes === null)
					throw new ArgumentError(`${source} is no longer there, so the run cannot go on after the loss of the device`);
				await loop.restore(await decodeCheckpoint(bytes, source), source);
				if (!isQuiet) console.warn(`wgrad: the WebGPU device was lost; fit goes on after step ${loop.step} on a new one`);
			}
			const history = await loop.run();
			// What the last step launched may be lost, too.
			await sync();
			return history;
		} catch (error) {
			if (!(error instanceof DeviceLostError) || error.reason !== 'unknown' || loop.last === null) throw error;
			losses = loop.step > furthest ? 1 : losses + 1;
			furthest = Math.max(furthest, loop.step);
			if (losses <= LOSSES_AT_A_STEP) continue;
			throw new DeviceLostError(
				`fit: the device was lost ${losses} times after step ${loop.step}, so the run ends. If one step is too much for the device, take smaller batches. The last time: ${error.message}`,
				'unknown',
				{ cause: error },
			);
		}
	}
}
