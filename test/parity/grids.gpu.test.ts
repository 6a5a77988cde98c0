/** Products and convolutions with folded grids and in divided launches. Also for variants that the adapter would not choose. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { attentionKernels, convKernels, matmulKernels } from '../../src/backends/kernels';
import type { WebGPUBackend } from '../../src/backends/webgpu/backend';
import type { Gpu } from '../../src/backends/webgpu/launch';
import { type Case, empty, OWN_FORM, proveFolded, random, runtimes } from './folded';

const CASES: Readonly<Record<string, Case>> = {
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
};

const FORMS: Readonly<Record<string, (gpu: Gpu) => Gpu>> = {
	'as the adapter chooses': OWN_FORM,
	'as GPUs choose': (gpu) => ({ ...gpu, isSoftware: false, subgroupSize: 0 }),
};

const pair = runtimes();

for (const [formName, form] of Object.entries(FORMS))
	for (const [name, run] of Object.entries(CASES)) proveFolded(pair, `${formName}: ${name}`, form, run);

test('a divided launch is several complete records', async () => {
	const launches: { readonly grid: readonly number[]; readonly flops: number }[] = [];
	const product = (backend: WebGPUBackend) => {
		launches.length = 0;
		backend.onLaunch((record) => launches.push({ grid: record.grid.map((size) => size ?? 1), flops: record.flops }));
		CASES['a product']!(backend, { ...matmulKernels(backend), ...convKernels(backend), ...attentionKernels(backend) });
		backend.onLaunch(undefined);
		return [...launches];
	};
	const [whole, parts] = [product(pair().plain), product(pair().small)];
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
