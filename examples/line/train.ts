#!/usr/bin/env node
/**
 * Linear regression in four ways: fits a line to the points (1, 2), (2, 4), ... (5, 10).
 *
 * The loss is (2/N) times a quadratic in slope and intercept with curvatures 23.7 and 0.34, a factor of 70. The learning rate must stay
 * below 2/23.7, which makes the flat direction slow. Momentum speeds it up.
 */
import { type Device, manualSeed, mseLoss, noGrad, optim, type Tensor, tensor, tidy } from 'wgrad';
import { DataLoader, TensorDataset } from 'wgrad/data';
import { type Goal, mustReach, program, run, startDevice, whole } from '../program';
import { type Line, newLine, predicted } from './model';

const GOAL: Goal = { figure: 'largest error of slope and intercept', atMost: 1e-3, digits: 6 };

interface Settings {
	readonly device: Device;
	readonly seed: number;
	readonly steps: number;
}

/** Gradient descent with autograd only: p <- p - lr * dLoss/dp. */
function byHand({ weight, bias }: Line, x: Tensor, y: Tensor, steps: number): void {
	const lr = 0.07;
	for (let step = 0; step < steps; step++) {
		tidy(() => {
			mseLoss(predicted({ weight, bias }, x), y).backward();
			noGrad(() => {
				for (const parameter of [weight, bias]) {
					parameter.sub_(parameter.grad!.mul(lr));
					parameter.grad!.zero_();
				}
			});
		});
	}
}

function byOptimizer({ weight, bias }: Line, x: Tensor, y: Tensor, steps: number, options: Partial<optim.SGDOptions>): void {
	const optimizer = new optim.SGD([weight, bias], options);
	for (let step = 0; step < steps; step++) {
		tidy(() => {
			optimizer.zeroGrad();
			mseLoss(predicted({ weight, bias }, x), y).backward();
			optimizer.step();
		});
	}
}

/** The points lie on a line, so the gradients of all mini-batches vanish together and the learning rate need not decay. */
async function byMiniBatches({ weight, bias }: Line, x: Tensor, y: Tensor, steps: number, seed: number): Promise<void> {
	const optimizer = new optim.SGD([weight, bias], { lr: 0.03 });
	const loader = new DataLoader(new TensorDataset(x, y), { batchSize: 2, shuffle: true, seed });
	for (let step = 0; step < steps; ) {
		for await (const [inputs, targets] of loader) {
			tidy(() => {
				optimizer.zeroGrad();
				mseLoss(predicted({ weight, bias }, inputs!), targets!).backward();
				optimizer.step();
			});
			inputs!.dispose();
			targets!.dispose();
			if (++step === steps) break;
		}
	}
}

async function main({ device, seed, steps }: Settings): Promise<void> {
	await startDevice(device);
	manualSeed(seed);
	const x = tensor([[1], [2], [3], [4], [5]]);
	const y = x.mul(2);
	const methods: [name: string, fit: (line: Line) => void | Promise<void>][] = [
		['gradient descent by hand', (line) => byHand(line, x, y, steps)],
		['SGD', (line) => byOptimizer(line, x, y, steps, { lr: 0.07 })],
		['SGD with momentum', (line) => byOptimizer(line, x, y, steps, { lr: 0.03, momentum: 0.9 })],
		['SGD on mini-batches of 2', (line) => byMiniBatches(line, x, y, steps, seed)],
	];
	let worst = 0;
	console.log(`${'method'.padEnd(26)}${'slope'.padStart(12)}${'intercept'.padStart(12)}`);
	for (const [name, fit] of methods) {
		const line = newLine();
		await fit(line);
		const [slope, intercept] = [await line.weight.item(), await line.bias.item()];
		worst = Math.max(worst, Math.abs(slope - 2), Math.abs(intercept));
		console.log(`${name.padEnd(26)}${slope.toFixed(6).padStart(12)}${intercept.toFixed(6).padStart(12)}`);
	}
	mustReach(GOAL, worst);
}

const command = program('Fits a line to x = 1..5, y = 2x, whose slope is 2 and intercept 0.', GOAL)
	.name('line')
	.option('--steps <n>', 'updates of each method', whole(1), 1500);
await run<Settings>(command, main);
