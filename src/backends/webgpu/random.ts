/** Launches of shaders/random.wgsl.ts: chooses vec4 or strided access, and turns attributes into parameter words. */
import { type Distribution, randomFill, randomMask } from '../../../shaders/random.wgsl';
import { float16Below } from '../../core/float16';
import { counterWords, type RandomKey, uniformRange, uniformThreshold } from '../../core/philox';
import { isContiguous, MAX_RANK, numel } from '../../core/shape';
import type { View } from '../contract';
import type { RandomKernels } from '../contract/random';
import { floatBits, type Gpu, storageType } from './launch';

const WORKGROUP = 64;
const BYTES = { f32: 4, f16: 2, i32: 4, u32: 4 };

/** Integer operations of Philox do not count as floating-point work; these are what comes after, for each element. */
const FLOPS: Record<Distribution, number> = { uniform: 5, normal: 30, integer: 0, bernoulli: 0 };

/** One thread makes four elements. */
function workgroups(n: number): number {
	return Math.ceil(n / (4 * WORKGROUP));
}

function keyWords(key: RandomKey): number[] {
	return [...counterWords(key), ...key.seed];
}

function padded(values: readonly number[]): number[] {
	return Array.from({ length: MAX_RANK }, (_, d) => (values[d] ?? 0) >>> 0);
}

export function randomKernels(gpu: Gpu): RandomKernels {
	function fill(out: View, distribution: Distribution, key: RandomKey, words: readonly number[]): void {
		const n = numel(out.shape);
		const type = storageType(out);
		gpu.launch({
			kernel: randomFill,
			variant: { distribution, out: type },
			buffers: [out.storage],
			params: [...keyWords(key), n, words[0] ?? 0, words[1] ?? 0, words[2] ?? 0, words[3] ?? 0],
			grid: [workgroups(n)],
			flops: n * FLOPS[distribution],
			bytes: n * BYTES[type],
		});
	}

	function mask(
		kind: 'dropout' | 'bernoulli',
		input: View,
		out: View,
		key: RandomKey,
		{ dropped, scale, group }: { dropped: number; scale: number; group: number },
	): void {
		const n = numel(out.shape);
		const vec4 = kind === 'dropout' && group === 1 && input.offset % 4 === 0 && isContiguous(input.shape, input.strides);
		const types = { input: storageType(input), out: storageType(out) };
		gpu.launch({
			kernel: randomMask,
			variant: { kind, ...types, access: vec4 ? 'vec4' : 'strided' },
			buffers: [input.storage, out.storage],
			params: [
				...keyWords(key),
				...padded(input.shape),
				...padded(input.strides),
				n,
				input.offset,
				input.shape.length,
				dropped,
				floatBits(scale),
				group,
			],
			grid: [workgroups(n)],
			flops: kind === 'dropout' ? n : 0,
			bytes: n * (BYTES[types.input] + BYTES[types.out]),
		});
	}

	return {
		randomUniform(_inputs, { out }, { low, high, ...key }) {
			const range = uniformRange(low, high, out.dtype === 'float16' ? float16Below(high) : undefined);
			fill(out, 'uniform', key, [range.low, range.top, range.rest, range.largest].map(floatBits));
		},
		randomNormal(_inputs, { out }, { mean, std, ...key }) {
			fill(out, 'normal', key, [floatBits(mean), floatBits(std)]);
		},
		randomInteger(_inputs, { out }, { low, high, ...key }) {
			fill(out, 'integer', key, [low >>> 0, (high - low) >>> 0]);
		},
		bernoulli({ p }, { out }, { probability = 0.5, ...key }) {
			if (p) mask('bernoulli', p, out, key, { dropped: 0, scale: 0, group: 1 });
			else fill(out, 'bernoulli', key, [uniformThreshold(probability)]);
		},
		dropout({ x }, { y }, { p, scale = p < 1 ? 1 / (1 - p) : 0, group = 1, ...key }) {
			mask('dropout', x, y, key, { dropped: uniformThreshold(p), scale, group });
		},
	};
}
