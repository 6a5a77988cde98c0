#!/usr/bin/env node
/** Trains a small network on MNIST with the outputs of a larger one, and compares it with the same network trained only on the classes. */
import { crossEntropy, type Device, manualSeed, nn, noGrad, optim, type Tensor } from 'wgrad';
import { DataLoader } from 'wgrad/data';
import { fit } from 'wgrad/train';
import { accuracyOf } from '../mnist/accuracy';
import { mnistDataset } from '../mnist/dataset';
import { mnistCnn } from '../mnist/model';
import { type Goal, mustReach, number, program, run, startDevice, whole } from '../program';

const GOAL: Goal = { figure: 'test accuracy of the distilled student', atLeast: 90, unit: '%' };

interface Options {
	readonly images: number;
	readonly testImages: number;
	readonly epochs: number;
	readonly temperature: number;
	readonly alpha: number;
	readonly lr: number;
	readonly seed: number;
	readonly device: Device;
}

/** Maps images [N, 1, 28, 28] to logits [N, 10] with 3,098 parameters; the teacher has 693,962. */
function smallCnn(): nn.Sequential {
	return new nn.Sequential(
		new nn.Conv2d(1, 8, 5, { stride: 2 }),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Flatten(),
		new nn.Linear(8 * 6 * 6, 10),
	);
}

async function train(options: Options): Promise<void> {
	const { images, testImages, epochs, temperature, alpha, lr, seed, device } = options;
	await startDevice(device);
	const data = mnistDataset('train', { limit: images });
	const tests = mnistDataset('t10k', { limit: testImages });
	const loader = () => new DataLoader(data, { batchSize: 64, shuffle: true, seed, device });
	const learn = (model: nn.Sequential, loss: (model: nn.Module, x: Tensor, y: Tensor) => Tensor) =>
		fit(model, loader(), {
			trainStep: (network, [x, y]) => loss(network, x!, y!),
			optimizer: new optim.Adam(model.parameters(), { lr }),
			epochs,
			seed,
		});
	const forward = (model: nn.Module, x: Tensor) => (model as nn.Sequential).forward(x);
	const byClasses = (model: nn.Module, x: Tensor, y: Tensor) => crossEntropy(forward(model, x), y);

	manualSeed(seed);
	const teacher = mnistCnn();
	await learn(teacher, byClasses);
	teacher.eval();
	const distillation = new nn.DistillationLoss({ temperature, alpha });
	const students = ['by classes', 'by the teacher'].map(() => {
		manualSeed(seed + 1);
		return smallCnn();
	}) as [nn.Sequential, nn.Sequential];
	await learn(students[0], byClasses);
	await learn(students[1], (model, x, y) =>
		distillation.forward(
			forward(model, x),
			noGrad(() => teacher.forward(x)),
			y,
		),
	);
	const size = (model: nn.Module) =>
		model
			.parameters()
			.reduce((sum, parameter) => sum + parameter.size, 0)
			.toLocaleString('en');
	const [taught, alone, distilled] = [
		await accuracyOf(teacher, tests, device),
		await accuracyOf(students[0], tests, device),
		await accuracyOf(students[1], tests, device),
	];
	console.log(`teacher, ${size(teacher)} parameters: ${taught.toFixed(2)} %`);
	console.log(
		`student, ${size(students[0])} parameters: ${alone.toFixed(2)} % by classes, ${distilled.toFixed(2)} % by the teacher`,
	);
	mustReach(GOAL, distilled);
}

const command = program('Teaches a small network on MNIST by the outputs of a larger one.', GOAL)
	.name('distillation')
	.option('--images <n>', 'training images', whole(64, 60_000), 60_000)
	.option('--test-images <n>', 'test images', whole(1, 10_000), 10_000)
	.option('--epochs <n>', 'passes over the training images, for each network', whole(1), 3)
	.option('--temperature <x>', 'divides the logits', number(1e-6), 4)
	.option('--alpha <x>', 'weight of the classes', number(0, 1), 0.3)
	.option('--lr <x>', "Adam's learning rate", number(0), 0.002);
await run<Options>(command, train);
