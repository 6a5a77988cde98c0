/** Operations as static data: the VJP that a walk takes, the VJP's arguments, and calls that do not type-check. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad, memory, type Tensor, tensor, tidy } from 'wgrad';
import { defineOperation, NO_GRADIENT } from '../../src/autograd/operation';

const calls: string[] = [];

/** x * weight * factor. */
const scale = defineOperation({
	name: 'scale',
	inputs: ['x', 'weight?'],
	forward: ({ x, weight }, { factor }: { readonly factor: number }) => {
		const product = weight ? x.mul(weight) : x;
		return { output: product.mul(factor), product };
	},
	saves: ['x', 'weight', 'product'],
	vjp: (gradient, { x, weight, product }, { factor }, needs, name) => {
		calls.push(`${name} composed`);
		assert.equal(product.shape, x.shape);
		return {
			x: needs.x && (weight ? gradient.mul(weight) : gradient).mul(factor),
			weight: needs.weight && gradient.mul(x).mul(factor),
		};
	},
	fusedVjp: (gradient, { weight }, { factor }, needs) => {
		calls.push(`fused for ${Object.keys(needs).filter((key) => needs[key as 'x' | 'weight'] !== null)}`);
		const both = gradient.mul(factor);
		return { x: needs.x && (weight ? both.mul(weight) : both), weight: null };
	},
});

test('a recorded walk takes the composed VJP, other walks take the fused VJP', async () => {
	const x = tensor([1, 2], { dtype: 'float64' }).requiresGrad_();
	const weight = tensor([3, 4], { dtype: 'float64' });
	calls.length = 0;
	scale({ x, weight }, { factor: 2 }).sum().backward();
	assert.equal(await x.grad!.toArray(), [6, 8]);
	scale({ x }, { factor: 2 }).sum().backward();
	assert.equal(await x.grad!.toArray(), [8, 10]);
	const [first] = grad(scale({ x, weight }, { factor: 2 }, { name: 'mine' }).sum(), [x], { createGraph: true });
	assert.equal(await first!.toArray(), [6, 8]);
	assert.equal(calls, ['fused for x', 'fused for x', 'mine composed']);
});

test('values that forward returns beside the output live as long as the graph', () => {
	const x = tensor([1, 2]);
	const before = memory().tensors;
	const plain = scale({ x }, { factor: 2 });
	assert.is(memory().tensors, before + 1);
	plain.dispose();
	tidy(() => void scale({ x: x.clone().requiresGrad_() }, { factor: 2 }));
	assert.is(memory().tensors, before);
});

test('missing and misspelt names do not type-check', () => {
	const forward = ({ x }: { readonly x: Tensor }) => x.mul(2);
	const name = 'twice';
	// @ts-expect-error: there is neither a VJP nor NO_GRADIENT.
	defineOperation({ name, inputs: ['x'], forward });
	// @ts-expect-error: the gradient of y is missing.
	defineOperation({ name, inputs: ['x', 'y'], forward, vjp: (gradient) => ({ x: gradient }) });
	// @ts-expect-error: the VJP reads a tensor that is not saved.
	defineOperation({ name, inputs: ['x'], forward, saves: ['x'], vjp: (gradient, { y }) => ({ x: gradient.mul(y) }) });
	const twice = defineOperation({ name, inputs: ['x'], forward, vjp: NO_GRADIENT });
	// @ts-expect-error: the input is missing.
	assert.throws(() => twice({}, {}));
});

test.run();
