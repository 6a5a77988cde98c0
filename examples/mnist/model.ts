/** The network of the example, in Node and on the page: 98 % of MNIST after one epoch. */
import { nn } from 'wgrad';

/** [N, 1, 28, 28] images to [N, 10] logits: one convolution, one pooling, two fully connected layers. */
export function mnistCnn(): nn.Sequential {
	return new nn.Sequential(
		new nn.Conv2d(1, 32, 3),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Flatten(),
		new nn.Linear(32 * 13 * 13, 128),
		new nn.ReLU(),
		new nn.Linear(128, 10),
	);
}
