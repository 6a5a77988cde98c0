/**
 * The attention kernels against the reference, over several tiles; in Chromium those that a GPU would choose: forward, and the gradients of all three operands.
 */
import { test } from 'uvu';
import type { Backend, View } from '../../src/backends/contract';
import type { AttentionAttributes, AttentionKernels } from '../../src/backends/contract/attention';
import { cpuBackend } from '../../src/backends/cpu/backend';
import * as families from '../../src/backends/kernels';
import { attentionKernels } from '../../src/backends/webgpu/attention';
import { createWebGPUBackend, type WebGPUBackend } from '../../src/backends/webgpu/backend';
import type { Gpu } from '../../src/backends/webgpu/launch';
import { contiguousStrides, numel } from '../../src/core/shape';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';
import { concurrently } from '../proofs/concurrently';

let backend: WebGPUBackend;
test.before(async () => {
	backend = await createWebGPUBackend();
});
test.after(() => backend.destroy());

interface Case {
	readonly label: string;
	readonly heads: readonly [queries: number, keys: number];
	readonly lengths: readonly [queries: number, keys: number];
	readonly sizes: readonly [number, number];
	readonly causal?: boolean;
	readonly dropout?: boolean;
	/** The shape of the mask; broadcast dims are 1. */
	readonly mask?: readonly [number, number, number, number];
	readonly maskType?: 'bool' | 'float32';
	/** Whether heads lie side by side in memory. */
	readonly interleaved?: boolean;
}

const CASES: readonly Case[] = [
	{
		label: 'everything',
		heads: [4, 2],
		lengths: [45, 67],
		sizes: [33, 20],
		mask: [1, 4, 1, 67],
		maskType: 'float32',
		dropout: true,
	},
	{ label: 'small heads', heads: [1, 1], lengths: [33, 130], sizes: [32, 32], causal: true },
	{ label: 'bool mask', heads: [4, 2], lengths: [70, 50], sizes: [32, 28], mask: [2, 4, 70, 50], maskType: 'bool' },
	{ label: 'several tiles', heads: [2, 2], lengths: [70, 101], sizes: [64, 64] },
	{ label: 'causal', heads: [2, 2], lengths: [97, 97], sizes: [64, 64], causal: true, interleaved: true },
	{ label: 'causal, fewer keys', heads: [1, 1], lengths: [130, 40], sizes: [32, 32], causal: true },
	{ label: 'odd sizes', heads: [1, 1], lengths: [35, 37], sizes: [17, 9], causal: true },
	// Software adapters use another variant from 65 on.
	{
		label: 'everything, larger heads',
		heads: [2, 1],
		lengths: [45, 67],
		sizes: [67, 20],
		mask: [1, 2, 1, 67],
		maskType: 'float32',
		dropout: true,
	},
	{ label: 'long', heads: [1, 1], lengths: [515, 530], sizes: [64, 64] },
	{ label: 'long, small heads', heads: [1, 1], lengths: [530, 515], sizes: [32, 28], causal: true },
	{ label: 'odd tiles', heads: [2, 2], lengths: [97, 97], sizes: [96, 96], causal: true, interleaved: true },
	{ label: 'large heads', heads: [2, 2], lengths: [97, 97], sizes: [256, 132], causal: true, interleaved: true },
];
const BATCH = 2;
/**
 * Only Chromium is forced to use the variant for GPUs. In Node, software adapters take up to a quarter of a minute to compile one
 * of its kernels, and real GPUs choose this variant anyway. Node tests the choice of Chromium's software adapter.
 */
const FORMS: Readonly<Record<string, (gpu: Gpu) => Gpu>> =
	typeof document === 'undefined'
		? { 'as the adapter chooses': (gpu) => gpu }
		: { 'as GPUs choose': (gpu) => ({ ...gpu, isSoftware: false, subgroupSize: 0 }) };

/** The rounding of float32 sums of up to some hundred products, with an exponential between two of them. */
const ALLOWED = { relative: 3e-5, absolute: 1e-5 };

interface Run {
	readonly device: Backend;
	readonly kernels: AttentionKernels;
}

function view(device: Backend, shape: readonly number[], interleaved: boolean, data?: Float32Array | Uint8Array): View {
	const strides = contiguousStrides(shape);
	if (interleaved) {
		const [batch, rows, heads, size] = contiguousStrides([shape[0]!, shape[2]!, shape[1]!, shape[3]!]) as [
			number,
			number,
			number,
			number,
		];
		strides.splice(0, 4, batch, heads, rows, size);
	}
	const dtype = data instanceof Uint8Array ? 'bool' : 'float32';
	const storage = data === undefined ? device.allocate(numel(shape), dtype) : device.upload(data, dtype);
	return { storage, dtype, shape, strides, offset: 0 };
}

/** The results in one order for both devices; interleaved ones are compared in memory order. */
async function results(
	{ device, kernels }: Run,
	{ heads, lengths, sizes, causal = false, dropout = false, mask, maskType, interleaved = false }: Case,
): Promise<Record<string, ArrayLike<number>>> {
	const [h, g] = heads;
	const [queries, keys] = lengths;
	const [size, valueSize] = sizes;
	const random = (name: string, shape: readonly number[]) => {
		const next = stream(name);
		return view(
			device,
			shape,
			interleaved,
			Float32Array.from({ length: numel(shape) }, () => 2 * next() - 1),
		);
	};
	const allowed = stream('mask');
	const made =
		mask &&
		Float32Array.from({ length: numel(mask) }, () =>
			allowed() < 0.3 ? (maskType === 'bool' ? 0 : Number.NEGATIVE_INFINITY) : maskType === 'bool' ? 1 : allowed(),
		);
	const full = mask && [BATCH, h, queries, keys];
	const plain = made && mask && view(device, mask, false, maskType === 'bool' ? Uint8Array.from(made) : made);
	const broadcast = plain &&
		full && { ...plain, shape: full, strides: plain.strides.map((stride, d) => (mask[d] === 1 ? 0 : stride)) };
	const attributes: AttentionAttributes = {
		scale: 1 / Math.sqrt(size),
		causal,
		dropout: dropout ? { seed: [7, 9], counter: 3, p: 0.25 } : null,
	};
	const inputs = {
		q: random('q', [BATCH, h, queries, size]),
		k: random('k', [BATCH, g, keys, size]),
		v: random('v', [BATCH, g, keys, valueSize]),
		...(broadcast && { mask: broadcast }),
	};
	const gradient = random('gradient', [BATCH, h, queries, valueSize]);
	const like = ({ shape }: View) => view(device, shape, interleaved);
	const o = like(gradient);
	const logSumExp = view(device, [BATCH, h, queries, 2], false);
	const rows = view(device, [BATCH, h, queries, 4], false);
	const [dq, dk, dv] = [like(inputs.q), like(inputs.k), like(inputs.v)];
	kernels.attention(inputs, { o, logSumExp }, attributes);
	kernels.attentionRows({ o, gradient, logSumExp }, { rows }, {});
	kernels.attentionGradQuery({ ...inputs, gradient, rows }, { dq }, attributes);
	kernels.attentionGradKeyValue({ ...inputs, gradient, rows }, { dk, dv }, attributes);
	const outputs = Object.entries({ o, logSumExp, dq, dk, dv });
	const found = await Promise.all(outputs.map(async ([name, { storage }]) => [name, await device.read(storage)] as const));
	for (const used of [inputs.q, inputs.k, inputs.v, ...(plain ? [plain] : []), gradient, o, logSumExp, rows, dq, dk, dv])
		device.release(used.storage);
	return Object.fromEntries(found);
}

const reference = concurrently(CASES, (each) =>
	results({ device: cpuBackend, kernels: families.attentionKernels(cpuBackend) }, each),
);

for (const [name, form] of Object.entries(FORMS)) {
	const onDevice = concurrently(CASES, (each) =>
		results({ device: backend, kernels: attentionKernels(form(backend.gpu)) }, each),
	);
	for (const each of CASES) {
		test(`attention ${name}: ${each.label}`, async () => {
			const [actual, expected] = await Promise.all([onDevice(each), reference(each)]);
			for (const [output, values] of Object.entries(expected))
				requireClose(`${each.label}: ${output}`, actual[output]!, values, ALLOWED);
		});
	}
}
test.run();
