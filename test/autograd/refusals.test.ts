/** Functions that take functions or tensors throw clear errors for anything else, before they run anything. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { enableGrad, gradcheck, gradgradcheck, hessian, io, keep, noGrad, sort, tensor, tidy, vjp } from 'wgrad';

const WRONG = [undefined, null, 3, 'text', {}] as never[];

for (const [name, take] of Object.entries({ noGrad, enableGrad, tidy })) {
	test(`${name} takes a function`, () => {
		for (const wrong of WRONG) assert.throws(() => take(wrong), new RegExp(`^${name}: fn must be a function`));
	});
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
	return promise.then(
		() => 'it did not fail',
		(error: Error) => error.message,
	);
}

test('gradcheck takes a function and a list of tensors', async () => {
	const x = tensor([1, 2], { dtype: 'float64', device: 'cpu', requiresGrad: true });
	for (const check of [gradcheck, gradgradcheck]) {
		for (const wrong of WRONG) assert.match(await messageOf(check(wrong, [x])), /fn must be a function of tensors/);
		assert.match(await messageOf(check((x) => x, x as never)), /inputs come as a list/);
		assert.match(await messageOf(check((x) => x, [3] as never)), /input 0 must be a tensor/);
	}
});

test('derivatives need an input', () => {
	const x = tensor(1);
	assert.throws(() => vjp((x) => x, [], x), /at least one input/);
	assert.throws(() => hessian((x) => x, []), /at least one input/);
});

test('keep and saveSafetensors take tensors', async () => {
	for (const wrong of WRONG) assert.throws(() => keep(wrong), /keep: the argument must be a tensor/);
	for (const wrong of [undefined, null, 3] as never[])
		assert.match(await messageOf(io.saveSafetensors(wrong)), /it takes tensors by name/);
	assert.match(await messageOf(io.saveSafetensors({ weight: 3 } as never)), /'weight' must be a tensor, not 3/);
});

test("sort takes PyTorch's stable", async () => {
	const { indices } = sort(tensor([2, 1, 2, 1]), 0, { stable: true });
	assert.equal(await indices.toArray(), [1, 3, 0, 2]);
});

test.run();
