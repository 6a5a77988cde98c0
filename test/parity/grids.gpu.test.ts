/**
 * Large problems in small: folded grids and divided launches. The results have the same bits, and kernels write nothing beyond
 * the end of a scratch storage. Also for variants that the adapter would not choose.
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

type Heavy = Pick<Kernels, 'matmul' | 'conv' | 'convInputGrad' | 'convWeightGrad' | 'attention' | 'attentionRows'> &
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

function random(device: Backend, name: string, shape: readonly number[]): View {
	const next = stream(name);
	const data = Float32Array.from({ length: numel(shape) }, () => 2 * next() - 1);
	return view(device.upload(data, 'float32'), shape);
}

const empty = (device: Backend, shape: readonly number[]): View => view(device.allocate(numel(shape), 'float32'), shape);

/** The results of each case, as views to compare. */
const CASES: Readonly<Record<string, (device: Backend, kernels: Heavy) => View[]>> = {
	'a product'(device, { matmul }) {
		const out = empty(device, [3, 140, 132]);
		matmul({ a: random(device, 'a', [3, 140, 36]), b: random(device, 'b', [3, 36, 132]) }, { out }, {});
		return [out];
	},
	'a product of matrix and vector'(device, { matmul }) {
		const out = empty(device, [1003, 1]);
		matmul({ a: random(device, 'a', [1003, 65]), b: random(device, 'b', [65, 1]) }, { out }, {});
		return [out];
	},
	'a convolution'(device, { conv, convInputGrad, convWeightGrad }) {
		return [
			{ channels: 16, groups: 1, outputs: 16, size: 9 },
			{ channels: 16, groups: 1, outputs: 20, size: 7 },
			{ channels: 3, groups: 1, outputs: 33, size: 10 },
			{ channels: 9, groups: 9, outputs: 9, size: 8 },
		].flatMap(({ channels, groups, outputs, size }) => {
			const x = random(device, 'x', [3, channels, size, size]);
			const weight = random(device, 'weight', [outputs, channels / groups, 3, 3]);
			const gradY = random(device, 'gradient', [3, outputs, size, size]);
			const attributes = { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups };
			const [y, gradX, gradWeight] = [empty(device, gradY.shape), empty(device, x.shape), empty(device, weight.shape)];
			conv({ x, weight }, { y }, attributes);
			convInputGrad({ gradY, weight }, { gradX }, attributes);
			convWeightGrad({ x, gradY }, { gradWeight }, attributes);
			return [y, gradX, gradWeight];
		});
	},
	attention(device, { attention, attentionRows, attentionGradQuery, attentionGradKeyValue }) {
		const shape = [2, 3, 70, 32];
		const [q, k, v] = [random(device, 'q', shape), random(device, 'k', shape), random(device, 'v', shape)];
		const gradient = random(device, 'gradient', shape);
		const attributes = { scale: 0.2, causal: true, dropout: null };
		const [o, dq, dk, dv] = [empty(device, shape), empty(device, shape), empty(device, shape), empty(device, shape)];
		const [logSumExp, rows] = [empty(device, [2, 3, 70, 2]), empty(device, [2, 3, 70, 4])];
		attention({ q, k, v }, { o, logSumExp }, attributes);
		attentionRows({ o, gradient, logSumExp }, { rows }, {});
		attentionGradQuery({ q, k, v, gradient, rows }, { dq }, attributes);
		attentionGradKeyValue({ q, k, v, gradient, rows }, { dk, dv }, attributes);
		return [o, logSumExp, dq, dk, dv];
	},
};

/** Attention has no GPU variant here, because software adapters take too long to compile it. */
const FORMS: Readonly<Record<string, { form(gpu: Gpu): Gpu; cases: readonly string[] }>> = {
	'as the adapter chooses': { form: (gpu) => gpu, cases: Object.keys(CASES) },
	'as GPUs choose': {
		form: (gpu) => ({ ...gpu, isSoftware: false, subgroupSize: 0 }),
		cases: Object.keys(CASES).filter((name) => name !== 'attention'),
	},
};

let plain: WebGPUBackend;
let small: WebGPUBackend;
test.before(async () => {
	plain = await createWebGPUBackend();
	small = await createWebGPUBackend({ foldGrid: 5, dispatchWork: 2e5 });
});
test.after(() => {
	plain.destroy();
	small.destroy();
});

async function results(backend: WebGPUBackend, form: (gpu: Gpu) => Gpu, name: string): Promise<ArrayLike<number>[]> {
	const { gpu, check } = guarded(backend);
	const own = form(gpu);
	const views = CASES[name]!(backend, { ...matmulKernels(own), ...convKernels(own), ...attentionKernels(own) });
	const data = await Promise.all(views.map(({ storage }) => backend.read(storage)));
	await check();
	return data;
}

for (const [formName, { form, cases }] of Object.entries(FORMS)) {
	for (const name of cases) {
		test(`folded and divided, ${formName}: ${name}`, async () => {
			const expected = await results(plain, form, name);
			const actual = await results(small, form, name);
			for (const [i, data] of expected.entries()) assert.equal(actual[i], data, `result ${i}`);
		});
	}
}

test('a divided launch is several complete records', async () => {
	const launches: { readonly grid: readonly number[]; readonly flops: number }[] = [];
	const product = (backend: WebGPUBackend) => {
		launches.length = 0;
		backend.onLaunch((record) => launches.push({ grid: record.grid.map((size) => size ?? 1), flops: record.flops }));
		CASES['a product']!(backend, { ...backend.kernels });
		backend.onLaunch(undefined);
		return [...launches];
	};
	const [whole, parts] = [product(plain), product(small)];
	assert.is(whole.length, 1);
	assert.ok(parts.length > 10, `${parts.length} parts`);
	const sum = (list: typeof launches, of: (launch: (typeof launches)[number]) => number) =>
		list.reduce((total, launch) => total + of(launch), 0);
	assert.is(
		sum(parts, ({ grid }) => grid[0]!),
		whole[0]!.grid[0],
	);
	assert.ok(Math.abs(sum(parts, ({ flops }) => flops) / whole[0]!.flops - 1) < 1e-9);
	assert.ok(parts.every(({ flops, grid }) => flops <= 2e5 || grid[0] === 1));
});

test.run();
