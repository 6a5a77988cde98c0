/** The network of the example in Node and on the page. Reaches 98 % on MNIST after one epoch. */
import { nn } from 'wgrad';

/** Maps images [N, 1, 28, 28] to logits [N, 10] with one convolution, one pooling and two fully connected layers. */
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
