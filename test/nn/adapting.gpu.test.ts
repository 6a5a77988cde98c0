/** Pruning, slimming, adapters, averages, distillation and recomputation on every adapter, against the CPU path. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	crossEntropy,
	type Device,
	init,
	manualSeed,
	nn,
	noGrad,
	optim,
	randint,
	randn,
	setDefaultDevice,
	type Tensor,
} from 'wgrad';
import { fit } from 'wgrad/train';
import { requireClose } from '../proofs/compare';

const { lora, prune } = nn;
const CLOSE = { relative: 1e-4, absolute: 1e-5 };

test.before(async () => void (await init({ device: 'webgpu' })));
test.after(() => setDefaultDevice('webgpu'));

type Values = Record<string, ArrayLike<number>>;

/** Compares what `fn` computes on both devices. */
async function onBoth(fn: () => Promise<Values>): Promise<void> {
	const on = async (device: Device) => {
		setDefaultDevice(device);
		manualSeed(11);
		return fn();
	};
	const [expected, found] = [await on('cpu'), await on('webgpu')];
	for (const [name, values] of Object.entries(expected)) requireClose(name, Array.from(found[name]!), Array.from(values), CLOSE);
}

function network() {
	const [first, second, last] = [new nn.Conv2d(1, 6, 3), new nn.Conv2d(6, 5, 3, { bias: false }), new nn.Linear(20, 3)];
	const layers = [
		first,
		new nn.BatchNorm2d(6),
		new nn.ReLU(),
		second,
		new nn.GELU(),
		new nn.MaxPool2d(2),
		new nn.Flatten(),
		last,
	];
	return { model: new nn.Sequential(...layers), first, second, last };
}

const fitted = (model: nn.Module, parameters: nn.Parameter[], x: Tensor, y: Tensor, checkpoint: string[] = []) =>
	fit(model, [x, y], {
		loss: crossEntropy,
		optimizer: new optim.SGD(parameters, { lr: 0.05, momentum: 0.9 }),
		batchSize: 8,
		verbose: 0,
		seed: 1,
		checkpoint,
	});

test('masks, a training with them, and the slimmed model', () =>
	onBoth(async () => {
		const { model, first, second, last } = network();
		const [x, y] = [randn([16, 1, 8, 8]), randint(0, 3, [16])];
		await prune.lnStructured(first, 'weight', 2, 2, 0);
		await prune.randomStructured(second, 'weight', 1, 0);
		await prune.l1Unstructured(last, 'weight', 0.3);
		const masks = await first.buffer('weight_mask').data();
		await fitted(model, model.parameters(), x, y, ['1', '4']);
		assert.equal(await first.buffer('weight_mask').data(), masks);
		model.eval();
		const masked = await model.forward(x).data();
		const report = await prune.slim(model, x);
		assert.equal(
			report.layers.map(({ kept }) => kept),
			[4, 4, 3],
		);
		const slim = await model.forward(x).data();
		requireClose('slim', Array.from(slim), Array.from(masked), CLOSE);
		return { masks, masked, slim };
	}));

test('adapters: trained, merged, and the base to the bit', () =>
	onBoth(async () => {
		const { model } = network();
		const [x, y] = [randn([16, 1, 8, 8]), randint(0, 3, [16])];
		model.at(1).train(false);
		const weights = async () =>
			Promise.all(
				model
					.namedParameters()
					.filter(([path]) => !path.includes('lora_'))
					.map(([, parameter]) => parameter.data()),
			);
		const before = await weights();
		const adapted = lora.apply(model, { rank: 2, alpha: 4, targets: ['0', '3', '7'] });
		await fitted(adapted, adapted.parameters(), x, y);
		model.eval();
		const output = await model.forward(x).data();
		adapted.merge();
		const merged = await model.forward(x).data();
		adapted.unmerge();
		assert.equal(await weights(), before);
		requireClose('merged', Array.from(merged), Array.from(output), CLOSE);
		const files = await lora.save(adapted);
		adapted.unload();
		lora.load(model, files);
		assert.equal(await model.eval().forward(x).data(), output);
		return { output };
	}));

test('averages, their statistics, and distillation', () =>
	onBoth(async () => {
		const { model } = network();
		const teacher = network().model.eval();
		const x = randn([16, 1, 8, 8]);
		const averaged = new optim.AveragedModel(model);
		const optimizer = new optim.SGD(model.parameters(), { lr: 0.05 });
		const loss = new nn.DistillationLoss({ temperature: 3, alpha: 0 });
		for (let i = 0; i < 3; i++) {
			optimizer.zeroGrad();
			loss
				.forward(
					model.forward(x),
					noGrad(() => teacher.forward(x)),
				)
				.backward();
			optimizer.step();
			averaged.updateParameters();
		}
		await optim.updateBn([x.narrow(0, 0, 8), x.narrow(0, 8, 8)], averaged);
		averaged.eval();
		return { averaged: await averaged.forward(x).data(), model: await model.eval().forward(x).data() };
	}));

test.run();
