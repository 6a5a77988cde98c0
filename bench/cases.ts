/** The benchmark cases: one for each kernel family and size, with the same call on both devices. */
import {
	add,
	argmax,
	avgPool2d,
	conv2d,
	crossEntropy,
	type Device,
	dot,
	embedding,
	exp,
	grad,
	layerNorm,
	linear,
	logSoftmax,
	matmul,
	maxPool2d,
	mean,
	mul,
	nn,
	noGrad,
	ones,
	optim,
	randint,
	randn,
	relu,
	scaledDotProductAttention,
	softmax,
	sum,
	type Tensor,
	tril,
	where,
} from 'wgrad';
import { mnistCnn } from '../examples/mnist/model';
import { indexCases } from './indexCases';
import { quantizedCases } from './quantizedCases';
import { sequenceCases } from './sequenceCases';

export interface Case {
	readonly name: string;
	readonly family: string;
	/** Floating-point operations of one call, for GFLOP/s; or bytes that it must at least read and write, for GB/s. */
	readonly flops?: number;
	readonly bytes?: number;
	/** Calls in one timed run. */
	readonly repeats?: number;
	/** Operations in one call, if the figure is a time per operation. */
	readonly operations?: number;
	/** Makes the inputs, and returns the call. */
	prepare(device: Device): () => unknown;
	/** Whether the CPU reference is so slow that it runs only once. */
	readonly slowReference?: boolean;
	/** Whether the CPU reference would take too long. */
	readonly noReference?: boolean;
	/** Milliseconds of tfjs-webgpu 4.22 and jax-js 0.1.25 on lavapipe, on a similar machine. */
	readonly others?: readonly [tfjs: number, jaxjs: number];
}

const MILLION4 = 4 * 2 ** 20;

function product(n: number, form: 'NN' | 'TN' | 'NT' | 'TT', others?: readonly [number, number]): Case {
	const names = { NN: 'A B', TN: 'At B', NT: 'A Bt', TT: 'At Bt' };
	return {
		name: `matmul ${n} ${names[form]}`,
		family: 'matmul',
		flops: 2 * n ** 3,
		slowReference: n >= 512,
		...(others === undefined ? {} : { others }),
		prepare: (device) => {
			const a = randn([n, n], { device });
			const b = randn([n, n], { device });
			const left = form[0] === 'T' ? a.transpose(0, 1) : a;
			const right = form[1] === 'T' ? b.transpose(0, 1) : b;
			return () => matmul(left, right);
		},
	};
}

interface ConvSizes {
	readonly n: number;
	readonly c: number;
	readonly size: number;
	readonly o: number;
	readonly padding: number;
}

function convolution(
	label: string,
	{ n, c, size, o, padding }: ConvSizes,
	direction: 'forward' | 'input gradient' | 'weight gradient',
	others?: readonly [number, number],
): Case {
	const out = size + 2 * padding - 2;
	return {
		name: `conv2d ${label} ${direction}`,
		family: 'conv',
		flops: 2 * n * o * out * out * c * 9,
		slowReference: c > 1,
		...(others === undefined ? {} : { others }),
		prepare: (device) => {
			const x = randn([n, c, size, size], { device }).requiresGrad_(direction === 'input gradient');
			const weight = randn([o, c, 3, 3], { device }).requiresGrad_(direction === 'weight gradient');
			if (direction === 'forward') return () => conv2d(x, weight, null, { padding });
			const y = conv2d(x, weight, null, { padding });
			const gradient = randn(y.shape, { device });
			const target = direction === 'input gradient' ? x : weight;
			return () => grad(y, [target], { gradOutputs: gradient, retainGraph: true });
		},
	};
}

/** Looks up 8,192 words of GPT-2's vocabulary; the gradient is for the whole table. */
function lookup(direction: 'forward' | 'gradient'): Case {
	const [words, features, count] = [50_257, 128, 8192];
	const rows = direction === 'forward' ? 2 * count : count + words;
	return {
		name: `embedding 8192 of 50257x128 ${direction}`,
		family: 'embedding',
		bytes: 4 * features * rows,
		prepare: (device) => {
			const weight = randn([words, features], { device, requiresGrad: true });
			const indices = randint(words, [count], { device });
			if (direction === 'forward') return () => noGrad(() => embedding(indices, weight));
			const y = embedding(indices, weight);
			const gradient = randn(y.shape, { device });
			return () => grad(y, [weight], { gradOutputs: gradient, retainGraph: true });
		},
	};
}

/** A whole training step: forward, loss, backward, Adam. */
function step(name: string, make: () => nn.Sequential, shape: readonly number[], others?: readonly [number, number]): Case {
	return {
		name,
		family: 'training',
		slowReference: true,
		...(others === undefined ? {} : { others }),
		prepare: (device) => {
			const model = make().to(device) as nn.Sequential;
			const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
			const x = randn(shape, { device });
			const labels = randint(0, 10, [shape[0]!], { device });
			return () => {
				optimizer.zeroGrad();
				crossEntropy(model.forward(x), labels).backward();
				optimizer.step();
			};
		},
	};
}

const mlp = () => new nn.Sequential(new nn.Linear(784, 256), new nn.ReLU(), new nn.Linear(256, 10));

/** The network with two convolutions that the other libraries were measured with. */
const deeperCnn = () =>
	new nn.Sequential(
		new nn.Conv2d(1, 32, 3),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Conv2d(32, 64, 3),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Flatten(),
		new nn.Linear(64 * 5 * 5, 128),
		new nn.ReLU(),
		new nn.Linear(128, 10),
	);

/** A call on one random tensor. */
function unary(
	name: string,
	family: string,
	shape: readonly number[],
	bytesPerElement: number,
	call: (x: Tensor) => Tensor,
	others?: readonly [number, number],
): Case {
	const size = shape.reduce((a, b) => a * b, 1);
	return {
		name,
		family,
		bytes: size * bytesPerElement,
		...(others === undefined ? {} : { others }),
		prepare: (device) => {
			const x = randn(shape, { device });
			return () => call(x);
		},
	};
}

/** The gradient of a call on one random tensor, without the call itself. */
function unaryGradient(
	name: string,
	family: string,
	shape: readonly number[],
	bytesPerElement: number,
	call: (x: Tensor) => Tensor,
): Case {
	const size = shape.reduce((a, b) => a * b, 1);
	return {
		name,
		family,
		bytes: size * bytesPerElement,
		prepare: (device) => {
			const x = randn(shape, { device }).requiresGrad_();
			const y = call(x);
			const gradient = randn(y.shape, { device });
			return () => grad(y, [x], { gradOutputs: gradient, retainGraph: true });
		},
	};
}

/**
 * Causal attention with heads of 64 elements, by the fused kernels or composed of matmul, mask, softmax and matmul. Both count
 * the same operations.
 */
function attention(
	[batch, heads, length]: readonly [number, number, number],
	form: 'fused' | 'composed',
	backward: boolean,
	others?: readonly [number, number],
): Case {
	const size = 64;
	return {
		name: `${form} attention ${batch}x${heads}x${length}x${size}, causal, ${backward ? 'both ways' : 'forward'}`,
		family: 'attention',
		flops: (backward ? 7 : 2) * batch * heads * length ** 2 * size,
		slowReference: true,
		noReference: length > 256,
		...(others === undefined ? {} : { others }),
		prepare: (device) => {
			const [q, k, v, gradient] = [0, 1, 2, 3].map(() => randn([batch, heads, length, size], { device })) as [
				Tensor,
				Tensor,
				Tensor,
				Tensor,
			];
			const seen = tril(ones([length, length], { device, dtype: 'bool' }));
			const call = () => {
				if (form === 'fused') return scaledDotProductAttention(q, k, v, { isCausal: true });
				const scores = mul(matmul(q, k.transpose(-2, -1)), size ** -0.5);
				return matmul(softmax(where(seen, scores, -1e30), -1), v);
			};
			if (!backward) return () => noGrad(call);
			for (const operand of [q, k, v]) operand.requiresGrad_();
			return () => grad(call(), [q, k, v], { gradOutputs: gradient });
		},
	};
}

const ATTENTION = [
	[2, 4, 256],
	[1, 4, 1024],
	[1, 4, 2048],
] as const;

const IMAGES = { n: 16, c: 32, size: 32, o: 64, padding: 1 };
const DIGITS = { n: 32, c: 1, size: 28, o: 32, padding: 0 };
const TINY = 1000;

export const cases: readonly Case[] = [
	product(256, 'NN'),
	product(512, 'NN', [125, 127]),
	product(1024, 'NN'),
	product(512, 'TN'),
	product(512, 'NT'),
	product(512, 'TT'),
	product(1024, 'TN'),
	product(1024, 'NT'),
	product(1024, 'TT'),
	{
		name: 'matmul 16x256x64x256 batched',
		family: 'matmul',
		flops: 2 * 16 * 256 * 64 * 256,
		slowReference: true,
		prepare: (device) => {
			const a = randn([16, 256, 64], { device });
			const b = randn([16, 64, 256], { device });
			return () => matmul(a, b);
		},
	},
	{
		name: 'matrix-vector 1024',
		family: 'matmul',
		flops: 2 * 1024 ** 2,
		repeats: 10,
		others: [27, 2.6],
		prepare: (device) => {
			const a = randn([1024, 1024], { device });
			const x = randn([1024], { device });
			return () => matmul(a, x);
		},
	},
	{
		name: 'linear 64x5408 to 128',
		family: 'matmul',
		flops: 2 * 64 * 5408 * 128,
		prepare: (device) => {
			const x = randn([64, 5408], { device });
			const weight = randn([128, 5408], { device });
			const bias = randn([128], { device });
			return () => linear(x, weight, bias);
		},
	},
	{
		name: 'dot 4 M',
		family: 'matmul',
		bytes: 8 * MILLION4,
		prepare: (device) => {
			const a = randn([MILLION4], { device });
			const b = randn([MILLION4], { device });
			return () => dot(a, b);
		},
	},
	convolution('16x32x32x32 to 64', IMAGES, 'forward', [182, 216]),
	convolution('16x32x32x32 to 64', IMAGES, 'input gradient'),
	convolution('16x32x32x32 to 64', IMAGES, 'weight gradient'),
	convolution('32x1x28x28 to 32', DIGITS, 'forward', [97, 6.4]),
	convolution('32x1x28x28 to 32', DIGITS, 'weight gradient'),
	unary('max-pool 2 of 32x32x26x26', 'pool', [32, 32, 26, 26], 5.5, (x) => maxPool2d(x, 2), [8.2, 2.9]),
	unaryGradient('max-pool 2 gradient', 'pool', [32, 32, 26, 26], 5.5, (x) => maxPool2d(x, 2)),
	unary('average-pool 2 of 32x32x26x26', 'pool', [32, 32, 26, 26], 5, (x) => avgPool2d(x, 2)),
	unary('softmax 4096x1024', 'softmax', [4096, 1024], 8, (x) => softmax(x, -1), [78, 65]),
	unary('log-softmax 4096x1024', 'softmax', [4096, 1024], 8, (x) => logSoftmax(x, -1)),
	unaryGradient('softmax gradient 4096x1024', 'softmax', [4096, 1024], 12, (x) => softmax(x, -1)),
	unary('layer norm 4096x1024', 'norm', [4096, 1024], 8, (x) => layerNorm(x, [1024]), [139, 72]),
	unaryGradient('layer norm gradient 4096x1024', 'norm', [4096, 1024], 12, (x) => layerNorm(x, [1024])),
	unary('sum 4 M', 'reduce', [MILLION4], 4, (x) => sum(x), [14, 5.3]),
	unary('mean 4096x1024 over rows', 'reduce', [4096, 1024], 4, (x) => mean(x, 1)),
	unary('sum 4096x1024 over columns', 'reduce', [4096, 1024], 4, (x) => sum(x, 0)),
	unary('argmax 4096x1024', 'reduce', [4096, 1024], 4, (x) => argmax(x, 1)),
	unary('relu 4 M', 'elementwise', [MILLION4], 8, (x) => relu(x)),
	unary('exp 4 M', 'elementwise', [MILLION4], 8, (x) => exp(x)),
	unary('add 4 M', 'elementwise', [MILLION4], 8, (x) => add(x, x)),
	unary('row broadcast mul 4096x1024', 'elementwise', [4096, 1024], 8, (x) => mul(x, x.select(0, 0))),
	unary('transposed copy 2048x2048', 'elementwise', [2048, 2048], 8, (x) => x.transpose(0, 1).contiguous()),
	lookup('forward'),
	lookup('gradient'),
	...ATTENTION.flatMap((sizes) =>
		[false, true].flatMap((backward) => [
			attention(sizes, 'fused', backward, backward && sizes[2] === 256 ? [200, 170] : undefined),
			attention(sizes, 'composed', backward),
		]),
	),
	step('training step, MNIST CNN, batch 64', mnistCnn, [64, 1, 28, 28]),
	step('training step, two-convolution CNN, batch 64', deeperCnn, [64, 1, 28, 28], [2400, 860]),
	step('training step, MLP 784-256-10, batch 64', mlp, [64, 784], [55, 29]),
	...quantizedCases,
	...sequenceCases,
	...indexCases,
	{
		name: '1,000 dependent tiny operations',
		family: 'overhead',
		operations: TINY,
		others: [67, 380],
		prepare: (device) => {
			const one = randn([16], { device });
			return () =>
				noGrad(() => {
					let x = one;
					for (let i = 0; i < TINY; i++) x = add(x, 1);
				});
		},
	},
];
