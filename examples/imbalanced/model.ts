/** The network of the example. */
import { nn } from 'wgrad';
import { PIXELS } from '../mnist/images';

/** Maps images [N, 1, 28, 28] to logits [N, classes] by 64 hidden units. */
export function hiddenLayer(classes: number): nn.Sequential {
	return new nn.Sequential(new nn.Flatten(), new nn.Linear(PIXELS, 64), new nn.ReLU(), new nn.Linear(64, classes));
}
