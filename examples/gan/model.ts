/** The networks of the example: a generator and a discriminator after DCGAN, and a judge that knows digits. */
import { nn } from 'wgrad';

/**
 * [N, latent] random numbers to images [N, 1, 28, 28] from -1 to 1. Radford et al. 2016: "Unsupervised representation learning with
 * deep convolutional generative adversarial networks", small.
 */
export function generator(latent: number, width: number): nn.Sequential {
	return new nn.Sequential(
		new nn.Linear(latent, 2 * width * 7 * 7),
		new nn.BatchNorm1d(2 * width * 7 * 7),
		new nn.ReLU(),
		new nn.Unflatten(1, [2 * width, 7, 7]),
		new nn.ConvTranspose2d(2 * width, width, 4, { stride: 2, padding: 1 }),
		new nn.BatchNorm2d(width),
		new nn.ReLU(),
		new nn.ConvTranspose2d(width, 1, 4, { stride: 2, padding: 1 }),
		new nn.Tanh(),
	);
}

/** Images to [N, 1] logits: positive for those it takes for real. */
export function discriminator(width: number): nn.Sequential {
	return new nn.Sequential(
		new nn.Conv2d(1, width, 4, { stride: 2, padding: 1 }),
		new nn.LeakyReLU(0.2),
		new nn.Conv2d(width, 2 * width, 4, { stride: 2, padding: 1 }),
		new nn.LeakyReLU(0.2),
		new nn.Flatten(),
		new nn.Dropout(0.3),
		new nn.Linear(2 * width * 7 * 7, 1),
	);
}

/** Images to [N, 10] logits. */
export function judge(): nn.Sequential {
	return new nn.Sequential(
		new nn.Conv2d(1, 8, 3, { stride: 2, padding: 1 }),
		new nn.ReLU(),
		new nn.Conv2d(8, 16, 3, { stride: 2, padding: 1 }),
		new nn.ReLU(),
		new nn.Flatten(),
		new nn.Linear(16 * 7 * 7, 10),
	);
}
