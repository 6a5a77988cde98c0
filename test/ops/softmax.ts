/** Softmax and its logarithm. */
import { logSoftmax, softmax as softmaxOperation, softmin, type Tensor, tensor, zeros } from 'wgrad';
import type { InputSpec, OpEntry, Sample } from './database';

const INF = Number.POSITIVE_INFINITY;

function sample(label: string, spec: InputSpec | readonly number[], dim: number, more: Partial<Sample> = {}): Sample {
	return { label, inputs: [Array.isArray(spec) ? { shape: spec } : (spec as InputSpec)], options: { dim }, ...more };
}

const samples: readonly Sample[] = [
	sample('rows', [3, 5], 1),
	sample('columns', [3, 5], 0),
	sample('wide rows', [3, 8], -1),
	sample('middle dim', [2, 3, 4], 1),
	sample('negative dim', [2, 3, 4], -3),
	sample('33', [33], 0),
	sample('one element', [4, 1], 1),
	sample('scalar', [], 0),
	sample('transposed', { shape: [4, 6], layout: 'transposed' }, 1),
	sample('strided', { shape: [3, 5], layout: 'strided' }, 1),
	sample('strided, first dim', { shape: [3, 5], layout: 'strided' }, 0),
	sample('expanded', { shape: [3, 4], layout: 'expanded' }, 1),
	sample('empty', [0, 3], 1),
	sample('empty lines', [3, 0], 1),
	sample('large numbers', { shape: [2, 3], values: [1000, 1001, 999, -1000, -1001, -1000.5] }, 1),
	sample('some -inf', { shape: [2, 3], values: [-INF, 1, 2, 0, -INF, -INF] }, 1, { gradient: false }),
	sample('all -inf', { shape: [2, 3], values: [-INF, -INF, -INF, 1, 2, 3] }, 1, { gradient: false }),
	sample('inf and NaN', { shape: [3, 2], values: [INF, 1, Number.NaN, 1, INF, -INF] }, 1, { gradient: false }),
	sample('large rows', { shape: [65, 260], low: -9, high: 9 }, 1, { gradient: false }),
	sample('long rows', { shape: [3, 4500], low: -9, high: 9 }, 1, { gradient: false }),
	sample('large columns', { shape: [130, 65], low: -9, high: 9 }, 0, { gradient: false }),
	sample('large wide columns', { shape: [70, 64], low: -9, high: 9 }, 0, { gradient: false }),
	sample('wide middle dim', [2, 3, 8], 1),
	sample('large, strided', { shape: [33, 129], layout: 'strided' }, 1, { gradient: false }),
];

function entry(name: string, operation: (x: Tensor, dim: number) => Tensor, torch: string): OpEntry {
	return {
		name,
		family: 'softmax',
		call: ([x], { dim }) => operation(x!, dim as number),
		samples,
		gradient: 'yes',
		torch: ({ dim }) => `F.${torch}(x[0], ${dim})`,
		refusals: [
			{
				label: 'dim out of range',
				call: (device) => operation(zeros([2, 3], { device }), 2),
				message: new RegExp(`${name}: dim 2 is out of range for 2 dimensions`),
			},
			{
				label: 'integers',
				call: (device) => operation(tensor([1, 2], { dtype: 'int32', device }), 0),
				message: new RegExp(`${name}: input must be floating, not int32`),
			},
			{
				label: 'no dim',
				call: (device) => operation(zeros([2], { device }), undefined as unknown as number),
				message: new RegExp(`${name}: dim must be a number from .*, not undefined`),
			},
		],
	};
}

export const softmax: OpEntry[] = [
	entry('softmax', softmaxOperation, 'softmax'),
	entry('logSoftmax', logSoftmax, 'log_softmax'),
	entry('softmin', softmin, 'softmin'),
];
