/** Recovers from a lost device: keeps values on the host and restores models, optimizers and runs. */

import { noGrad } from '../autograd/modes';
import { ArgumentError, DeviceLostError } from '../core/errors';
import { renewDevice, sync } from '../init';
import { Module } from '../nn';
import { requireModule } from '../nn/module';
import { to } from '../ops/elementwise';
import { detach } from '../ops/layout';
import type { CommonOptions, Optimizer } from '../optim';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { type CheckpointParts, decodeCheckpoint, lastCheckpoint, loadCheckpoint } from './checkpoint';
import type { CheckpointTree } from './checkpointTree';
import type { History } from './history';
import type { TrainingLoop } from './loop';

/** The number of consecutive losses without a further step that ends a run. */
const LOSSES_AT_A_STEP = 3;

/**
 * Restores a model and its optimizer, and a schedule, average or `GradScaler` in `others`, after their device was lost. Finds a new device, as `init()` does, and loads the last checkpoint of
 * this model that the program wrote or read with `saveCheckpoint`, `loadCheckpoint`, `fit` or `ModelCheckpoint`. Also restores the default
 * generator. Returns the checkpoint's `extra`, like `loadCheckpoint`.
 *
 *     try {
 *       step();
 *       if (count % 100 === 0) await saveCheckpoint('last', { model, optimizer }, { store, extra: { count } });
 *     } catch (error) {
 *       if (!(error instanceof DeviceLostError)) throw error;
 *       ({ count } = await restore(model, optimizer));
 *     }
 *
 * Create your own tensors, such as data, again. A checkpoint in a `MemoryStore` costs one read of all weights and their size on the host.
 * `fit` does all this itself with `onDeviceLost: 'resume'`.
 */
export async function restore(
	model: Module,
	optimizer?: Optimizer<CommonOptions>,
	others: Pick<CheckpointParts, 'scheduler' | 'ema' | 'scaler'> = {},
): Promise<CheckpointTree> {
	requireModule('restore', 'model', model);
	const last = lastCheckpoint(model);
	if (last === undefined) {
		throw new ArgumentError(
			`restore: this program has neither written nor read a checkpoint of this model, so its values are lost with the device. Write one regularly: saveCheckpoint('last', { model, optimizer }, { store: new MemoryStore() })`,
		);
	}
	await renewDevice('restore');
	return loadCheckpoint(last.name, { model, ...(optimizer && { optimizer }), ...others }, { store: last.store });
}

/** Collects the tensors of data and losses: those of modules and of TensorDatasets, also inside loaders and subsets. */
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

/** Copies the GPU tensors in `values` to the host. Returns a function that restores them on a new device. */
export async function keepOnHost(values: readonly unknown[]): Promise<() => void> {
	const tensors = [...tensorsIn(values, new Set())].filter((tensor) => !tensor.isDisposed && tensor.device === 'webgpu');
	const copies = await Promise.all(
		tensors.map((tensor) => {
			const values = noGrad(() => detach(tensor));
			return to(values, 'cpu').finally(() => values.dispose());
		}),
	);
	return () => {
		for (const [i, tensor] of tensors.entries()) {
			if (tensor.isDisposed || tensor.storage.owner.loss === undefined) continue;
			tensor.viewing = null;
			tensor.adopt(noGrad(() => tidy(() => detach(to(copies[i]!, 'webgpu')))));
		}
	};
}

/** Throws if data can be read only once. */
export function requireReadable(data: unknown): void {
	if (typeof (data as { next?: unknown } | null)?.next !== 'function') return;
	throw new ArgumentError(
		"fit: onDeviceLost 'resume' reads the data again, but a generator or iterator can be read only once; pass a dataset, a DataLoader or an object with a [Symbol.iterator]() that restarts",
	);
}

/**
 * Runs the loop to its end. After each loss of the device, continues from the last checkpoint on a new device. `renew` restores what the
 * loop needs.
 */
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
					throw new ArgumentError(`${source} no longer exists, so the run cannot resume after the loss of the device`);
				await loop.restore(await decodeCheckpoint(bytes, source), source);
				if (!isQuiet) console.warn(`wgrad: the WebGPU device was lost; fit resumes after step ${loop.step} on a new one`);
			}
			const history = await loop.run();
			// The work of the last step may be lost too.
			await sync();
			return history;
		} catch (error) {
			if (!(error instanceof DeviceLostError) || error.reason !== 'unknown' || loop.last === null) throw error;
			losses = loop.step > furthest ? 1 : losses + 1;
			furthest = Math.max(furthest, loop.step);
			if (losses <= LOSSES_AT_A_STEP) continue;
			throw new DeviceLostError(
				`fit: the device was lost ${losses} times after step ${loop.step}, so the run ends. If one step is too much for the device, use smaller batches. The last error: ${error.message}`,
				'unknown',
				{ cause: error },
			);
		}
	}
}
