/** The networks of the example: a DCGAN-like generator and discriminator, and a judge that classifies digits. */
import { nn } from 'wgrad';

/**
 * Maps random numbers [N, latent] to images [N, 1, 28, 28] from -1 to 1. A small version of Radford et al. 2016: "Unsupervised
 * representation learning with deep convolutional generative adversarial networks".
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

/** Maps images to logits [N, 1]; positive means real. */
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

/** Maps images to logits [N, 10]. */
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
