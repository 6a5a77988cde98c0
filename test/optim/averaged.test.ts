/** Weight averaging against torch.optim.swa_utils: averages, batch statistics, and the schedule's rates. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, nn, noGrad, optim, type Tensor, tensor, zeros } from 'wgrad';
import results from '../golden/adapting.json';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';

test.before(async () => void (await init({ device: 'cpu' })));

const ALLOWED = { relative: 1e-9, absolute: 1e-11 };

function draw(name: string, shape: readonly number[]): Tensor {
	const next = stream(name);
	const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround(-1 + next() * 2));
	return tensor(values, { shape, dtype: 'float64' });
}

const batches = () => Array.from({ length: 5 }, (_, i) => draw(`batch/${i}`, [6, 3]));

/** Trains like adapting.py. */
function trained() {
	const model = new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4), new nn.Tanh(), new nn.Linear(4, 2));
	model.to('float64');
	noGrad(() => {
		for (const [name, parameter] of model.namedParameters()) parameter.copy_(draw(name, parameter.shape));
	});
	const averages = {
		mean: new optim.AveragedModel(model),
		buffers: new optim.AveragedModel(model, { useBuffers: true }),
		ema: new optim.AveragedModel(model, { avgFn: (average, weight) => average.mul(0.7).add(weight.mul(0.3)) }),
	};
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
	for (const x of batches()) {
		optimizer.zeroGrad();
		model.forward(x).square().sum().backward();
		optimizer.step();
		for (const averaged of Object.values(averages)) averaged.updateParameters();
	}
	return { model, averages };
}

async function requireState(
	name: string,
	module: nn.Module,
	expected: Readonly<Record<string, readonly number[]>>,
): Promise<void> {
	const state = module.stateDict();
	assert.equal(Object.keys(state).sort(), Object.keys(expected).sort());
	for (const [key, values] of Object.entries(expected))
		requireClose(`${name}, ${key}`, await state[key]!.data(), values, ALLOWED);
}

test("averages, their state and their batch statistics are PyTorch's", async () => {
	const { model, averages } = trained();
	for (const [name, averaged] of Object.entries(averages))
		await requireState(name, averaged, results.average[name as keyof typeof averages]);
	const weights = await Promise.all(Object.values(model.stateDict()).map((value) => value.data()));
	const averaged = averages.mean;
	await optim.updateBn(
		batches().map((x) => [x.narrow(0, 0, 4), null]),
		averaged,
	);
	await requireState('updated', averaged, results.average.updated);
	averaged.eval();
	requireClose('output', await averaged.forward(draw('batch/0', [6, 3])).data(), results.average.output, ALLOWED);
	// The model itself is unchanged: weights, statistics, mode, momentum.
	assert.equal(await Promise.all(Object.values(model.stateDict()).map((value) => value.data())), weights);
	assert.ok(model.training && model.modules().every(({ training }) => training));
	assert.is((model.at(1) as nn.BatchNorm1d).options.momentum, undefined);
	assert.ok(model.parameters().every((parameter) => parameter.requiresGrad));
	// A second average continues from the state.
	const other = new optim.AveragedModel(model);
	other.loadStateDict(averaged.stateDict());
	other.updateParameters();
	averaged.updateParameters();
	assert.equal(await other.stateDict()['module.0.weight']!.data(), await averaged.stateDict()['module.0.weight']!.data());
});

test('statistics of a plain model are recomputed too', async () => {
	const { model } = trained();
	const norm = model.at(1) as nn.BatchNorm1d;
	await optim.updateBn(batches(), model);
	const inputs = noGrad(() => batches().map((x) => model.at(0).forward(x)));
	const means = await Promise.all(inputs.map((x) => x.mean(0).data()));
	const expected = Array.from(means[0]!, (_, c) => means.reduce((sum, mean) => sum + mean[c]!, 0) / 5);
	requireClose('mean', await norm.runningMean.data(), expected, ALLOWED);
	assert.is(await norm.buffer('num_batches_tracked').item(), 5);
});

const { ExponentialLR, SWALR } = optim.lrScheduler;
const RATES: Readonly<Record<keyof typeof results.rates, (o: optim.SGD) => optim.lrScheduler.SWALR>> = {
	SWALR: (o) => new SWALR(o, 0.05),
	'SWALR linear': (o) => new SWALR(o, [0.05, 0.001], { annealEpochs: 7, annealStrategy: 'linear' }),
	'SWALR at once': (o) => new SWALR(o, 0.05, { annealEpochs: 0 }),
};

for (const [name, make] of Object.entries(RATES)) {
	test(`${name} takes over from another schedule at PyTorch's rates`, () => {
		const groups = [{ params: [zeros([1])] }, { params: [zeros([1])], lr: 0.02 }];
		const optimizer = new optim.SGD(groups, { lr: 0.1 });
		const decay = new ExponentialLR(optimizer, 0.9);
		const scheduler = make(optimizer);
		for (const [step, rates] of results.rates[name as keyof typeof RATES].entries()) {
			requireClose(
				`step ${step}`,
				optimizer.paramGroups.map(({ lr }) => lr),
				rates,
				{ relative: 1e-12, absolute: 1e-15 },
			);
			(step < 5 ? decay : scheduler).step();
		}
	});
}

test('wrong calls are refused', () => {
	const optimizer = new optim.SGD([zeros([1])], { lr: 0.1 });
	assert.throws(
		() => new SWALR(optimizer, 0.05, { annealStrategy: 'step' as 'cos' }),
		/annealStrategy must be 'cos' or 'linear'/,
	);
	assert.throws(() => new SWALR(optimizer, [0.05, 0.1]), /swaLr has 2 values for 1 parameter groups/);
	assert.throws(
		() => new optim.AveragedModel(new nn.Linear(2, 2)).updateParameters(new nn.Linear(2, 3)),
		/the model must have the parameters of the first one/,
	);
});

test.run();
