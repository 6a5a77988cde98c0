#!/usr/bin/env node
/**
 * Compares a small network with least squares on house prices, in 5-fold cross-validation.
 *
 * Fits scalers to the training folds only: the network must not learn the mean of the test fold.
 */
import { type Device, manualSeed, mseLoss, nn, noGrad, optim, type Tensor, tensor } from 'wgrad';
import { KFold, StandardScaler, TensorDataset } from 'wgrad/data';
import { r2Score } from 'wgrad/metrics';
import { fit, predict } from 'wgrad/train';
import { type Goal, mustReach, number, program, run, startDevice, whole } from '../program';
import { readHouses } from './data';
import { priceNetwork } from './model';

const GOAL: Goal = { figure: 'mean R2', atLeast: 0.84, digits: 4 };

interface Settings {
	readonly device: Device;
	readonly seed: number;
	readonly epochs: number;
	readonly folds: number;
	readonly reach: number;
}

interface Part {
	/** [N, 13]. */
	readonly x: Tensor;
	/** [N, 1], in thousands of dollars. */
	readonly y: Tensor;
}

/** Ordinary least squares: a linear layer has a quadratic loss, which L-BFGS minimizes in a few steps, in float64. */
async function leastSquares(train: Part, test: Part): Promise<Tensor> {
	const exact = async (values: Tensor) => (await values.to('cpu')).to('float64');
	const [x, y, questions] = [await exact(train.x), await exact(train.y), await exact(test.x)];
	const line = new nn.Linear(x.shape[1]!, 1, { dtype: 'float64', device: 'cpu' });
	const optimizer = new optim.LBFGS(line.parameters(), { lineSearchFn: 'strongWolfe', maxIter: 200, toleranceGrad: 1e-10 });
	await optimizer.step(async () => {
		optimizer.zeroGrad();
		const loss = mseLoss(line.forward(x), y);
		loss.backward();
		return loss;
	});
	return await noGrad(() => line.forward(questions))
		.to('float32')
		.to(test.x.device);
}

async function network(train: Part, test: Part, epochs: number): Promise<Tensor> {
	const model = priceNetwork(train.x.shape[1]!);
	const optimizer = new optim.Adam(model.parameters(), { lr: 0.01, weightDecay: 1e-3 });
	const steps = Math.ceil(train.x.shape[0]! / 32) * epochs;
	await fit(model, new TensorDataset(train.x, train.y), {
		loss: mseLoss,
		optimizer,
		scheduler: { scheduler: new optim.lrScheduler.CosineAnnealingLR(optimizer, steps), interval: 'step' },
		epochs,
		batchSize: 32,
		verbose: 0,
	});
	return predict(model, test.x, { batchSize: 512 });
}

async function main({ device, seed, epochs, folds, reach }: Settings): Promise<void> {
	await startDevice(device);
	manualSeed(seed);
	const { x, y } = await readHouses();
	const results: [mlp: number, line: number][] = [];
	for (const [train, test] of new KFold(folds, { shuffle: true, seed }).split(x.shape[0]!)) {
		const scaleX = new StandardScaler();
		const scaleY = new StandardScaler();
		const part = (indices: Int32Array) => [x, y].map((values) => values.indexSelect(0, tensor(indices)));
		const [trainX, trainY] = part(train);
		const [testX, testY] = part(test);
		const scaled = { x: await scaleX.fitTransform(trainX!), y: await scaleY.fitTransform(trainY!) };
		const questions = { x: scaleX.transform(testX!), y: testY! };
		const price = (prediction: Tensor) => r2Score(scaleY.inverseTransform(prediction), testY!);
		results.push([await price(await network(scaled, questions, epochs)), await price(await leastSquares(scaled, questions))]);
		const [mlp, line] = results.at(-1)!;
		console.log(`fold ${results.length}: R2 ${mlp.toFixed(4)}, least squares ${line.toFixed(4)}`);
	}
	const mean = (column: 0 | 1) => results.reduce((sum, result) => sum + result[column], 0) / results.length;
	console.log(`mean of ${folds} folds: R2 ${mean(0).toFixed(4)}, least squares ${mean(1).toFixed(4)}`);
	mustReach({ ...GOAL, atLeast: Math.max(reach, mean(1)) }, mean(0));
}

const command = program('Learns Boston house prices and reports R2 in cross-validation, beside that of least squares.', GOAL)
	.name('houses')
	.option('--epochs <n>', 'passes over the training folds', whole(1), 60)
	.option('--folds <n>', 'parts of the data, of which each is tested once', whole(2, 506), 5)
	.option('--reach <x>', 'the mean R2 that it must reach, besides that of least squares', number(-1, 1), GOAL.atLeast);
await run<Settings>(command, main);
