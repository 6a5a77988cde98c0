/** Promotion of dtypes, and bfloat16: against PyTorch's results in golden/dtypes.json. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as w from 'wgrad';
import golden from '../golden/dtypes.json';

test.before(async () => {
	await w.init({ device: 'webgpu' });
});

const DEVICES = ['cpu', 'webgpu'] as const;
const NAMES = golden.names as w.DType[];

/** a and b are vectors, z is a scalar tensor, c a condition. The forms of dtypes.py. */
const PAIRS: Record<keyof typeof golden.pairs, (a: w.Tensor, b: w.Tensor, z: w.Tensor, c: w.Tensor) => w.Tensor | w.DType> = {
	promoteTypes: (a, b) => w.promoteTypes(a.dtype, b.dtype),
	'resultType of a vector and a scalar tensor': (a, _, z) => w.resultType(a, z),
	'resultType of scalar tensors': (a, _, z) => w.resultType(a.select(0, 0), z),
	add: (a, b) => a.add(b),
	'add a scalar tensor': (a, _, z) => a.add(z),
	sub: (a, b) => a.sub(b),
	mul: (a, b) => a.mul(b),
	div: (a, b) => a.div(b),
	maximum: (a, b) => a.maximum(b),
	pow: (a, b) => a.pow(b),
	eq: (a, b) => a.eq(b),
	where: (a, b, _, c) => w.where(c, a, b),
	'where with a scalar tensor': (a, _, z, c) => w.where(c, a, z),
	cat: (a, b) => w.cat([a, b]),
	stack: (a, b) => w.stack([a, b]),
	addcmul: (a, b) => w.addcmul(a, b, b),
	add_: (a, b) => a.add_(b),
	'add_ a scalar tensor': (a, _, z) => a.add_(z),
	sub_: (a, b) => a.sub_(b),
	mul_: (a, b) => a.mul_(b),
	div_: (a, b) => a.div_(b),
	copy_: (a, b) => a.copy_(b),
};

const NUMBERS: Record<keyof typeof golden.numbers, (a: w.Tensor, n: number, c: w.Tensor) => w.Tensor> = {
	add: (a, n) => a.add(n),
	sub: (a, n) => a.sub(n),
	rsub: (a, n) => w.sub(n, a),
	mul: (a, n) => a.mul(n),
	div: (a, n) => a.div(n),
	pow: (a, n) => a.pow(n),
	eq: (a, n) => a.eq(n),
	where: (a, n, c) => w.where(c, a, n),
	clamp: (a, n) => a.clamp({ max: n }),
	add_: (a, n) => a.add_(n),
	mul_: (a, n) => a.mul_(n),
	div_: (a, n) => a.div_(n),
};

/** The dtype of the result; null if the call throws a DTypeError. */
function dtypeOf(run: () => w.Tensor | w.DType): w.DType | null {
	try {
		const result = run();
		return result instanceof w.Tensor ? result.dtype : result;
	} catch (error) {
		if (!(error instanceof w.DTypeError)) throw error;
		return null;
	}
}

test('promotion for every pair of dtypes', () => {
	const differences: string[] = [];
	const check = (what: string, expected: string | null, run: () => w.Tensor | w.DType) => {
		const actual = w.tidy(() => dtypeOf(run));
		if (actual !== expected) differences.push(`${what} is ${actual} instead of ${expected}`);
	};
	const on = (dtype: w.DType) => ({ dtype, device: 'cpu' }) as const;
	const condition = w.tensor([true, false], { device: 'cpu' });
	for (const [i, left] of NAMES.entries()) {
		for (const [form, call] of Object.entries(PAIRS)) {
			for (const [j, right] of NAMES.entries()) {
				const run = () => call(w.ones([2], on(left)), w.ones([2], on(right)), w.ones([], on(right)), condition);
				check(`${form} of ${left} and ${right}`, golden.pairs[form as keyof typeof PAIRS][i]![j]!, run);
			}
		}
		for (const [form, call] of Object.entries(NUMBERS)) {
			for (const [j, number] of [2, 2.5].entries()) {
				const run = () => call(w.ones([2], on(left)), number, condition);
				check(`${form} of ${left} and ${number}`, golden.numbers[form as keyof typeof NUMBERS][i]![j]!, run);
			}
		}
	}
	assert.equal(differences, []);
});

const { a: A, b: B, bits } = golden;
const SINGLES = new Float32Array(Uint32Array.from(golden.words).buffer);

/** What the bits of bfloat16 stand for. */
function valuesOf(halves: readonly number[]): number[] {
	return [...new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer)];
}

const CALLS: Record<keyof typeof bits, (a: w.Tensor, b: w.Tensor, square: w.Tensor) => w.Tensor> = {
	to: (a) => w.tensor(SINGLES, { device: a.device }).to('bfloat16'),
	add: (a, b) => a.add(b),
	sub: (a, b) => a.sub(b),
	mul: (a, b) => a.mul(b),
	div: (a, b) => a.div(b),
	'add 0.1': (a) => a.add(0.1),
	'mul 3': (a) => a.mul(3),
	exp: (a) => a.clamp({ max: 5 }).exp(),
	maximum: (a, b) => a.maximum(b),
	sum: (_a, _b, square) => square.sum(1),
	mean: (_a, _b, square) => square.mean(0),
	matmul: (_a, _b, square) => square.matmul(square.transpose(0, 1)),
	softmax: (_a, _b, square) => square.softmax(1),
	cat: (a, b) => w.cat([a, b]),
	'from int32': ({ device }) => w.tensor([257, 259, 16777217, -3], { dtype: 'int32', device }).to('bfloat16'),
	'from float64': () => w.tensor([1e300, 1 / 3, -1e-300], { dtype: 'float64', device: 'cpu' }).to('bfloat16'),
	'from float16': () => w.tensor([65504, 1 / 3], { dtype: 'float16', device: 'cpu' }).to('bfloat16'),
	'in place in a view': (a, b) => {
		a.slice(0, 1, 4)
			.add_(b.slice(0, 1, 4))
			.mul_(0.375);
		return a;
	},
	gradient: (_a, _b, square) => {
		square.requiresGrad_().square().sum().div(2).backward();
		return square.grad!;
	},
	SGD: (_a, _b, square) => {
		square.requiresGrad_().square().sum().div(2).backward();
		new w.optim.SGD([square], { lr: 0.125 }).step();
		return square;
	},
};

for (const device of DEVICES) {
	const bfloat16 = { dtype: 'bfloat16', device } as const;

	test(`bfloat16 rounds and computes as PyTorch on ${device}`, async () => {
		for (const [name, call] of Object.entries(CALLS)) {
			const square = w.arange(1, 13, bfloat16).reshape([3, 4]).div(7);
			const result = call(w.tensor(A, bfloat16), w.tensor(B, bfloat16), square);
			assert.is(result.dtype, 'bfloat16', name);
			assert.equal([...(await result.data())], valuesOf(bits[name as keyof typeof bits]), name);
		}
	});

	test(`views of bfloat16 start and end anywhere on ${device}`, async () => {
		const numbers = Array.from({ length: 7 * 9 }, (_, i) => i);
		const check = async (what: string, run: (x: w.Tensor) => w.Tensor) => {
			const [actual, expected] = await Promise.all(
				([bfloat16, { dtype: 'float32', device: 'cpu' }] as const).map(async (where) => {
					const x = w.tensor(numbers, { ...where, shape: [7, 9] });
					const result = run(x);
					return [await result.toArray(), await x.toArray()];
				}),
			);
			assert.equal(actual, expected, what);
		};
		await check('select', (x) => x.select(0, 3));
		await check('transpose', (x) => x.transpose(0, 1).narrow(0, 1, 3));
		await check('a step', (x) => x.slice(1, 1, 8, 3).add(1));
		await check('expand', (x) => x.narrow(1, 3, 1).expand([7, 5]).sum(0));
		await check('flip, whose strides are negative', (x) => x.narrow(1, 1, 7).flip([0, 1]));
		await check('sort, whose kernel calls another', (x) => x.flip([1]).sort(1).values);
		await check('empty', (x) => x.narrow(0, 2, 0).sum(0));
		await check('fill_ one element', (x) => x.select(0, 3).narrow(0, 4, 1).fill_(-1));
		await check('fill_ a column', (x) => x.select(1, 5).fill_(-1));
		await check('add_ at an odd offset', (x) =>
			x
				.narrow(0, 1, 5)
				.select(0, 2)
				.narrow(0, 2, 5)
				.add_(x.select(0, 0).narrow(0, 1, 5)),
		);
		await check('copy_ into a transposed part', (x) =>
			x
				.transpose(0, 1)
				.narrow(0, 3, 3)
				.copy_(x.narrow(0, 2, 3).narrow(1, 1, 7)),
		);
		await check('the last element', (x) => x.select(0, 6).narrow(0, 8, 1).mul_(2));
	});

	test(`a module in bfloat16 on ${device}`, async () => {
		w.manualSeed(3);
		const model = new w.nn.Sequential(new w.nn.Linear(5, 7), new w.nn.Tanh(), new w.nn.Linear(7, 3));
		await model.to(device);
		const full = Object.fromEntries(Object.entries(model.stateDict()).map(([name, x]) => [name, x.clone()]));
		model.to('bfloat16');
		const file = await w.io.saveSafetensors(model.stateDict());
		const loaded = w.io.loadSafetensors(file, { device });
		for (const [name, x] of Object.entries(model.stateDict())) {
			assert.is(loaded[name]!.dtype, 'bfloat16');
			assert.equal(await loaded[name]!.data(), await x.data());
			assert.equal(await x.data(), await full[name]!.to('bfloat16').data());
		}
		const x = w.randn([4, 5], bfloat16);
		const optimizer = new w.optim.Adam(model.parameters(), { lr: 0.05 });
		const ema = new w.optim.EMA(model.parameters(), { decay: 0.5 });
		const losses: number[] = [];
		for (let step = 0; step < 20; step++) {
			const loss = w.mseLoss(model.forward(x), x.narrow(1, 0, 3));
			assert.is(loss.dtype, 'bfloat16');
			optimizer.zeroGrad();
			loss.backward();
			w.optim.clipGradNorm(model.parameters(), 1);
			optimizer.step();
			ema.update();
			losses.push(await loss.item());
		}
		assert.ok(losses.at(-1)! < losses[0]! / 10, String(losses));
		assert.ok(model.parameters().every(({ dtype, grad }) => dtype === 'bfloat16' && grad!.dtype === 'bfloat16'));
	});
}

test('bfloat16 takes two bytes on the GPU', async () => {
	const before = w.memory().gpu!.live;
	const x = w.zeros([1024, 1024], { dtype: 'bfloat16', device: 'webgpu' });
	assert.is(w.memory().gpu!.live - before, 2 * 2 ** 20);
	assert.is(await x.sum().item(), 0);
});

test.run();
