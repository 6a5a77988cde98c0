/** Functions built on the tape: checkpoint, detectAnomaly, Jacobians and Hessians. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	AutogradError,
	binaryCrossEntropy,
	binaryCrossEntropyWithLogits,
	checkpoint,
	crossEntropy,
	detectAnomaly,
	dropout,
	grad,
	gradcheck,
	gradgradcheck,
	hessian,
	jacobian,
	jvp,
	manualSeed,
	matmul,
	memory,
	multiLabelSoftMarginLoss,
	multiMarginLoss,
	nn,
	noGrad,
	randn,
	type Tensor,
	tensor,
	tidy,
	vjp,
} from 'wgrad';
import { requireClose } from '../proofs/compare';

const vector = (...values: number[]) => tensor(values, { dtype: 'float64' }).requiresGrad_();

test('checkpoint gives the gradients of its function, parameters included, and repeats the dropout', async () => {
	manualSeed(3);
	const layer = new nn.Linear(4, 4, { dtype: 'float64' });
	const x = randn([5, 4], { dtype: 'float64', requiresGrad: true });
	const block = (input: Tensor) => dropout(layer.forward(input).tanh(), { p: 0.4 }).mul(layer.forward(input));
	const run = (wrapped: boolean) => {
		manualSeed(9);
		const y = (wrapped ? checkpoint(block, x) : block(x)).square().sum();
		return grad(y, [x, ...layer.parameters()]);
	};
	const [plain, checkpointed] = [run(false), run(true)];
	for (const [i, gradient] of plain.entries())
		requireClose(`gradient ${i}`, await checkpointed[i]!.data(), await gradient.data(), { relative: 0, absolute: 0 });
	manualSeed(9);
	assert.ok(
		await gradcheck(
			(input) => {
				manualSeed(9);
				return checkpoint(block, input!);
			},
			[x],
		),
	);
	assert.ok(
		await gradgradcheck(
			(input) => {
				manualSeed(9);
				return checkpoint(block, input!);
			},
			[x],
		),
	);
});

test('checkpoint keeps only its inputs, and frees them after the walk', () => {
	const x = randn([64, 64], { requiresGrad: true });
	const deep = (input: Tensor) => input.sin().exp().tanh().sin().exp().tanh();
	const before = memory().tensors;
	const y = checkpoint(deep, x);
	assert.is(memory().tensors, before + 2);
	y.sum().backward();
	tidy(() => {});
	assert.ok(x.grad !== null);
});

test('checkpoint throws if a parameter was overwritten before the backward pass', () => {
	const [x, w] = [vector(1, 2), vector(3, 4)];
	const y = checkpoint((input) => input.mul(w), x).sum();
	noGrad(() => w.add_(1));
	assert.throws(() => y.backward(), /overwritten by 'add_'/);
});

test('detectAnomaly names the forward operation that first went wrong', async () => {
	const x = vector(1, -1);
	let message = '';
	try {
		await detectAnomaly(() => x.mul(2).log().exp().sum());
	} catch (error) {
		assert.instance(error, AutogradError);
		message = (error as Error).message;
	}
	assert.match(message, /'log' first produced a NaN or an infinity, in a tensor of shape \[2\]/);
	assert.match(message, /It was called at\n\s+at .*derived\.test/, 'the first line is of the program, not of the library');
});

test('detectAnomaly names the operation with the backward pass that first went wrong', async () => {
	const x = vector(0, 1);
	let message = '';
	try {
		await detectAnomaly(() => x.sqrt().sum().backward());
	} catch (error) {
		message = (error as Error).message;
	}
	assert.match(message, /the backward pass of 'sqrt' first produced/);
	assert.is(await detectAnomaly(() => x.exp().sum()).then((y) => y.item()), 1 + Math.E);
});

const a = tensor(
	[
		[1, 2],
		[3, 4],
		[5, 6],
	],
	{ dtype: 'float64' },
);
const linearThenSquare = (x: Tensor) => matmul(a, x).square();

test('jacobian, vjp and jvp agree with 2 diag(Ax) A', async () => {
	const x = vector(1, -2);
	const expected = [1 + -4, 3 + -8, 5 + -12].flatMap((y, i) => [2 * y * (2 * i + 1), 2 * y * (2 * i + 2)]);
	const j = jacobian(linearThenSquare, x);
	assert.equal(j.shape, [3, 2]);
	requireClose('jacobian', await j.data(), expected, { relative: 1e-12, absolute: 0 });
	const [, pulled] = vjp(linearThenSquare, x, tensor([1, 0, 2], { dtype: 'float64' }));
	requireClose(
		'vjp',
		await pulled.data(),
		[0, 1].map((k) => expected[k]! + 2 * expected[4 + k]!),
		{ relative: 1e-12, absolute: 0 },
	);
	const [, pushed] = jvp(linearThenSquare, x, tensor([3, -1], { dtype: 'float64' }));
	requireClose(
		'jvp',
		await pushed.data(),
		[0, 1, 2].map((i) => 3 * expected[2 * i]! - expected[2 * i + 1]!),
		{ relative: 1e-12, absolute: 0 },
	);
});

test('hessian of x^2 y + y^3', async () => {
	const [x, y] = [vector(2), vector(3)];
	const f = (p: Tensor, q: Tensor) => p.square().mul(q).add(q.pow(3)).sum();
	const blocks = hessian((...inputs) => f(inputs[0]!, inputs[1]!), [x, y]);
	const values = await Promise.all(blocks.flat().map((block) => block.item()));
	assert.equal(values, [6, 4, 4, 18]);
	assert.throws(() => hessian((v) => v!.mul(2), vector(1, 2)), /must give a scalar/);
});

test('weights of losses get the gradients of finite differences, or are refused', () => {
	const of = (values: number[][]) => tensor(values, { dtype: 'float64' });
	const weight = vector(0.5, 1.5, 2);
	const logits = of([
		[0.2, -0.3, 0.4],
		[0.1, 0.6, -0.7],
	]).requiresGrad_();
	const shares = of([
		[0.2, 0.3, 0.5],
		[0.1, 0.2, 0.7],
	]);
	const labels = tensor([0, 2], { dtype: 'int32' });
	const losses: Readonly<Record<string, (x: Tensor, w: Tensor) => Tensor>> = {
		'crossEntropy of probabilities': (x, w) => crossEntropy(x, shares, { weight: w, labelSmoothing: 0.1 }),
		multiLabelSoftMarginLoss: (x, w) => multiLabelSoftMarginLoss(x, shares, { weight: w }),
		multiMarginLoss: (x, w) => multiMarginLoss(x, labels, { weight: w }),
		binaryCrossEntropy: (x, w) => binaryCrossEntropy(x.sigmoid(), shares, { weight: w }),
		'binaryCrossEntropyWithLogits, weight': (x, w) => binaryCrossEntropyWithLogits(x, shares, { weight: w }),
		'binaryCrossEntropyWithLogits, posWeight': (x, w) => binaryCrossEntropyWithLogits(x, shares, { posWeight: w }),
	};
	for (const [name, loss] of Object.entries(losses))
		assert.ok(
			gradcheck((x, w) => loss(x!, w!), [logits, weight]),
			name,
		);
	assert.throws(() => crossEntropy(logits, labels, { weight }), /crossEntropy: .* gives weight no gradient/);
	noGrad(() => crossEntropy(logits, labels, { weight }));
});

test.run();
