/** The network of the example. */
import { nn } from 'wgrad';
import { PIXELS } from '../mnist/images';

export interface Layers {
	/** Batch norm between a hidden layer and its ReLU. */
	readonly norm?: boolean;
	/** Dropout probabilities of the pixels and of the hidden layers' outputs. */
	readonly dropout?: readonly [pixels: number, hidden: number];
}

const HIDDEN = 128;

/** Maps images [N, 1, 28, 28] to logits [N, 10] by two hidden layers. */
export function network({ norm = false, dropout: [pixels, share] = [0, 0] }: Layers): nn.Sequential {
	const drop = (p: number) => (p > 0 ? [new nn.Dropout(p)] : []);
	const hidden = (inputs: number) => [
		new nn.Linear(inputs, HIDDEN),
		...(norm ? [new nn.BatchNorm1d(HIDDEN)] : []),
		new nn.ReLU(),
		...drop(share),
	];
	return new nn.Sequential(new nn.Flatten(), ...drop(pixels), ...hidden(PIXELS), ...hidden(HIDDEN), new nn.Linear(HIDDEN, 10));
}
