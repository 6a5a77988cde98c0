/** First and second derivatives of every layer, with respect to its input and its parameters, in float64 on the CPU path. */
import { test } from 'uvu';
import { gradcheck, gradgradcheck, manualSeed, type nn, rand, randint, randn, type Tensor } from 'wgrad';
import { type LayerCase, layers } from './cases';

/** Values that are not close to each other or to 0, so that no kink is near. */
function apart(shape: readonly number[]): Tensor {
	const order = rand(shape, { dtype: 'float64' }).reshape([-1]).argsort().to('float64');
	return order
		.add(0.25)
		.sub(order.size / 2)
		.div(4)
		.reshape(shape);
}

/** Replaces a parameter by a tensor. */
function replace(model: nn.Module, path: string, tensor: Tensor): void {
	const names = path.split('.');
	let owner: nn.Module = model;
	for (const name of names.slice(0, -1)) {
		if ('layers' in owner) owner = new Map(owner.namedChildren()).get(name)!;
		else owner = Reflect.get(owner, name) as nn.Module;
	}
	Reflect.set(owner, names.at(-1)!, tensor);
}

async function prove({ name, make, input, indices, kink }: LayerCase, check: typeof gradcheck): Promise<void> {
	manualSeed(6);
	const layer = make({ dtype: 'float64' });
	const paths = layer.namedParameters().map(([path]) => path);
	const parameters = layer.parameters().map((parameter) => parameter.detach().add(0.1).requiresGrad_());
	// Central differences do not know that the padding row of an embedding (2) is constant, so no lookup uses it.
	const lookups = indices === undefined ? null : randint(indices, input);
	const x =
		lookups === null
			? (kink ? apart(input) : randn(input, { dtype: 'float64' })).requiresGrad_()
			: lookups.add(lookups.eq(2).to('int32'));
	const fn = (...inputs: Tensor[]) => {
		manualSeed(8);
		for (const [i, path] of paths.entries()) replace(layer, path, inputs[i + 1]!);
		return layer.forward(inputs[0]!);
	};
	await check(fn, [x, ...parameters], { name });
}

for (const layer of layers) {
	test(`gradient of ${layer.name}`, () => prove(layer, gradcheck));
	test(`second gradient of ${layer.name}`, () => prove(layer, gradgradcheck));
}

test.run();
