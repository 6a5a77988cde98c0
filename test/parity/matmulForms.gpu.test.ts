/**
 * Every variant of the matrix product against the reference, also those that the adapter would not choose: on software adapters
 * the workgroup tiles of GPUs, and tiles without subgroups.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend, View } from '../../src/backends/contract';
import { cpuBackend } from '../../src/backends/cpu/backend';
import * as families from '../../src/backends/kernels';
import { createWebGPUBackend, type WebGPUBackend } from '../../src/backends/webgpu/backend';
import type { Gpu } from '../../src/backends/webgpu/launch';
import { matmulKernels } from '../../src/backends/webgpu/matmul';
import { contiguousStrides, numel } from '../../src/core/shape';

let backend: WebGPUBackend;
test.before(async () => {
	backend = await createWebGPUBackend();
});
test.after(() => backend.destroy());

interface Case {
	readonly a: readonly number[];
	readonly b: readonly number[];
	/** Which of a and b are transposed in memory. */
	readonly transposed?: string;
	readonly offset?: number;
	readonly bias?: boolean;
}

const CASES: readonly Case[] = [
	{ a: [64, 48], b: [48, 128], bias: true },
	{ a: [68, 20], b: [20, 132], transposed: 'a' },
	{ a: [40, 36], b: [36, 64], transposed: 'b', offset: 4 },
	{ a: [36, 32], b: [32, 40], transposed: 'ab' },
	{ a: [65, 33], b: [33, 34], bias: true, offset: 1 },
	{ a: [33, 35], b: [35, 67], transposed: 'ab' },
	{ a: [36, 33], b: [33, 64], transposed: 'a' },
	{ a: [4, 2, 5, 8], b: [4, 2, 8, 12] },
	{ a: [40, 2000], b: [2000, 36], bias: true },
	{ a: [5, 1500], b: [1500, 7], bias: true },
	{ a: [130, 200], b: [200, 1] },
	{ a: [128, 201], b: [201, 1], transposed: 'a', bias: true },
	{ a: [2, 300], b: [300, 44], bias: true },
	{ a: [1, 9001], b: [9001, 1], offset: 1 },
	{ a: [33, 0], b: [0, 40], bias: true },
];

/** A number in [-0.5, 0.5) without a pattern, because patterns make partial sums and their errors grow. */
function scatter(index: number): number {
	const mixed = Math.imul(index ^ (index >>> 7) ^ 0x2545f491, 0x9e3779b1);
	return (Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0) / 2 ** 32 - 0.5;
}

/** The same view on both devices. */
function views(shape: readonly number[], seed: number, transposed: boolean, offset: number): { gpu: View; cpu: View } {
	const data = Float32Array.from({ length: numel(shape) + offset }, (_, i) => scatter(i * 3 + seed));
	const swap = (list: readonly number[]) => [...list.slice(0, -2), list[list.length - 1]!, list[list.length - 2]!];
	const strides = transposed ? swap(contiguousStrides(swap(shape))) : contiguousStrides(shape);
	const view = { dtype: 'float32' as const, shape, strides, offset };
	return {
		gpu: { ...view, storage: backend.upload(data, 'float32') },
		cpu: { ...view, storage: cpuBackend.upload(data, 'float32') },
	};
}

async function compare(gpu: Gpu, { a, b, transposed = '', offset = 0, bias = false }: Case): Promise<void> {
	const kernels = matmulKernels(gpu);
	const [x, y] = [views(a, 1, transposed.includes('a'), offset), views(b, 2, transposed.includes('b'), offset)];
	const z = bias ? views([b[b.length - 1]!], 3, false, offset) : undefined;
	const shape = [...a.slice(0, -1), b[b.length - 1]!];
	const result = (device: Backend): View => {
		const storage = device.allocate(numel(shape), 'float32');
		return { dtype: 'float32', shape, strides: contiguousStrides(shape), offset: 0, storage };
	};
	const [got, expected] = [result(backend), result(cpuBackend)];
	kernels.matmul({ a: x.gpu, b: y.gpu, bias: z?.gpu }, { out: got }, {});
	families.matmulKernels(cpuBackend).matmul({ a: x.cpu, b: y.cpu, bias: z?.cpu }, { out: expected }, {});
	const [values, reference] = [await backend.read(got.storage), await cpuBackend.read(expected.storage)];
	// Rounding errors grow with the square root of the number of terms.
	const allowed = 1e-6 * Math.sqrt(a[a.length - 1]! + 1);
	for (let i = 0; i < reference.length; i++) {
		const apart = Math.abs(values[i]! - reference[i]!);
		assert.ok(apart <= allowed, `[${a}] x [${b}] ${transposed}: element ${i} is ${values[i]}, not ${reference[i]}`);
	}
	for (const { gpu: view } of [x, y, ...(z ? [z] : [])]) backend.release(view.storage);
	backend.release(got.storage);
}

const FORMS: Readonly<Record<string, (gpu: Gpu) => Gpu>> = {
	'as the adapter chooses': (gpu) => gpu,
	'as GPUs choose': (gpu) => ({ ...gpu, isSoftware: false, subgroupSize: 0 }),
	'without subgroups': (gpu) => ({ ...gpu, isSoftware: true, subgroupSize: 0 }),
};

for (const [name, form] of Object.entries(FORMS)) {
	test(`matmul ${name}`, async () => {
		for (const each of CASES) await compare(form(backend.gpu), each);
	});
}
test.run();
