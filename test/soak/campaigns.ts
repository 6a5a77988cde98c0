/**
 * The campaigns of `npm run soak`, by name. Those that compute on a device run on every adapter of `run.mjs`, the others once.
 */
import { init } from 'wgrad';
import { compareProgram } from '../random/programs';
import { makeWrongCalls } from '../random/wrong';
import { below, type Campaign, type Random } from './campaign';
import { damagedCheckpoints, forgedCheckpoints } from './checkpoints';
import { images } from './images';
import { damagedKeras } from './keras';
import { killedRuns } from './killedRuns';
import { longLoop } from './loops';
import { lostDevices } from './lost';
import { damagedOnnx } from './onnx';
import { outOfMemory } from './outOfMemory';
import { damagedPyTorch } from './pytorch';
import { changedSafetensors } from './safetensors';
import { tables } from './tables';
import { workers } from './workers';
import { writers } from './writers';

export interface Entry {
	readonly campaign: Campaign;
	/** Whether it computes on a WebGPU device. */
	readonly onDevice: boolean;
}

/** A seed for code with its own random numbers. */
const seed = (random: Random) => below(random, 2 ** 31);

async function wrongCalls(random: Random, deadline: number) {
	let rounds = 0;
	do await makeWrongCalls('webgpu', 1, seed(random));
	while (++rounds && performance.now() < deadline);
	return { rounds };
}

async function randomPrograms(random: Random, deadline: number) {
	let programs = 0;
	do await compareProgram(seed(random));
	while (++programs && performance.now() < deadline);
	return { programs };
}

const onHost = (campaign: Campaign): Entry => ({ campaign, onDevice: false });
const onDevice = (campaign: Campaign): Entry => ({
	campaign: async (random, deadline) => {
		await init({ device: 'webgpu' });
		return campaign(random, deadline);
	},
	onDevice: true,
});

export const CAMPAIGNS: Readonly<Record<string, Entry>> = {
	writers: onHost(writers),
	workers: { campaign: workers, onDevice: true },
	'killed runs': onHost(killedRuns),
	'changed safetensors': onHost(changedSafetensors),
	'damaged PyTorch files': onHost(damagedPyTorch),
	'damaged Keras files': onHost(damagedKeras),
	'damaged ONNX files': onHost(damagedOnnx),
	'damaged checkpoints': onHost(damagedCheckpoints),
	'forged checkpoints': onHost(forgedCheckpoints),
	'lost devices': { campaign: lostDevices, onDevice: true },
	'out of memory': { campaign: outOfMemory, onDevice: true },
	images: onHost(images),
	tables: onHost(tables),
	'wrong calls': onDevice(wrongCalls),
	'random programs': onDevice(randomPrograms),
	'long loops': onDevice(longLoop),
};
