/** For each kernel: the shader reads under a parameter's name what the host writes for it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { avgPool2d, init, ones, shutdown, tensor } from 'wgrad';
import type { ParameterValue } from '../shaders/parameters';
import { definedKernels, defineKernel, type NoVariant, readWrite } from '../shaders/shader';
import '../bench/roofline.wgsl';
import * as families from '../src/backends/kernels';
import { createWebGPUBackend } from '../src/backends/webgpu/backend';

/** Every kernel of the library, which those who use its families define, and the two of the benchmarks. */
const KERNELS = [...definedKernels];

const bits = (value: number) => new Uint32Array(new Float32Array([value]).buffer)[0]!;

/** The value of a parameter, the shader's expressions for its words, and these words. */
interface Example {
	readonly value: ParameterValue;
	readonly reads: readonly string[];
	readonly words: readonly number[];
}

/** Values that distinguish fields: they grow from `seed`, and every other one is negative. */
function example(name: string, declared: string, seed: number): Example {
	const type = declared.replace('?', '');
	const number = (k: number) => (seed + k) * (k % 2 === 0 ? 1 : -1);
	const list = (prefix: string, from: number, count: number) => ({
		values: Array.from({ length: count }, (_, k) => number(from + k)),
		reads: Array.from({ length: count }, (_, k) => `${prefix}[${Math.floor(k / 4)}][${k % 4}]`),
	});
	switch (type) {
		case 'u32':
		case 'i32':
			return { value: number(1), reads: [`u32(p.${name})`], words: [number(1)] };
		case 'f32':
			return { value: number(1) + 0.5, reads: [`bitcast<u32>(p.${name})`], words: [bits(number(1) + 0.5)] };
		case 'bits':
			return { value: Number.NaN, reads: [`p.${name}`], words: [0x7fc00000] };
		case 'bool':
			return { value: true, reads: [`p.${name}`], words: [1] };
		case 'view': {
			const [shape, strides] = [list(`p.${name}.shape`, 0, 8), list(`p.${name}.strides`, 8, 8)];
			return {
				// Two dims fewer than the maximum; the rest is 0.
				value: { shape: shape.values.slice(0, 6), strides: strides.values.slice(0, 6), offset: number(16) },
				reads: [...shape.reads, ...strides.reads, `p.${name}.offset`, `p.${name}.rank`],
				words: [...shape.values.slice(0, 6), 0, 0, ...strides.values.slice(0, 6), 0, 0, number(16), 6],
			};
		}
		default: {
			const count = 4 * Number(/, (\d+)>$/.exec(type)?.[1] ?? 1);
			const prefix = type.startsWith('array') ? `p.${name}` : `array<${type}, 1>(p.${name})`;
			const { values, reads } = list(prefix, 0, count);
			const floats = type.includes('f32');
			return {
				value: values,
				reads: reads.map((read) => (floats ? `bitcast<u32>(${read})` : `u32(${read})`)),
				words: floats ? values.map(bits) : values,
			};
		}
	}
}

test('kernels read the parameters that launches give', async () => {
	const backend = await createWebGPUBackend();
	assert.ok(KERNELS.length > 90, `${KERNELS.length} kernels`);
	assert.is(new Set(KERNELS.map(({ name }) => name)).size, KERNELS.length);
	// Users define the kernels of the family `custom`.
	for (const family of Object.keys(families).filter((name) => name !== 'customKernels'))
		assert.ok(
			KERNELS.some(({ name }) => `${name.split('.')[0]}Kernels` === family),
			`the kernels of ${family}`,
		);
	for (const { name, params, divisible = false, reportsIndices = false } of KERNELS) {
		const names = Object.keys(params);
		const examples = names.map((field, k) => example(field, params[field]!, 1000 * (k + 1)));
		const reads = [
			...examples.flatMap((each) => each.reads),
			...(divisible ? ['p.firstGroup'] : []),
			...(reportsIndices ? ['p.report'] : []),
		];
		const words = [...examples.flatMap((each) => each.words), ...(divisible ? [77] : []), ...(reportsIndices ? [1] : [])];
		const reader = defineKernel({
			name: `test.${name}`,
			params,
			divisible,
			reportsIndices,
			define: (_: NoVariant) => ({
				bindings: { out: readWrite('u32') },
				workgroupSize: 1,
				main: reads.map((read, k) => `\tout[${k}] = ${read};`).join('\n'),
			}),
		});
		const out = backend.allocate(reads.length, 'int32');
		const values = Object.fromEntries(names.map((field, k) => [field, examples[k]!.value] as const));
		backend.gpu.launch({
			kernel: reader,
			variant: {},
			buffers: { out },
			params: values as never,
			grid: [1],
			flops: 0,
			bytes: 0,
			...(divisible && { firstGroup: 77 }),
			check: reportsIndices ? { operation: name, least: 0, count: 1, noun: 'index', rule: 'is never bad' } : undefined,
		});
		const found = Array.from(await backend.read(out), (word) => word >>> 0);
		assert.equal(
			found,
			words.map((word) => word >>> 0),
			name,
		);
		backend.release(out);
	}
	await backend.destroy();
});

test('a flag of any type counts by its truthiness, as on the CPU', async () => {
	await init({ device: 'webgpu' });
	const values = [[[[1, 2, 3]]]];
	for (const flag of [true, false, 1, 0, 2 ** 32, 'yes', '', null, ones([1])]) {
		const [gpu, cpu] = await Promise.all(
			(['webgpu', 'cpu'] as const).map((device) =>
				avgPool2d(tensor(values, { device }), 3, { padding: 1, countIncludePad: flag as boolean }).toArray(),
			),
		);
		assert.equal(gpu, cpu, String(typeof flag));
	}
	await shutdown();
});

test.run();
