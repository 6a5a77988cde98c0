/** The network of the example. */
import { nn } from 'wgrad';

/** Maps houses [N, features] to prices [N, 1] by 64 hidden units. */
export function priceNetwork(features: number): nn.Sequential {
	return new nn.Sequential(new nn.Linear(features, 64), new nn.ReLU(), new nn.Linear(64, 1));
}
