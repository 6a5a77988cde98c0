/** The student of the example. */
import { nn } from 'wgrad';

/** Maps images [N, 1, 28, 28] to logits [N, 10] with 3,098 parameters; the teacher has 693,962. */
export function smallCnn(): nn.Sequential {
	return new nn.Sequential(
		new nn.Conv2d(1, 8, 5, { stride: 2 }),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Flatten(),
		new nn.Linear(8 * 6 * 6, 10),
	);
}
