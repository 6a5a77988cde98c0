/**
 * Large problems in small: folded grids and divided launches. The results have the same bits, and kernels write nothing beyond
 * the end of a scratch storage.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend, Kernels, Storage, View } from '../../src/backends/contract';
import { attentionKernels } from '../../src/backends/webgpu/attention';
import { createWebGPUBackend, type WebGPUBackend } from '../../src/backends/webgpu/backend';
import { convKernels } from '../../src/backends/webgpu/conv';
import type { Gpu } from '../../src/backends/webgpu/launch';
import { matmulKernels } from '../../src/backends/webgpu/matmul';
import { contiguousStrides, numel } from '../../src/core/shape';
import { stream } from '../ops/database';

export type Heavy = Pick<Kernels, 'matmul' | 'conv' | 'convInputGrad' | 'convWeightGrad' | 'attention' | 'attentionRows'> &
	Pick<Kernels, 'attentionGradQuery' | 'attentionGradKeyValue'>;

const GUARD = 4096;
const UNTOUCHED = 12345;

/** A runtime with scratch storages that are too long by GUARD elements, and a check that these elements do not change. */
function guarded(backend: WebGPUBackend) {
	const handed: { readonly storage: Storage; readonly length: number }[] = [];
	const gpu: Gpu = {
		...backend.gpu,
		scratch(length, dtype) {
			const data = dtype === 'int32' ? new Int32Array(length + GUARD) : new Float32Array(length + GUARD);
			const storage = backend.upload(data.fill(UNTOUCHED), dtype);
			handed.push({ storage, length });
			return storage;
		},
		release() {},
	};
	const check = async () => {
		for (const { storage, length } of handed) {
			const data = await backend.read(storage);
			for (let i = length; i < data.length; i++) {
				assert.is(data[i], UNTOUCHED, `${i - length} elements beyond the end of a scratch storage of ${length}`);
			}
			backend.release(storage);
		}
	};
	return { gpu, check };
}

const view = (storage: Storage, shape: readonly number[]): View => ({
	storage,
	dtype: 'float32',
	shape,
	strides: contiguousStrides(shape),
	offset: 0,
});

export function random(device: Backend, name: string, shape: readonly number[]): View {
	const next = stream(name);
	const data = Float32Array.from({ length: numel(shape) }, () => 2 * next() - 1);
	return view(device.upload(data, 'float32'), shape);
}

export const empty = (device: Backend, shape: readonly number[]): View => view(device.allocate(numel(shape), 'float32'), shape);

/** The results of a case, as views to compare. */
export type Case = (device: Backend, kernels: Heavy) => View[];

/** As the adapter chooses. */
export const OWN_FORM = (gpu: Gpu): Gpu => gpu;

export interface Runtimes {
	readonly plain: WebGPUBackend;
	/** Folds grids and divides launches that are small. */
	readonly small: WebGPUBackend;
}

/** Creates the runtimes before the tests of this file. */
export function runtimes(): () => Runtimes {
	let pair: Runtimes;
	test.before(async () => {
		pair = {
			plain: await createWebGPUBackend(),
			small: await createWebGPUBackend({ foldGrid: 5, dispatchWork: 2e5 }),
		};
	});
	test.after(() => {
		pair.plain.destroy();
		pair.small.destroy();
	});
	return () => pair;
}

async function results(backend: WebGPUBackend, form: (gpu: Gpu) => Gpu, run: Case): Promise<ArrayLike<number>[]> {
	const { gpu, check } = guarded(backend);
	const own = form(gpu);
	const views = run(backend, { ...matmulKernels(own), ...convKernels(own), ...attentionKernels(own) });
	const data = await Promise.all(views.map(({ storage }) => backend.read(storage)));
	await check();
	return data;
}

export function proveFolded(pair: () => Runtimes, title: string, form: (gpu: Gpu) => Gpu, run: Case): void {
	test(`folded and divided, ${title}`, async () => {
		const expected = await results(pair().plain, form, run);
		const actual = await results(pair().small, form, run);
		for (const [i, data] of expected.entries()) assert.equal(actual[i], data, `result ${i}`);
	});
}
