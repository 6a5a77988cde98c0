/** A history and options with everything that a report can show, including hostile text. */
import { crossEntropy, manualSeed, nn, optim, randn, tensor } from 'wgrad';
import { Accuracy, ConfusionMatrix } from 'wgrad/metrics';
import { evaluate, fit, type History, type ReportOptions } from 'wgrad/train';

export const HOSTILE = `</script><script>alert(1)</script>"'&<img src=x onerror=alert(2)>`;

export const history: History = {
	epochs: Array.from({ length: 12 }, (_, i) => ({
		epoch: i + 1,
		step: 100 * (i + 1),
		loss: 2.3 / (i + 1),
		valLoss: i === 3 ? Number.NaN : 2.5 / (i + 1),
		accuracy: 1 - 0.9 / (i + 1),
		valAccuracy: 1 - 0.95 / (i + 1),
		[`<b>${HOSTILE}`]: i,
		lr: 0.1 ** (1 + i / 4),
		seconds: 1.5,
	})),
	settings: { loss: 'crossEntropy', [HOSTILE]: HOSTILE, batchSize: 64, seed: 7, device: 'cpu' },
	steps: 1200,
	stoppedEarly: true,
	stopReason: `valLoss did not improve ${HOSTILE}`,
	seconds: 3725,
};

// One red pixel.
const PNG = Uint8Array.from(
	atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='),
	(character) => character.charCodeAt(0),
);

export const options: ReportOptions = {
	title: `Run 1 ${HOSTILE}`,
	notes: ['First note', HOSTILE],
	model: new nn.Sequential(new nn.Linear(4, 8, { device: 'cpu' }), new nn.ReLU(), new nn.Linear(8, 3, { device: 'cpu' })),
	inputShape: [2, 4],
	settings: { augmentation: null },
	confusionMatrix: [
		[8, 2, 0],
		[1, 9, 0],
		[0, 5, 0],
	],
	classNames: ['cat', 'dog', HOSTILE],
	images: [{ source: PNG, caption: `Samples ${HOSTILE}` }],
	environment: { host: HOSTILE },
};

/** A short run on three clouds of points, with everything that its report needs. */
export async function shortRun(): Promise<{ history: History; options: ReportOptions }> {
	manualSeed(1);
	const device = 'cpu';
	const labels = Array.from({ length: 90 }, (_, i) => i % 3);
	const centres = tensor(
		labels.map((label) => [2 * label - 2, label === 1 ? 2 : -1]),
		{ device },
	);
	const x = centres.add(randn([90, 2], { device }).mul(0.7));
	const y = tensor(labels, { dtype: 'int32', device });
	const model = new nn.Sequential(new nn.Linear(2, 16, { device }), new nn.ReLU(), new nn.Linear(16, 3, { device }));
	const optimizer = new optim.Adam(model.parameters(), { lr: 0.05 });
	const scheduler = new optim.lrScheduler.CosineAnnealingLR(optimizer, 6);
	const run = await fit(model, [x, y], {
		loss: crossEntropy,
		optimizer,
		scheduler,
		epochs: 6,
		batchSize: 16,
		validationSplit: 0.2,
		metrics: { accuracy: new Accuracy() },
		seed: 5,
		verbose: 0,
	});
	const { confusion } = await evaluate(model, [x, y], { metrics: { confusion: new ConfusionMatrix() }, loss: crossEntropy });
	return {
		history: run,
		options: {
			title: 'Three clouds',
			model,
			inputShape: [16, 2],
			confusionMatrix: confusion,
			classNames: ['left', 'top', 'right'],
		},
	};
}
