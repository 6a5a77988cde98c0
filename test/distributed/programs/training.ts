/** Trains a convolutional network by global batches, of which each rank takes its part, and prints a digest of the parameters. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { crossEntropy, type Device, init, manualSeed, nn, optim, type Tensor, tensor, tidy } from 'wgrad';
import {
	DiLoCo,
	DistributedDataParallel,
	Float16Compression,
	initProcessGroup,
	loadCheckpoint,
	PowerSGDCompression,
	saveCheckpoint,
	TopKCompression,
	traffic,
} from 'wgrad/distributed';
import { Mnist } from '../../../examples/mnist/data';
import { mnistCnn } from '../../../examples/mnist/model';
import { drawFrom } from './draw';

export interface Training {
	readonly model: 'mnist' | 'small';
	readonly device?: Device;
	readonly steps: number;
	/** Default 0.05. */
	readonly lr?: number;
	readonly batch: number;
	readonly overlap?: boolean;
	/** Passes of accumulation a step. */
	readonly accumulate?: number;
	readonly compression?: 'float16' | 'topK' | 'powerSGD';
	readonly clip?: number;
	readonly bucketCapMb?: number;
	/** The checkpoint to go on from, if it is there, and to write every few steps. */
	readonly checkpoint?: string;
	readonly saveEvery?: number;
	/** Where rank 0 writes the parameters, as float32. */
	readonly out?: string;
	/** Average the parameters each so many steps, by DiLoCo with this rate and momentum, instead of the gradients. */
	readonly localSteps?: number;
	readonly outer?: readonly [lr: number, momentum: number];
	/** Print the number of the process. */
	readonly showPids?: boolean;
	/** Print the bytes that rank 0 gave to MPI. */
	readonly traffic?: boolean;
	/** Print the loss of each step. */
	readonly losses?: boolean;
}

/** The global batches. */
interface Source {
	batch(indices: Int32Array, device: Device): { images: Tensor; labels: Tensor };
	readonly length: number;
}

const compressions = {
	float16: () => new Float16Compression(),
	topK: () => new TopKCompression({ ratio: 0.1 }),
	powerSGD: () => new PowerSGDCompression({ matrixApproximationRank: 2 }),
};

export async function training(text: string): Promise<void> {
	const settings = JSON.parse(text) as Training;
	const { steps, batch, device = 'cpu', accumulate = 1, clip, checkpoint, saveEvery = 5 } = settings;
	const { rank, worldSize } = await initProcessGroup({ timeout: 60_000, agree: text });
	if (settings.showPids) process.stdout.write(`process of rank ${rank}: ${process.pid}\n`);
	await init({ device });
	// Only rank 0's parameters count.
	manualSeed(1 + rank);
	const source: Source = settings.model === 'mnist' ? new Mnist('train') : smallSource;
	const net = settings.model === 'mnist' ? mnistCnn() : smallNet();
	// Without dropout, whose masks have the form of the whole batch in one process.
	for (const module of net.modules()) if (module instanceof nn.Dropout) module.eval();
	const model = await DistributedDataParallel.wrap(net, {
		overlap: settings.overlap ?? true,
		bucketCapMb: settings.bucketCapMb ?? 25,
		compression: settings.compression === undefined ? null : compressions[settings.compression](),
	});
	const optimizer = new optim.SGD(model.parameters(), { lr: settings.lr ?? 0.05, momentum: 0.9 });
	let first = 0;
	if (checkpoint !== undefined) {
		const found = await loadCheckpoint(checkpoint, { model: net, optimizer }).catch((error: Error) => {
			if (/there is no checkpoint/.test(error.message)) return null;
			throw error;
		});
		if (found !== null) first = (found as { step: number }).step;
	}
	const [outerLr, outerMomentum] = settings.outer ?? [0.7, 0.9];
	const outer =
		settings.localSteps === undefined
			? null
			: await DiLoCo.start(net.parameters(), { innerSteps: settings.localSteps, outerLr, outerMomentum });
	const share = batch / worldSize / accumulate;
	const times: number[] = [];
	for (let step = first; step < steps; step++) {
		const start = performance.now();
		const draw = drawFrom(step);
		const indices = Int32Array.from({ length: batch }, () => draw.integer(0, source.length - 1));
		optimizer.zeroGrad();
		const pass = (part: number) =>
			tidy(() => {
				const at = (rank * accumulate + part) * share;
				const { images, labels } = source.batch(indices.slice(at, at + share), device);
				const loss = crossEntropy(model.forward(images) as Tensor, labels).div(accumulate);
				loss.backward();
				return loss.detach();
			});
		for (let part = 0; part < accumulate - 1; part++) model.noSync(() => pass(part)).dispose();
		const loss = outer === null ? pass(accumulate - 1) : model.noSync(() => pass(accumulate - 1));
		if (outer === null) await model.synchronize();
		if (clip !== undefined) tidy(() => optim.clipGradNorm(model.parameters(), clip));
		optimizer.step();
		await outer?.step();
		const value = await loss.item();
		if (settings.losses && rank === 0) console.log(`loss ${step} ${value}`);
		loss.dispose();
		times.push(performance.now() - start);
		if (checkpoint !== undefined && (step + 1) % saveEvery === 0) {
			await saveCheckpoint(checkpoint, { model: net, optimizer }, { extra: { step: step + 1 } });
			if (rank === 0) console.log(`saved ${step + 1}`);
		}
	}
	if (settings.traffic && rank === 0) console.log(`traffic of rank 0: ${traffic().bytes} bytes`);
	const values = await Promise.all(net.parameters().map((parameter) => parameter.data()));
	const digest = createHash('sha256');
	for (const value of values) digest.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
	console.log(`rank ${rank} of ${worldSize}: ${digest.digest('hex')} from step ${first}, ${median(times).toFixed(1)} ms a step`);
	if (settings.out !== undefined && rank === 0)
		writeFileSync(settings.out, Float32Array.from(values.flatMap((value) => [...(value as Float32Array)])));
}

function median(values: readonly number[]): number {
	return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function smallNet(): nn.Sequential {
	return new nn.Sequential(
		new nn.Conv2d(1, 4, 3),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Flatten(),
		new nn.Linear(36, 16),
		new nn.ReLU(),
		new nn.Linear(16, 10),
	);
}

/** 8 x 8 images with one bright row or column, which is the label. */
const smallSource: Source = {
	length: 1000,
	batch(indices, device) {
		const labels = Int32Array.from(indices, (index) => index % 10);
		const pixels = new Float32Array(indices.length * 64);
		for (const [n, index] of indices.entries()) {
			const draw = drawFrom(index);
			for (let i = 0; i < 64; i++) {
				const line = index % 10 < 8 ? i >> 3 : i & 7;
				pixels[n * 64 + i] = draw.integer(0, 7) / 16 + (line === index % 8 ? 1 : 0);
			}
		}
		return {
			images: tensor(pixels, { shape: [indices.length, 1, 8, 8], device }),
			labels: tensor(labels, { device }),
		};
	},
};
