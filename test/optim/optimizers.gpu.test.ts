/** Optimizers on WebGPU against PyTorch's trajectories, which are in float64, and Lion, Muon and EMA against the CPU. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, nn, noGrad, optim, tensor } from 'wgrad';
import golden from '../golden/optim.json';
import { requireClose } from '../proofs/compare';
import { descend, flat, lbfgs, problem, trajectory } from './problem';

const FLOAT32 = { relative: 1e-4, absolute: 1e-5 };

test.before(async () => {
	await init({ device: 'webgpu' });
});

for (const [name, states] of Object.entries(golden.optimizers)) {
	test(`30 steps by ${name} follow PyTorch's`, async () => {
		requireClose(name, (await trajectory(name, 'webgpu', 'float32')).flat(), states.flat(), FLOAT32);
	});
}

test("L-BFGS with a line search reaches PyTorch's losses", async () => {
	const { losses } = await lbfgs({ maxIter: 6, historySize: 3, lineSearchFn: 'strongWolfe' }, 'webgpu', 'float32');
	requireClose('losses', losses, golden.lbfgs.strongWolfe.losses, { relative: 1e-3, absolute: 1e-6 });
});

test('Lion and Muon follow their CPU trajectories', async () => {
	const [cpu, gpu] = [problem('cpu', 'float64'), problem('webgpu', 'float32')];
	for (const place of [cpu, gpu]) {
		descend(place, new optim.Lion(place.params, { lr: 0.01, weightDecay: 0.1 }), 10);
		descend(place, new optim.Muon([place.params[0]], { lr: 0.01 }), 10);
	}
	// The quintic magnifies small singular values, and the rounding in them, by up to 3.4445 in each of five rounds.
	requireClose('parameters', await flat(gpu.params), await flat(cpu.params), { relative: 1e-3, absolute: 1e-4 });
});

test('steps at odd offsets and sizes write nothing beside their parameter', async () => {
	const store = tensor([9, 1, 2, 3, 4, 5, 9, 9], { device: 'webgpu' });
	const part = store.narrow(0, 1, 5).requiresGrad_();
	const optimizer = new optim.RMSprop([part], { lr: 0.1, momentum: 0.9, centered: true });
	part.square().sum().backward();
	optimizer.step();
	const values = await store.data();
	assert.equal([values[0], values[6], values[7]], [9, 9, 9]);
	assert.ok(values[1]! < 1 && values[5]! < 5);
	const ema = new optim.EMA([part], { decay: 0.5 });
	noGrad(() => part.fill_(0));
	ema.update();
	requireClose(
		'average',
		await ema.averages[0]!.data(),
		Array.from(values.slice(1, 6), (value) => value / 2),
		FLOAT32,
	);
});

test('parameters of two devices step together, and a state on another device is named', async () => {
	const leaf = (device: 'cpu' | 'webgpu', dtype: 'float32' | 'float64' = 'float32') =>
		tensor([1, 2], { device, dtype, requiresGrad: true });
	const params = [leaf('webgpu'), leaf('cpu'), leaf('webgpu'), leaf('cpu', 'float64')];
	const optimizer = new optim.Adam(params, { lr: 0.1 });
	for (const param of params) param.square().sum().backward();
	optimizer.step();
	for (const param of params)
		requireClose(`${param.device}`, [...(await param.data())], [0.9, 1.9], { relative: 1e-6, absolute: 0 });

	const model = new nn.Linear(2, 1);
	const moved = new optim.Adam(model.parameters());
	const descend = (device: 'cpu' | 'webgpu') => {
		model
			.forward(tensor([[1, 2]], { device }))
			.sum()
			.backward();
		moved.step();
		moved.zeroGrad();
	};
	descend('webgpu');
	await model.to('cpu');
	assert.throws(
		() => descend('cpu'),
		/Adam\.step: a parameter is on cpu, but its state 'expAvg' on webgpu\. Move the model before/,
	);
	assert.throws(
		() => new optim.SGD([params[0]!.mul(2)], { lr: 1 }),
		/SGD: a tensor of shape \[2\] is the result of an operation/,
	);
});

test.run();
