/** The classifier, and the layers that the page looks into. */
import { nn } from 'wgrad';
import { CLASSES } from './data';

/** The layers that the page shows: the first one's filters, its activations, and the last feature maps, which Grad-CAM reads. */
export const LAYERS = { filters: '0', activations: '1', maps: '7' } as const;

/** Maps images [N, 3, 32, 32] to logits [N, 5]: three convolutions, and one fully connected layer. */
export function classifier(): nn.Sequential {
	return new nn.Sequential(
		new nn.Conv2d(3, 16, 5, { padding: 2 }),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Conv2d(16, 32, 3, { padding: 1 }),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Conv2d(32, 32, 3, { padding: 1 }),
		new nn.ReLU(),
		new nn.Flatten(),
		new nn.Linear(32 * 8 * 8, CLASSES.length),
	);
}
