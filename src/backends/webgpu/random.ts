/** Launches of shaders/random.wgsl.ts: chooses vec4 or strided access, and turns attributes into kernel parameters. */
import type { ParameterValues } from '../../../shaders/parameters';
import { type Distribution, randomFill, randomMask } from '../../../shaders/random.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { keyWords, type RandomKey, uniformRange, uniformThreshold } from '../../core/philox';
import { isContiguous, numel } from '../../core/shape';
import type { View } from '../contract';
import type { RandomKernels } from '../contract/random';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';
import { viewValue } from './strides';

/** Floating-point operations per element. Philox's integer operations do not count. */
const FLOPS: Record<Distribution, number> = { uniform: 5, normal: 30, integer: 0, bernoulli: 0 };

/** Each thread makes four elements. */
function workgroups(n: number): number {
	return Math.ceil(n / (4 * WORKGROUP_SIZE));
}

/** The parameters of a distribution. */
type Numbers = Omit<ParameterValues<typeof randomFill.params>, 'key' | 'n'>;

export function randomKernels(gpu: Gpu): RandomKernels {
	function fill(out: View, distribution: Distribution, key: RandomKey, numbers: Numbers): void {
		const n = numel(out.shape);
		gpu.launch({
			kernel: randomFill,
			variant: { distribution, out: storageType(out) },
			buffers: { out: out.storage },
			params: { key: keyWords(key), n, ...numbers },
			grid: [workgroups(n)],
			flops: n * FLOPS[distribution],
			bytes: n * gpuBytes(out.dtype),
		});
	}

	function mask(
		kind: 'dropout' | 'bernoulli',
		input: View,
		out: View,
		key: RandomKey,
		{ dropped, scale, group = 1 }: { dropped?: number; scale?: number; group?: number } = {},
	): void {
		const n = numel(out.shape);
		const vec4 = kind === 'dropout' && group === 1 && input.offset % 4 === 0 && isContiguous(input.shape, input.strides);
		const types = { input: storageType(input), out: storageType(out) };
		gpu.launch({
			kernel: randomMask,
			variant: { kind, ...types, access: vec4 ? 'vec4' : 'strided' },
			buffers: { input: input.storage, out: out.storage },
			params: { key: keyWords(key), n, input: viewValue(input), dropped, scale, group },
			grid: [workgroups(n)],
			flops: kind === 'dropout' ? n : 0,
			bytes: n * (gpuBytes(input.dtype) + gpuBytes(out.dtype)),
		});
	}

	return {
		randomUniform(_inputs, { out }, { low, high, largest, ...key }) {
			fill(out, 'uniform', key, uniformRange(low, high, largest));
		},
		randomNormal(_inputs, { out }, { mean, std, ...key }) {
			fill(out, 'normal', key, { mean, deviation: std });
		},
		randomInteger(_inputs, { out }, { low, high, ...key }) {
			fill(out, 'integer', key, { least: low, range: high - low });
		},
		bernoulli({ p }, { out }, { probability = 0.5, ...key }) {
			if (p) mask('bernoulli', p, out, key);
			else fill(out, 'bernoulli', key, { threshold: uniformThreshold(probability) });
		},
		dropout({ x }, { y }, { p, scale = p < 1 ? 1 / (1 - p) : 0, group = 1, ...key }) {
			mask('dropout', x, y, key, { dropped: uniformThreshold(p), scale, group });
		},
	};
}
