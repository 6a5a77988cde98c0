/** Scaled dot-product attention. */
import { type AttentionOptions, type Device, ones, scaledDotProductAttention, type Tensor, zeros } from 'wgrad';
import type { InputSpec, OpEntry, Options, Refusal, Sample } from './database';
import { py } from './python';

const INF = Number.POSITIVE_INFINITY;

const of = (...shape: number[]): InputSpec => ({ shape });
const bools = (...shape: number[]): InputSpec => ({ shape, dtype: 'bool' });
const laid = (layout: NonNullable<InputSpec['layout']>, ...shape: number[]): InputSpec => ({ shape, layout });

/** Inputs are query, key, value and, if given, the mask. */
function sample(label: string, inputs: readonly InputSpec[], options: AttentionOptions = {}, more: Partial<Sample> = {}): Sample {
	return { label, inputs, options: { ...options }, ...more };
}

/** Queries, keys and values with equal shapes except for the lengths. */
function sizes(
	label: string,
	[batch, heads, length, keys, size]: readonly [number, number, number, number, number],
	options: AttentionOptions = {},
	more: Partial<Sample> = {},
): Sample {
	return sample(
		label,
		[of(batch, heads, length, size), of(batch, heads, keys, size), of(batch, heads, keys, size)],
		options,
		more,
	);
}

function call([query, key, value, attnMask]: readonly Tensor[], options: Options): Tensor {
	return scaledDotProductAttention(query!, key!, value!, { ...options, ...(attnMask && { attnMask }) });
}

/** PyTorch 1.13 lacks this function, so the expression composes it of other operations, with zeros for queries without keys. */
function torch({ isCausal, scale, enableGqa }: Options): string {
	const repeated = (x: string) => (enableGqa ? `${x}.repeat_interleave(x[0].shape[-3] // ${x}.shape[-3], -3)` : x);
	const keys = 'torch.ones(x[0].shape[-2], x[1].shape[-2], dtype=torch.bool)';
	const order = isCausal ? `${keys}.tril()` : keys;
	const factor = scale == null ? 'q.shape[-1] ** -0.5' : py(scale);
	const attend = `lambda q, k, v, see, bias: torch.where(see, torch.softmax((q @ k.transpose(-2, -1) * (${factor}) + bias).masked_fill(~see, -1e30), -1), torch.zeros(())) @ v`;
	const seen = `${order} & ((x[3] if x[3].dtype == torch.bool else x[3] > -math.inf) if len(x) > 3 else torch.tensor(True))`;
	const bias = `(torch.where(x[3] > -math.inf, x[3], torch.zeros(())) if len(x) > 3 and x[3].dtype != torch.bool else torch.zeros(()))`;
	return `(${attend})(x[0], ${repeated('x[1]')}, ${repeated('x[2]')}, ${seen}, ${bias})`;
}

function refuse(
	label: string,
	shapes: readonly (readonly number[])[],
	options: (device: Device) => AttentionOptions,
	message: RegExp,
): Refusal {
	return {
		label,
		call: (device) => {
			const [query, key, value] = shapes.map((shape) => zeros(shape, { device })) as [Tensor, Tensor, Tensor];
			return scaledDotProductAttention(query, key, value, options(device));
		},
		message,
	};
}

const plain = () => ({});
const square = [of(1, 2, 3, 4), of(1, 2, 3, 4), of(1, 2, 3, 4)] as const;
const large = { gradient: false };

const tolerance = {
	relative: 3e-5,
	absolute: 1e-5,
	reason:
		'scores are sums of up to 256 products in float32, and the exponential turns their absolute error into a relative one; gradients subtract two such sums',
};

export const attention: OpEntry[] = [
	{
		name: 'scaledDotProductAttention',
		family: 'attention',
		call,
		gradient: 'yes',
		tolerance,
		torch,
		samples: [
			sizes('plain', [1, 2, 3, 4, 4]),
			sizes('odd sizes', [2, 1, 3, 5, 3]),
			sizes('one of each', [1, 1, 1, 1, 1]),
			sizes('causal', [1, 2, 4, 4, 4], { isCausal: true }),
			sizes('causal, more keys', [1, 1, 3, 5, 4], { isCausal: true }),
			sizes('causal, fewer keys', [1, 1, 5, 3, 4], { isCausal: true }),
			sizes('scale', [1, 1, 3, 3, 4], { scale: 0.3 }),
			sample('other value size', [of(1, 2, 3, 4), of(1, 2, 4, 4), of(1, 2, 4, 5)]),
			sample('no heads', [of(2, 3, 4), of(2, 5, 4), of(2, 5, 4)]),
			sample('matrices', [of(3, 4), of(5, 4), of(5, 4)]),
			sample('five dims', [of(2, 1, 1, 3, 4), of(2, 1, 1, 3, 4), of(2, 1, 1, 3, 4)], { isCausal: true }),
			sample('broadcast heads', [of(2, 2, 3, 4), of(2, 1, 3, 4), of(1, 2, 3, 4)]),
			sample('grouped queries', [of(1, 4, 3, 4), of(1, 2, 4, 4), of(1, 2, 4, 4)], { enableGqa: true }),
			sample('one head for all, causal', [of(2, 2, 3, 4), of(2, 1, 3, 4), of(2, 1, 3, 4)], { enableGqa: true, isCausal: true }),
			sample('bool mask', [...square, bools(1, 2, 3, 3)]),
			sample('bool mask for all heads', [...square, bools(3, 3)], { isCausal: true }),
			sample('mask of keys', [of(2, 1, 3, 4), of(2, 1, 4, 4), of(2, 1, 4, 4), bools(2, 1, 1, 4)]),
			sample('row without keys', [...square, { ...bools(3, 3), values: [1, 0, 1, 0, 0, 0, 1, 1, 0] }]),
			sample('additive mask', [...square, of(1, 2, 3, 3)]),
			sample('additive mask for all heads', [...square, of(3, 3)]),
			sample('additive mask with -inf', [
				...square,
				{ shape: [3, 3], values: [0.5, -INF, 1, -INF, -INF, -INF, 2, 0, -1], gradient: false },
			]),
			sample('mask of grouped queries', [of(1, 4, 2, 4), of(1, 2, 3, 4), of(1, 2, 3, 4), of(4, 1, 3)], { enableGqa: true }),
			sample('heads side by side', [laid('transposed', 2, 2, 3, 4), laid('strided', 2, 2, 3, 4), laid('expanded', 2, 2, 3, 4)]),
			sizes('no queries', [1, 2, 0, 3, 4]),
			sizes('no keys', [1, 2, 3, 0, 4], {}, large),
			sizes('no batch', [0, 2, 3, 3, 4]),
			sample(
				'large scores',
				[{ ...of(1, 1, 3, 4), low: -60, high: 60 }, { ...of(1, 1, 5, 4), low: -60, high: 60 }, of(1, 1, 5, 4)],
				{},
				large,
			),
			sample(
				'very negative masks',
				[...square, { shape: [3, 3], values: [-1e9, 0, 0, -3e38, -3e38, 0, 1e4, 0, 1], gradient: false }],
				{},
				large,
			),
			sizes('tiles', [1, 2, 33, 65, 64], {}, large),
			sizes('tiles, causal', [1, 2, 65, 65, 33], { isCausal: true }, large),
			sizes('tiles, causal, fewer keys', [1, 1, 130, 70, 16], { isCausal: true }, large),
			sizes('head of 256', [1, 1, 40, 40, 256], {}, large),
			sizes('head of 255', [1, 1, 5, 37, 255], { isCausal: true }, large),
			sizes('head of 300', [1, 1, 5, 6, 300], { isCausal: true }, large),
		],
		refusals: [
			refuse(
				'other head size',
				[
					[2, 3, 4],
					[2, 5, 3],
					[2, 5, 4],
				],
				plain,
				/scaledDotProductAttention: query \[2, 3, 4\], key \[2, 5, 3\] and value \[2, 5, 4\] must be \[\.\.\., L, E\]/,
			),
			refuse(
				'other key length',
				[
					[2, 3, 4],
					[2, 5, 4],
					[2, 6, 4],
				],
				plain,
				/scaledDotProductAttention: query .* must be/,
			),
			refuse('vectors', [[4], [4], [4]], plain, /scaledDotProductAttention: query must be \[\.\.\., rows, elements\], not \[4\]/),
			refuse(
				'other heads',
				[
					[1, 4, 3, 2],
					[1, 2, 3, 2],
					[1, 2, 3, 2],
				],
				plain,
				/scaledDotProductAttention: shapes \[1, 4\] and \[1, 2\] and \[1, 2\] do not broadcast/,
			),
			refuse(
				'groups that do not divide',
				[
					[1, 3, 3, 2],
					[1, 2, 3, 2],
					[1, 2, 3, 2],
				],
				() => ({ enableGqa: true }),
				/scaledDotProductAttention: with enableGqa the heads/,
			),
			refuse(
				'mask of another shape',
				[
					[2, 3, 4],
					[2, 5, 4],
					[2, 5, 4],
				],
				(device) => ({ attnMask: ones([3, 4], { device }) }),
				/scaledDotProductAttention: shapes \[3, 4\] and \[2, 3, 5\] do not broadcast/,
			),
			refuse(
				'mask of integers',
				[
					[2, 3, 4],
					[2, 5, 4],
					[2, 5, 4],
				],
				(device) => ({ attnMask: ones([3, 5], { device, dtype: 'int32' }) }),
				/scaledDotProductAttention: attnMask must be bool or floating, not int32/,
			),
			refuse(
				'probability',
				[
					[2, 3, 4],
					[2, 5, 4],
					[2, 5, 4],
				],
				() => ({ dropoutP: 1.5 }),
				/scaledDotProductAttention: dropoutP must lie in \[0, 1\], not 1.5/,
			),
			{
				label: 'integers',
				call: (device) => {
					const x = ones([2, 3], { device, dtype: 'int32' });
					return scaledDotProductAttention(x, x, x);
				},
				message: /scaledDotProductAttention: query must be floating, not int32/,
			},
		],
	},
	{
		name: 'scaledDotProductAttention',
		family: 'attention',
		call,
		gradient: 'yes',
		tolerance,
		// Philox chooses the dropped weights here, the Mersenne twister does in PyTorch.
		torch: null,
		samples: [
			sizes('dropout', [1, 2, 3, 6, 4], { dropoutP: 0.4 }),
			sample('dropout of grouped queries', [of(2, 2, 3, 4), of(2, 1, 5, 4), of(2, 1, 5, 4), of(3, 5)], {
				dropoutP: 0.3,
				enableGqa: true,
				isCausal: true,
			}),
			sizes('dropout of everything', [1, 1, 3, 3, 4], { dropoutP: 1 }),
			sizes('dropout of tiles', [2, 2, 70, 67, 32], { dropoutP: 0.2, isCausal: true }, large),
		],
		refusals: [],
	},
];
