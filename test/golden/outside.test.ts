/** What the operation database has no entry for, against PyTorch's values: see outside.py, which has the same cases. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as w from 'wgrad';
import { nn, optim, type Tensor, tensor } from 'wgrad';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';

await w.init({ device: 'cpu' });

const GOLDEN = JSON.parse(readFileSync('test/golden/outside.json', 'utf8')) as Readonly<Record<string, readonly number[][]>>;
const CLOSE = { relative: 1e-10, absolute: 1e-12 };

type Results = readonly (Tensor | number | boolean)[];

const cases = new Map<string, () => Results | Promise<Results>>();

function draw(name: string, ...shape: number[]): Tensor {
	const next = stream(name);
	const count = shape.reduce((product, size) => product * size, 1);
	const values = Float64Array.from({ length: count }, () => Math.fround(2 * next() - 1));
	return tensor(values, { shape, dtype: 'float64' });
}

const whole = (values: readonly number[] | readonly (readonly number[])[]) => tensor(values, { dtype: 'float64' });

for (const name of ['hannWindow', 'hammingWindow', 'blackmanWindow', 'bartlettWindow', 'kaiserWindow'] as const) {
	cases.set(name, () =>
		[1, 2, 7, 8].flatMap((length) => [true, false].map((periodic) => w[name](length, { periodic, dtype: 'float64' }))),
	);
}
cases.set('kaiserWindow with beta', () => [w.kaiserWindow(9, { periodic: false, beta: 3.5, dtype: 'float64' })]);

const ids = tensor(
	[
		[3, 1, 2, 1, 3],
		[0, 1, 0, 1, 0],
		[3, 1, 2, 1, 3],
	],
	{ dtype: 'int32' },
);
for (const [name, dim] of [
	['unique', null],
	['unique of rows', 0],
	['unique of columns', 1],
] as const) {
	cases.set(name, async () => {
		const { values, inverse, counts } = await ids.unique({ returnInverse: true, returnCounts: true, dim });
		return [values, inverse!, counts!];
	});
}
cases.set('nonzero', async () => [await w.nonzero(ids)]);
cases.set('maskedSelect', async () => [await draw('masked', 3, 5).maskedSelect(ids.gt(1))]);
cases.set('bincount', async () => [await w.bincount(ids.flatten(), { minlength: 6 })]);
cases.set('allclose', () => {
	const [a, b] = [whole([1, Number.NaN, Number.POSITIVE_INFINITY]), whole([1 + 1e-6, Number.NaN, Number.POSITIVE_INFINITY])];
	const pairs = [
		[a, b],
		[a.slice(0, 0, 3, 2), b.slice(0, 0, 3, 2)],
		[a.narrow(0, 0, 1), b.narrow(0, 0, 1)],
		[a.narrow(0, 2, 1), a.narrow(0, 2, 1).neg()],
	] as const;
	const options = [{}, { equalNan: true }, { rtol: 0, atol: 1e-7 }, { rtol: 0, atol: 1e-5 }];
	return Promise.all(pairs.flatMap(([x, y]) => options.map((option) => w.allclose(x, y, option))));
});

const { Normal, Bernoulli, Categorical, klDivergence } = w.distributions;
type Made = w.distributions.Normal | w.distributions.Bernoulli | w.distributions.Categorical;

function distribution(name: string, used: number, make: (first: Tensor, second: Tensor) => Made, value: Tensor): void {
	const one = (i: number) => draw(`${name} ${i}`, 2, 3).requiresGrad_();
	const methods: Record<string, (given: Made) => Tensor> = {
		logProb: (given) => given.logProb(value),
		entropy: (given) => given.entropy(),
		klDivergence: (given) => klDivergence(given, make(draw(`${name} 2`, 2, 3), draw(`${name} 3`, 2, 3))),
	};
	for (const [method, call] of Object.entries(methods)) {
		cases.set(`${name}, ${method}`, () => {
			const parameters = [one(0), one(1)] as const;
			const result = call(make(...parameters));
			const read = name === 'Normal' && method === 'entropy' ? [parameters[1]] : parameters.slice(0, used);
			return [result, ...(w.grad(result.sum(), read) as Tensor[])];
		});
	}
}

const coins = whole([
	[0, 1, 1],
	[1, 0, 1],
]);
distribution('Normal', 2, (loc, scale) => new Normal(loc, scale.exp()), draw('value', 2, 3));
distribution('Bernoulli of probs', 1, (x) => new Bernoulli({ probs: x.sigmoid() }), coins);
distribution('Bernoulli of logits', 1, (x) => new Bernoulli({ logits: x }), coins);
distribution('Categorical of probs', 1, (x) => new Categorical({ probs: x.exp() }), tensor([2, 0], { dtype: 'int32' }));
distribution('Categorical of logits', 1, (x) => new Categorical({ logits: x }), tensor([2, 0], { dtype: 'int32' }));

for (const [name, make, shape] of [
	['spectralNorm', () => new nn.Linear(4, 3), [2, 4]],
	['spectralNorm of a transposed convolution', () => new nn.ConvTranspose2d(2, 3, 2), [1, 2, 3, 3]],
] as const) {
	cases.set(name, () => {
		const layer = nn.utils.spectralNorm(make().to('float64') as nn.Linear | nn.ConvTranspose2d, { nPowerIterations: 2 });
		const state = Object.entries(layer.stateDict()).map(([key, { shape }]) => {
			const value = draw(`spectral ${key}`, ...shape);
			return [key, /_[uv]$/.test(key) ? value.div(value.norm()) : value] as const;
		});
		layer.loadStateDict(Object.fromEntries(state));
		const x = draw('spectral x', ...shape);
		layer.forward(x);
		const y = layer.forward(x);
		y.square().sum().backward();
		layer.eval();
		const original = layer.getParameter('weight_orig');
		return [y, original.grad!, layer.buffer('weight_u'), layer.buffer('weight_v'), layer.forward(x)];
	});
}

const sequences = [2, 4, 1].map((length) => draw(`sequence ${length}`, length, 2));
cases.set('padSequence', () => [nn.utils.padSequence(sequences)]);
cases.set('padSequence, batch first', () => [nn.utils.padSequence(sequences, { batchFirst: true, paddingValue: -1.5 })]);
cases.set('packPaddedSequence', () => {
	const padded = nn.utils.padSequence(sequences);
	const packed = nn.utils.packPaddedSequence(padded, [2, 4, 1], { enforceSorted: false });
	return [packed.data, whole(packed.batchSizes), whole(packed.sortedIndices!), whole(packed.unsortedIndices!)];
});
cases.set('parametersToVector', () => [nn.utils.parametersToVector(sequences)]);

function withGradients(...shapes: number[][]): Tensor[] {
	return shapes.map((shape) => {
		const parameter = w.zeros(shape, { dtype: 'float64' }).requiresGrad_();
		parameter.grad = draw(`gradient ${shape.length === 2 ? 0 : 1}`, ...shape);
		return parameter;
	});
}

for (const normType of [1, 2, 3, Number.POSITIVE_INFINITY]) {
	for (const limit of [0.5, 100]) {
		cases.set(`clipGradNorm ${normType} ${limit}`, () => {
			const parameters = withGradients([2, 3], [4]);
			const total = optim.clipGradNorm(parameters, limit, { normType });
			return [total, ...parameters.map(({ grad }) => grad!)];
		});
	}
}
cases.set('clipGradValue', () => {
	const parameters = withGradients([4]);
	optim.clipGradValue(parameters, 0.25);
	return [parameters[0]!.grad!];
});

for (const [name, compute] of cases) {
	test(`${name} gives PyTorch's values`, async () => {
		const expected = GOLDEN[name]!;
		const results = await compute();
		assert.is(results.length, expected.length);
		for (const [i, result] of results.entries()) {
			const found = result instanceof w.Tensor ? await result.data() : [Number(result)];
			requireClose(`${name}, result ${i}`, found, expected[i]!, CLOSE);
		}
	});
}

test('every golden value has its case', () => assert.equal([...cases.keys()].sort(), Object.keys(GOLDEN).sort()));

test.run();
