/** A deeper network for small images: Conv 32, 64, 64, Linear 64. */
import { nn } from 'wgrad';

interface DeepCnnOptions {
	/** Channels of the images. Default 1. */
	readonly channels?: number;
	/** Height and width of the images. Default 28. */
	readonly side?: number;
	readonly classes?: number;
	/** Add batch normalisation after each convolution. Default false. */
	readonly batchNorm?: boolean;
	/** Dropout probability before the last layer. Default 0. */
	readonly dropout?: number;
}

/** Maps images [N, channels, side, side] to logits [N, classes]. */
export function deepCnn(options: DeepCnnOptions = {}): nn.Sequential {
	const { channels = 1, side = 28, classes = 10, batchNorm = false, dropout = 0 } = options;
	const convolution = (inputs: number, outputs: number) => [
		new nn.Conv2d(inputs, outputs, 3, { bias: !batchNorm }),
		...(batchNorm ? [new nn.BatchNorm2d(outputs)] : []),
		new nn.ReLU(),
	];
	// Each convolution removes a pixel at every edge; each pooling halves the size.
	const left = Math.floor((Math.floor((side - 2) / 2) - 2) / 2) - 2;
	return new nn.Sequential(
		...convolution(channels, 32),
		new nn.MaxPool2d(2),
		...convolution(32, 64),
		new nn.MaxPool2d(2),
		...convolution(64, 64),
		new nn.Flatten(),
		new nn.Linear(64 * left * left, 64),
		new nn.ReLU(),
		...(dropout > 0 ? [new nn.Dropout(dropout)] : []),
		new nn.Linear(64, classes),
	);
}
