#!/usr/bin/env node
/** Classifies images of two classes in a folder. Without a folder, draws one of circles and squares. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readImageFolder } from 'wgrad/data';
import { type Goal, mustReach, number, program, run, startDevice, whole } from '../program';
import { makeFolder } from './synthetic';
import { type Result, type Settings, SIDE, train } from './training';

const F1_GOAL: Goal = { figure: 'F1 on circles and squares', atLeast: 0.95, digits: 3 };
const AUC_GOAL: Goal = { figure: 'AUC', atLeast: 0.98, digits: 3 };

interface Options extends Settings {
	readonly images?: string;
	readonly count: number;
}

const FALSE_POSITIVE_RATES = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];

/** Prints the best true positive rate at a few false positive rates, with its threshold. */
function printCurve({ fpr, tpr, thresholds }: Result['curve']): void {
	console.log('ROC curve\nfalse positives  true positives  threshold');
	for (const most of FALSE_POSITIVE_RATES) {
		const i = fpr.findLastIndex((rate) => rate <= most);
		const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
		console.log(`${percent(fpr[i]!).padStart(15)}  ${percent(tpr[i]!).padStart(14)}  ${thresholds[i]!.toFixed(3).padStart(9)}`);
	}
}

async function judge(folder: string, options: Options): Promise<void> {
	const images = await readImageFolder(folder, { size: SIDE, fit: 'cover', channels: 3, cache: true });
	if (images.classes.length !== 2) {
		throw new Error(`${folder}: two folders of images are needed, not ${images.classes.length}: ${images.classes.join(', ')}`);
	}
	console.log(`${images.length} images in ${folder}; positive: ${images.classes[1]}`);
	const result = await train(images, options);
	printCurve(result.curve);
	console.log(`precision ${result.precision.toFixed(3)}, recall ${result.recall.toFixed(3)}`);
	if (options.images !== undefined) {
		console.log(`F1 ${result.f1.toFixed(3)}, AUC ${result.auc.toFixed(3)}`);
		return;
	}
	mustReach(F1_GOAL, result.f1);
	mustReach(AUC_GOAL, result.auc);
}

const command = program('Tells two classes of images in a folder apart.', F1_GOAL, AUC_GOAL)
	.name('folder')
	.option('--images <folder>', 'has two folders of PNG or JPEG files (default: circles and squares, in a temporary folder)')
	.option('--count <n>', 'images of each class to make', whole(8), 600)
	.option('--epochs <n>', 'passes over the training images', whole(1), 12)
	.option('--batch-size <n>', 'images per step', whole(2), 32)
	.option('--lr <x>', "AdamW's learning rate at its highest: it rises and falls in one cycle", number(1e-9, 1000), 0.005);

await run<Options>(command, async (options) => {
	await startDevice(options.device);
	if (options.images !== undefined) return await judge(options.images, options);
	const folder = await mkdtemp(join(tmpdir(), 'wgrad-folder-'));
	try {
		await makeFolder(folder, options.count, options.seed);
		await judge(folder, options);
	} finally {
		await rm(folder, { recursive: true });
	}
});
