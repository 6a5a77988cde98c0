/**
 * Mixed precision: within `autocast`, operations that are faster in float16 take float16, and operations that need float32's range or
 * precision take float32. As `torch.autocast`, https://pytorch.org/docs/stable/amp.html.
 *
 * Tables list the operations by public name, with the dtype that each takes. Other operations take their inputs as they are. An
 * operation casts nothing inside. The backward pass keeps the dtypes of the forward pass.
 */
import { ArgumentError, DTypeError } from '../core/errors';
import { isHalf } from '../core/halves';
import { checkOptions } from '../core/options';
import { onNodeCreated } from '../core/scope';
import { Tensor } from '../tensor';
import { keep, tidy } from '../tidy';
import { cast } from './gradients';
import { type Autocast, isGradEnabled, noGrad, synchronous, withAutocast } from './modes';
import { outputInfo, type Rule, TapeNode } from './tape';

/** Products and convolutions. Their inputs become float16; their kernels sum in float32. */
const FLOAT16 = [
	'baddbmm',
	'bmm',
	'conv1d',
	'conv2d',
	'conv3d',
	'convTranspose1d',
	'convTranspose2d',
	'convTranspose3d',
	'einsum',
	'linear',
	'matmul',
	'mv',
	'prelu',
	'quantizedLinear',
	'scaledDotProductAttention',
] as const;

/** Exponentials, powers, sums, norms and losses: their inputs become float32, and so do their results. */
const FLOAT32 = [
	'acos',
	'asin',
	'cosh',
	'cosineEmbeddingLoss',
	'cosineSimilarity',
	'crossEntropy',
	'ctcLoss',
	'cumprod',
	'cumsum',
	'exp',
	'exp2',
	'expm1',
	'gaussianNllLoss',
	'groupNorm',
	'hingeEmbeddingLoss',
	'hingeLoss',
	'huberLoss',
	'interpolate',
	'klDiv',
	'l1Loss',
	'layerNorm',
	'localResponseNorm',
	'log',
	'log10',
	'log1p',
	'log2',
	'logSoftmax',
	'logsumexp',
	'marginRankingLoss',
	'mseLoss',
	'multiLabelMarginLoss',
	'multiLabelSoftMarginLoss',
	'multiMarginLoss',
	'nllLoss',
	'norm',
	'normalize',
	'pairwiseDistance',
	'poissonNllLoss',
	'pow',
	'prod',
	'reciprocal',
	'rmsNorm',
	'rsqrt',
	'sinh',
	'smoothL1Loss',
	'softMarginLoss',
	'softmax',
	'softmin',
	'softplus',
	'sum',
	'tan',
	'tripletMarginLoss',
	'tripletMarginWithDistanceLoss',
	'binaryCrossEntropyWithLogits',
] as const;

/** Their inputs become the widest floating dtype among them. Other operations of several tensors promote without a table. */
const WIDEST = ['dot', 'gridSample', 'indexAdd', 'outer', 'scatterAdd'] as const;

/**
 * The dtypes that operations take within `autocast`, by public name. `refused` ones throw, because probabilities in float16 have lost the
 * precision of their logarithms.
 */
export const AUTOCAST_TABLES = {
	float16: FLOAT16,
	float32: FLOAT32,
	widest: WIDEST,
	refused: ['binaryCrossEntropy'],
} as const;

type Policy = keyof typeof AUTOCAST_TABLES;

const POLICIES = new Map<string, Policy>(
	(Object.keys(AUTOCAST_TABLES) as Policy[]).flatMap((policy) =>
		AUTOCAST_TABLES[policy].map((name): [string, Policy] => [name, policy]),
	),
);

/** Casts between floating dtypes. float64 and integers stay as they are. */
function isCastable(value: unknown): value is Tensor {
	return value instanceof Tensor && (value.dtype === 'float32' || isHalf(value.dtype));
}

/** A weight's float16 copy, valid until the weight changes or the outermost `autocast` ends. */
interface CachedCast {
	readonly half: Tensor;
	readonly storage: Tensor['storage'];
	readonly version: number;
}

const cache = new Map<Tensor, CachedCast>();
let depth = 0;

function clearCache(): void {
	for (const { half } of cache.values()) half.dispose();
	cache.clear();
}

/** A cast that saves nothing, so that the backward passes of several losses can use it. */
class WeightCast extends TapeNode {
	override release(): void {}
}

const weightRule: Rule<null> = {
	pullBack: ([gradient], _saved, _attributes, needs) => [needs[0] && gradient ? cast(gradient, needs[0].dtype) : null],
};

function castWeight(weight: Tensor): Tensor {
	const half = keep(noGrad(() => cast(weight, 'float16')));
	if (!isGradEnabled()) return half;
	const node = new WeightCast('to', [weight.edge], [outputInfo(half)], weightRule as Rule<unknown>, null);
	half.edge = { node, index: 0 };
	onNodeCreated(node);
	return half;
}

/** Casts x to float16. Casts weights (leaves that require a gradient) only once. */
function halved(x: Tensor): Tensor {
	if (x.dtype === 'float16' || !hasFloat16(x)) return x;
	if (!x.requiresGrad || !x.isLeaf || x.viewing !== null) return cast(x, 'float16');
	const { storage } = x;
	const known = cache.get(x);
	if (known !== undefined) {
		const { half } = known;
		if (known.storage === storage && known.version === storage.version && (half.requiresGrad || !isGradEnabled())) return half;
		half.dispose();
	}
	const half = castWeight(x);
	cache.set(x, { half, storage, version: storage.version });
	return half;
}

let hasWarned = false;

function hasFloat16({ backend }: Tensor): boolean {
	if (backend.hasFloat16) return true;
	if (!hasWarned) {
		hasWarned = true;
		console.warn('wgrad: autocast computes in float32, because this adapter has no float16 (the WebGPU feature shader-f16)');
	}
	return false;
}

function castTo(policy: Policy, x: Tensor, all: readonly unknown[]): Tensor {
	if (policy === 'float16') return halved(x);
	const widens = policy === 'float32' || all.some((other) => isCastable(other) && other.dtype !== x.dtype);
	return widens && isHalf(x.dtype) ? cast(x, 'float32') : x;
}

const MIXED: Autocast = {
	call(operation, inputs, body) {
		const policy = POLICIES.get(operation);
		if (policy === undefined) return withAutocast(null, () => body(inputs));
		if (policy === 'refused') {
			throw new DTypeError(
				`${operation}: is not safe within autocast. Use binaryCrossEntropyWithLogits on what sigmoid takes, or call it within autocast(fn, { enabled: false }) on float32`,
			);
		}
		return tidy(() => {
			const all = Array.isArray(inputs) ? inputs : Object.values(inputs);
			const one = (value: unknown) => (isCastable(value) ? castTo(policy, value, all) : value);
			const converted = Array.isArray(inputs)
				? inputs.map(one)
				: Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, one(value)]));
			return withAutocast(null, () => body(converted as unknown as typeof inputs));
		});
	},
};

/** Runs `fn` in a mode from `currentAutocast`. Casts of weights last until the outermost run ends. */
export function inAutocast<T>(mode: Autocast | null, fn: () => T): T {
	depth++;
	try {
		return withAutocast(mode, fn);
	} finally {
		depth--;
		if (depth === 0) clearCache();
	}
}

export interface AutocastOptions {
	/** The dtype of products and convolutions. Default 'float16', the only one. */
	readonly dtype?: 'float16';
	/** False runs `fn` without casts, even within another `autocast`. Default true. */
	readonly enabled?: boolean;
}

/**
 * Runs `fn` in mixed precision. Products, convolutions and attention take float16; losses, norms and exponentials take float32.
 * Parameters and their gradients stay float32. Run the forward pass and the loss within `autocast`, and call `backward()` after it. Train
 * with a `GradScaler`. If the adapter has no float16, everything runs in float32. `fn` must not be async. As `torch.autocast`.
 *
 * ```ts
 * const loss = autocast(() => crossEntropy(model.forward(x), y));
 * scaler.scale(loss).backward();
 * ```
 */
export function autocast<T>(fn: () => T, options: AutocastOptions = {}): T {
	const { dtype = 'float16', enabled = true } = checkOptions('autocast', options, ['dtype', 'enabled']);
	if (dtype !== 'float16') throw new ArgumentError(`autocast: dtype must be 'float16', not '${String(dtype)}'`);
	return inAutocast(enabled ? MIXED : null, () => synchronous('autocast', fn));
}
