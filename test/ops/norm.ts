/** Normalisations. */
import {
	batchNorm,
	clone,
	type Device,
	groupNorm,
	instanceNorm,
	layerNorm,
	localResponseNorm,
	normalize,
	ones,
	rmsNorm,
	type Tensor,
	zeros,
} from 'wgrad';
import { cosine, distance } from './cosine';
import type { InputSpec, OpEntry, Options, Refusal, Sample } from './database';
import { py } from './python';

/** Inputs are x, then weight and bias if given, then running mean and variance. */
interface Settings {
	readonly affine?: 'both' | 'weight' | 'bias';
	readonly running?: boolean;
}

function inputsOf(x: InputSpec | readonly number[], parameters: readonly number[], { affine, running }: Settings): InputSpec[] {
	const spec: InputSpec = Array.isArray(x) ? { shape: x } : (x as InputSpec);
	return [
		spec,
		...(affine === 'both' || affine === 'weight' ? [{ shape: parameters }] : []),
		...(affine === 'both' || affine === 'bias' ? [{ shape: parameters }] : []),
		...(running
			? [
					{ shape: parameters, gradient: false },
					{ shape: parameters, low: 0.5, high: 2, gradient: false },
				]
			: []),
	];
}

function sample(
	label: string,
	x: InputSpec | readonly number[],
	parameters: readonly number[],
	options: Options & Settings = {},
	more: Partial<Sample> = {},
): Sample {
	return { label, inputs: inputsOf(x, parameters, options), options, ...more };
}

/** The tensors of a sample by name, and as Python expressions. */
function named(options: Options): {
	tensors: (x: readonly Tensor[]) => Record<string, Tensor>;
	python: (name: string) => string;
} {
	const { affine, running } = options as Settings;
	const names = [
		...(affine === 'both' || affine === 'weight' ? ['weight'] : []),
		...(affine === 'both' || affine === 'bias' ? ['bias'] : []),
		...(running ? ['runningMean', 'runningVar'] : []),
	];
	return {
		tensors: (x) => Object.fromEntries(names.map((name, i) => [name, x[i + 1]!])),
		python: (name) => (names.includes(name) ? `x[${names.indexOf(name) + 1}]` : 'None'),
	};
}

function rest(options: Options, ...without: readonly string[]): Options {
	const taken = ['affine', 'running', ...without];
	return Object.fromEntries(Object.entries(options).filter(([name]) => !taken.includes(name)));
}

function refuse(label: string, call: (device: Device) => unknown, message: RegExp): Refusal {
	return { label, call, message };
}

const BOTH = { affine: 'both' } as const;
const transposed = (...shape: number[]): InputSpec => ({ shape, layout: 'transposed' });
const strided = (...shape: number[]): InputSpec => ({ shape, layout: 'strided' });

function lastDims(name: 'layerNorm' | 'rmsNorm', affine: readonly ('both' | 'weight' | 'bias')[]): Sample[] {
	const full = affine[0]!;
	const of = (
		label: string,
		x: InputSpec | readonly number[],
		normalizedShape: number | readonly number[],
		options: Options & Settings = {},
		more = {},
	) =>
		sample(
			label,
			x,
			typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape,
			{ normalizedShape, ...options },
			more,
		);
	return [
		of('plain', [3, 5], 5),
		...affine.map((kind) => of(`affine: ${kind}`, [3, 5], [5], { affine: kind })),
		of('wide', [3, 8], 8, { affine: full }),
		of('two dims', [3, 2, 4], [2, 4], { affine: full }),
		of('everything', [2, 3], [2, 3], { affine: full }),
		of('four dims', [2, 2, 2, 3], [3], { affine: full }),
		of('eps', { shape: [3, 5], low: -0.01, high: 0.01 }, 5, { eps: 0.1 }),
		of('transposed', transposed(4, 6), 6, { affine: full }),
		of('strided', strided(3, 5), 5, { affine: full }),
		of('expanded', { shape: [3, 4], layout: 'expanded' }, 4, { affine: full }),
		of('no rows', [0, 4], 4, { affine: full }),
		of('far from 0', { shape: [3, 33], low: 99, high: 101 }, 33, {}, { gradient: false }),
		of('65 x 260', [65, 260], 260, { affine: full }, { gradient: false }),
		of('70 x 131', [70, 131], 131, { affine: full }, { gradient: false }),
		of('3 x 4100', [3, 4100], 4100, { affine: full }, { gradient: false }),
		...(name === 'layerNorm'
			? [of('equal elements', { shape: [2, 3], values: [2, 2, 2, 0, 0, 0] }, 3, {}, { gradient: false })]
			: []),
	];
}

/** [N, C, ...] in every shape and layout with its own variant. */
function channelled(channels: (c: number) => Options): Sample[] {
	const of = (label: string, x: InputSpec | readonly number[], options: Options & Settings = {}, more = {}) => {
		const c = (Array.isArray(x) ? x : (x as InputSpec).shape)[1]!;
		return sample(label, x, [c], { ...channels(c), ...options }, more);
	};
	return [
		of('plain', [3, 4, 5]),
		of('affine', [3, 4, 5], BOTH),
		of('weight alone', [2, 4, 3], { affine: 'weight' }),
		of('bias alone', [2, 4, 3], { affine: 'bias' }),
		of('images', [2, 4, 2, 3], BOTH),
		of('wide', [2, 4, 2, 2], BOTH),
		of('eps', { shape: [2, 4, 3], low: -0.01, high: 0.01 }, { eps: 0.1 }),
		of('transposed', transposed(2, 4, 3), BOTH),
		of('strided', strided(2, 4, 3), BOTH),
		of('large images', [3, 8, 33, 17], BOTH, { gradient: false }),
		of('large wide images', [3, 8, 32, 36], BOTH, { gradient: false }),
	];
}

const batch = channelled(() => ({ training: true }));
const running = { running: true, training: true } as const;

export const norm: OpEntry[] = [
	{
		name: 'layerNorm',
		family: 'norm',
		call: (x, options) =>
			layerNorm(x[0]!, options.normalizedShape as number, { ...rest(options, 'normalizedShape'), ...named(options).tensors(x) }),
		samples: lastDims('layerNorm', ['both', 'weight', 'bias']),
		gradient: 'yes',
		torch: (options) => {
			const { python } = named(options);
			const shape = [options.normalizedShape].flat();
			return `F.layer_norm(x[0], ${py(shape)}, ${python('weight')}, ${python('bias')}, ${py(options.eps ?? 1e-5)})`;
		},
		refusals: [
			refuse(
				'other shape',
				(device) => layerNorm(zeros([2, 3], { device }), 4),
				/layerNorm: the last dimensions of \[2, 3\] are not normalizedShape \[4\]/,
			),
			refuse(
				'no shape',
				(device) => layerNorm(zeros([2, 3], { device }), []),
				/layerNorm: normalizedShape .* must be a size or a list of sizes/,
			),
			refuse(
				'weight of another shape',
				(device) => layerNorm(zeros([2, 3], { device }), 3, { weight: ones([2], { device }) }),
				/layerNorm: weight \[2\] must have shape \[3\] for input \[2, 3\]/,
			),
			refuse(
				'integers',
				(device) => layerNorm(zeros([2, 3], { device, dtype: 'int32' }), 3),
				/layerNorm: input must be floating, not int32/,
			),
			refuse(
				'negative eps',
				(device) => layerNorm(zeros([2, 3], { device }), 3, { eps: -1 }),
				/layerNorm: eps must be at least 0, not -1/,
			),
		],
	},
	{
		name: 'rmsNorm',
		family: 'norm',
		call: (x, options) =>
			rmsNorm(x[0]!, options.normalizedShape as number, { ...rest(options, 'normalizedShape'), ...named(options).tensors(x) }),
		samples: lastDims('rmsNorm', ['weight']),
		gradient: 'yes',
		torch: (options) => {
			// PyTorch 1.13 has no rms_norm. Its epsilon is that of the dtype, here the float64 of the golden files.
			const { python } = named(options);
			const dims = py([options.normalizedShape].flat().map((_, i) => -1 - i));
			const weight = python('weight') === 'None' ? '' : ` * ${python('weight')}`;
			return `x[0] * torch.rsqrt((x[0] ** 2).mean(${dims}, keepdim=True) + ${py(options.eps ?? 2 ** -52)})${weight}`;
		},
		refusals: [
			refuse(
				'other shape',
				(device) => rmsNorm(zeros([2, 3], { device }), [2]),
				/rmsNorm: the last dimensions of \[2, 3\] are not normalizedShape \[2\]/,
			),
			refuse(
				'weight of another dtype',
				(device) => rmsNorm(zeros([2, 3], { device }), 3, { weight: ones([3], { device, dtype: 'int32' }) }),
				/rmsNorm: weight has dtype int32; it takes float32/,
			),
		],
	},
	{
		name: 'groupNorm',
		family: 'norm',
		call: (x, options) =>
			groupNorm(x[0]!, options.numGroups as number, { ...rest(options, 'numGroups'), ...named(options).tensors(x) }),
		samples: [
			...channelled(() => ({ numGroups: 2 })),
			sample('one group', [2, 3, 4], [3], { numGroups: 1, ...BOTH }),
			sample('a group for each channel', [2, 3, 4], [3], { numGroups: 3, ...BOTH }),
			sample('no positions', [3, 6], [6], { numGroups: 2, ...BOTH }),
			sample('no samples', [0, 4, 3], [4], { numGroups: 2, ...BOTH }),
		],
		gradient: 'yes',
		torch: (options) => {
			const { python } = named(options);
			// PyTorch 1.13 fails on a bias without a weight.
			const weight = options.affine === 'bias' ? 'torch.ones_like(x[1])' : python('weight');
			return `F.group_norm(x[0], ${py(options.numGroups)}, ${weight}, ${python('bias')}, ${py(options.eps ?? 1e-5)})`;
		},
		refusals: [
			refuse(
				'groups',
				(device) => groupNorm(zeros([2, 3, 4], { device }), 2),
				/groupNorm: numGroups 2 does not divide the 3 channels of \[2, 3, 4\]/,
			),
			refuse(
				'a vector',
				(device) => groupNorm(zeros([2], { device }), 1),
				/groupNorm: input must be \[N, C, \.\.\.\], not \[2\]/,
			),
		],
	},
	{
		name: 'batchNorm',
		family: 'norm',
		call: (x, options) => {
			const { runningMean, runningVar, ...affine } = named(options).tensors(x);
			const settings = { ...rest(options), ...affine };
			if (runningMean === undefined) return batchNorm(x[0]!, settings);
			// batchNorm writes them in place, so a call must not see the writes of the previous one.
			const kept = { runningMean: clone(runningMean), runningVar: clone(runningVar!) };
			const y = batchNorm(x[0]!, { ...settings, ...kept });
			return options.training ? [y, kept.runningMean, kept.runningVar] : y;
		},
		samples: [
			...batch,
			sample('no positions', [5, 3], [3], { training: true, ...BOTH }),
			sample('wide, no positions', [5, 4], [4], { training: true, ...BOTH }),
			sample('inference', [3, 4, 5], [4], { running: true, ...BOTH }),
			sample('inference, not affine', [3, 4], [4], { running: true, eps: 0.01 }),
			sample('inference, images', [2, 4, 2, 2], [4], { running: true, ...BOTH }),
			sample('inference, no samples', [0, 4, 3], [4], { running: true, ...BOTH }),
			sample('running statistics', [3, 4, 5], [4], { ...running, ...BOTH }, { gradient: false }),
			sample('running statistics, momentum', [3, 4], [4], { ...running, momentum: 0.5 }, { gradient: false }),
			sample('running statistics, large', [65, 4, 10, 13], [4], { ...running, ...BOTH }, { gradient: false }),
			sample('large, no positions', [600, 20], [20], { training: true, ...BOTH }, { gradient: false }),
		],
		gradient: 'yes',
		torch: (options) => {
			const { python } = named(options);
			const { training = false, momentum = 0.1, eps = 1e-5 } = options;
			const call = (mean: string, variance: string) =>
				`F.batch_norm(x[0], ${mean}, ${variance}, ${python('weight')}, ${python('bias')}, ${py(training)}, ${py(momentum)}, ${py(eps)})`;
			if (!(training && options.running)) return call(python('runningMean'), python('runningVar'));
			return `(lambda m, v: (${call('m', 'v')}, m, v))(${python('runningMean')}.clone(), ${python('runningVar')}.clone())`;
		},
		refusals: [
			refuse(
				'one value',
				(device) => batchNorm(zeros([1, 3], { device }), { training: true }),
				/batchNorm: in training it needs more than one value for each channel; input \[1, 3\] has 1/,
			),
			refuse(
				'no statistics',
				(device) => batchNorm(zeros([2, 3], { device })),
				/batchNorm: without training it needs runningMean and runningVar/,
			),
			refuse(
				'half of the statistics',
				(device) => batchNorm(zeros([2, 3], { device }), { training: true, runningMean: zeros([3], { device }) }),
				/batchNorm: pass runningMean and runningVar together/,
			),
			refuse(
				'statistics of another shape',
				(device) =>
					batchNorm(zeros([2, 3], { device }), { runningMean: zeros([2], { device }), runningVar: ones([2], { device }) }),
				/batchNorm: runningMean \[2\] must have shape \[3\] for input \[2, 3\]/,
			),
		],
	},
	{
		name: 'instanceNorm',
		family: 'norm',
		call: (x, options) => {
			const { runningMean, runningVar, ...affine } = named(options).tensors(x);
			const settings = { ...rest(options), ...affine };
			if (runningMean === undefined) return instanceNorm(x[0]!, settings);
			const kept = { runningMean: clone(runningMean), runningVar: clone(runningVar!) };
			const y = instanceNorm(x[0]!, { ...settings, ...kept });
			return options.useInputStats === false ? y : [y, kept.runningMean, kept.runningVar];
		},
		samples: [
			...channelled(() => ({})),
			sample('running statistics', [3, 4, 5], [4], { running: true, ...BOTH }, { gradient: false }),
			sample('by running statistics', [3, 4, 5], [4], { running: true, useInputStats: false, ...BOTH }),
		],
		gradient: 'yes',
		torch: (options) => {
			const { python } = named(options);
			const { useInputStats = true, momentum = 0.1, eps = 1e-5 } = options;
			const call = (mean: string, variance: string) =>
				`F.instance_norm(x[0], ${mean}, ${variance}, ${python('weight')}, ${python('bias')}, ${py(useInputStats)}, ${py(momentum)}, ${py(eps)})`;
			if (!(useInputStats && options.running)) return call(python('runningMean'), python('runningVar'));
			return `(lambda m, v: (${call('m', 'v')}, m, v))(${python('runningMean')}.clone(), ${python('runningVar')}.clone())`;
		},
		refusals: [
			refuse(
				'one position',
				(device) => instanceNorm(zeros([2, 3, 1], { device })),
				/instanceNorm: input \[2, 3, 1\] needs more than one position/,
			),
			refuse(
				'no positions',
				(device) => instanceNorm(zeros([2, 3], { device })),
				/instanceNorm: input must be \[N, C, positions, \.\.\.\], not \[2, 3\]/,
			),
		],
	},
	{
		name: 'localResponseNorm',
		family: 'norm',
		call: ([x], options) => localResponseNorm(x!, options.size as number, rest(options, 'size')),
		samples: [
			{ label: 'odd size', inputs: [{ shape: [2, 7, 3] }], options: { size: 3 } },
			{ label: 'even size', inputs: [{ shape: [2, 5, 2, 2] }], options: { size: 4, alpha: 0.5, beta: 0.6, k: 2 } },
			{ label: 'wider than the channels', inputs: [{ shape: [1, 3, 3] }], options: { size: 5, alpha: 1 } },
			{ label: 'size 1', inputs: [{ shape: [2, 3, 2] }], options: { size: 1, alpha: 1 } },
			{ label: 'transposed', inputs: [transposed(2, 4, 3)], options: { size: 3, alpha: 1 } },
		],
		gradient: 'yes',
		torch: ({ size, alpha = 1e-4, beta = 0.75, k = 1 }) => `F.local_response_norm(x[0], ${size}, ${alpha}, ${beta}, ${k})`,
		refusals: [
			refuse(
				'size 0',
				(device) => localResponseNorm(zeros([1, 2, 3], { device }), 0),
				/localResponseNorm: size must be a whole number of at least 1, not 0/,
			),
			refuse(
				'a matrix',
				(device) => localResponseNorm(zeros([2, 3], { device }), 3),
				/localResponseNorm: input must be \[N, C, positions, \.\.\.\], not \[2, 3\]/,
			),
		],
	},
	{
		name: 'normalize',
		family: 'norm',
		call: ([x], options) => normalize(x!, options),
		samples: [
			{ label: 'rows', inputs: [{ shape: [3, 5] }] },
			{ label: 'first dim', inputs: [{ shape: [3, 5] }], options: { dim: 0 } },
			{ label: 'p = 1', inputs: [{ shape: [3, 5], avoid: [0] }], options: { p: 1, dim: -1 } },
			{ label: 'p = 3', inputs: [{ shape: [2, 3, 4], avoid: [0] }], options: { p: 3 } },
			{ label: 'eps above the norm', inputs: [{ shape: [2, 3], low: -0.1, high: 0.1 }], options: { eps: 1 } },
			{ label: 'zeros', inputs: [{ shape: [2, 3], values: Array(6).fill(0) }], gradient: false },
			{ label: 'strided', inputs: [strided(3, 5)] },
			{ label: 'large', inputs: [{ shape: [65, 300] }], gradient: false },
		],
		gradient: 'yes',
		torch: ({ p = 2, dim = 1, eps = 1e-12 }) => `F.normalize(x[0], ${p}, ${dim}, ${eps})`,
		refusals: [refuse('a vector', (device) => normalize(zeros([3], { device })), /norm: dim 1 is out of range for 1 dimensions/)],
	},
	cosine,
	distance,
];
