/** A history and options that have everything, hostile text included. */
import { nn } from 'wgrad';
import type { History, ReportOptions } from 'wgrad/train';

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
