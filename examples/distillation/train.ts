#!/usr/bin/env node
/**
 * Trains small networks on few images of MNIST with the outputs of a network that has seen all of them, and compares each with the same
 * network trained only on the classes.
 *
 * The outputs help in a long training, in which the classes of so few images are soon learnt. In a short one the classes alone teach faster.
 */
import { concat, crossEntropy, type Device, manualSeed, nn, noGrad, optim, type Tensor, tidy } from 'wgrad';
import { DataLoader, TensorDataset } from 'wgrad/data';
import { fit } from 'wgrad/train';
import { trainedDigits } from '../digits/training';
import { accuracyOf } from '../mnist/accuracy';
import { Mnist } from '../mnist/data';
import { mnistDataset, NORMALISED } from '../mnist/dataset';
import { type Goal, mustReach, number, program, run, startDevice, whole } from '../program';
import { smallCnn } from './model';

const GOAL: Goal = { figure: 'mean gain in test accuracy by the teacher', atLeast: 1, unit: 'points' };

const TEACHER_BATCH = 250;

interface Options {
	readonly digits?: string;
	readonly teacherImages: number;
	readonly teacherEpochs: number;
	readonly images: number;
	readonly testImages: number;
	readonly students: number;
	readonly epochs: number;
	readonly temperature: number;
	readonly alpha: number;
	readonly lr: number;
	readonly seed: number;
	readonly device: Device;
}

type Loss = (logits: Tensor, teacher: Tensor, classes: Tensor) => Tensor;

async function train(options: Options): Promise<void> {
	const { teacherImages, teacherEpochs, images, testImages, students, epochs, temperature, alpha, lr, seed, device } = options;
	await startDevice(device);
	const teacher = await trainedDigits({ ...options, images: teacherImages, epochs: teacherEpochs });
	teacher.eval();
	const { images: x, labels: y } = new Mnist('train').batch(
		Array.from({ length: images }, (_, i) => i),
		device,
	);
	const outputs = noGrad(() => tidy(() => concat(x.split(TEACHER_BATCH).map((some) => teacher.forward(some)))));
	const data = new TensorDataset(x, y, outputs);
	const tests = mnistDataset('t10k', { limit: testImages, ...NORMALISED });
	console.log(`teacher: ${(await accuracyOf(teacher, tests, device)).toFixed(2)} %`);

	const taught = async (seed: number, loss: Loss) => {
		manualSeed(seed);
		const model = smallCnn();
		await fit(model, new DataLoader(data, { batchSize: 64, shuffle: true, seed, device }), {
			trainStep: (network, [x, y, outputs]) => loss((network as nn.Sequential).forward(x!), outputs!, y!),
			optimizer: new optim.Adam(model.parameters(), { lr }),
			epochs,
			seed,
			verbose: 0,
		});
		return accuracyOf(model, tests, device);
	};
	const distillation = new nn.DistillationLoss({ temperature, alpha });
	const gains: number[] = [];
	for (let i = 1; i <= students; i++) {
		const alone = await taught(seed + i, (logits, _, classes) => crossEntropy(logits, classes));
		const distilled = await taught(seed + i, (...inputs) => distillation.forward(...inputs));
		gains.push(distilled - alone);
		console.log(`student ${i}: ${alone.toFixed(2)} % by classes, ${distilled.toFixed(2)} % by the teacher`);
	}
	mustReach(GOAL, gains.reduce((sum, gain) => sum + gain, 0) / students);
}

const command = program('Teaches small networks on few images by the outputs of a larger one.', GOAL)
	.name('distillation')
	.option('--digits <file>', 'the weights of the teacher (npm start; default: train it first)')
	.option('--teacher-images <n>', 'images that the teacher learns from', whole(64, 60_000), 60_000)
	.option('--teacher-epochs <n>', 'passes over them', whole(1), 2)
	.option('--images <n>', 'images that the students learn from', whole(64, 60_000), 2000)
	.option('--test-images <n>', 'test images', whole(1, 10_000), 10_000)
	.option('--students <n>', 'students of each kind, with different seeds', whole(1), 5)
	.option('--epochs <n>', 'passes over the images of the students', whole(1), 30)
	.option('--temperature <x>', 'divides the logits', number(1e-6), 4)
	.option('--alpha <x>', 'weight of the classes', number(0, 1), 0.3)
	.option('--lr <x>', "Adam's learning rate", number(0), 0.003);
await run<Options>(command, train);
