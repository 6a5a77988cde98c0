/** The deeper network for small images: Conv 32, 64, 64, Linear 64. */
import { nn } from 'wgrad';

export interface DeepCnnOptions {
	/** Channels of the images. Default 1. */
	readonly channels?: number;
	/** Their height and width. Default 28. */
	readonly side?: number;
	readonly classes?: number;
	/** Whether each convolution is normalised over the batch. Default false. */
	readonly batchNorm?: boolean;
	/** The part of the units before the last layer that training switches off. Default 0. */
	readonly dropout?: number;
}

/** [N, channels, side, side] images to [N, classes] logits. */
export function deepCnn(options: DeepCnnOptions = {}): nn.Sequential {
	const { channels = 1, side = 28, classes = 10, batchNorm = false, dropout = 0 } = options;
	const convolution = (inputs: number, outputs: number) => [
		new nn.Conv2d(inputs, outputs, 3, { bias: !batchNorm }),
		...(batchNorm ? [new nn.BatchNorm2d(outputs)] : []),
		new nn.ReLU(),
	];
	// Each convolution takes a pixel from every edge, each pooling halves what is left.
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
