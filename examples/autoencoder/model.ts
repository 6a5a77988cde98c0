/** An autoencoder and a variational one, of fully connected layers. */
import { binaryCrossEntropyWithLogits, mseLoss, nn, randnLike, sigmoid, type Tensor } from 'wgrad';

const SIDE = 28;
const PIXELS = SIDE * SIDE;

interface Reconstruction {
	/** [N, 1, 28, 28], from 0 to 1. */
	readonly images: Tensor;
	/** The objective, averaged over the images. */
	readonly loss: Tensor;
}

function encoder(hidden: number, outputs: number): nn.Sequential {
	return new nn.Sequential(new nn.Flatten(), new nn.Linear(PIXELS, hidden), new nn.ReLU(), new nn.Linear(hidden, outputs));
}

/** Maps codes [N, latent] to the logits of pixels. */
function decoder(hidden: number, latent: number): nn.Sequential {
	return new nn.Sequential(
		new nn.Linear(latent, hidden),
		new nn.ReLU(),
		new nn.Linear(hidden, PIXELS),
		new nn.Unflatten(1, [1, SIDE, SIDE]),
	);
}

/** Compresses images of 784 pixels to a code of a few numbers and reconstructs them. The loss is the squared error per image. */
export class Autoencoder extends nn.Module {
	readonly encoder: nn.Sequential;
	readonly decoder: nn.Sequential;

	constructor(hidden: number, latent: number) {
		super();
		this.encoder = encoder(hidden, latent);
		this.decoder = decoder(hidden, latent);
	}

	override forward(input: Tensor): Reconstruction {
		const images = sigmoid(this.decoder.forward(this.encoder.forward(input)));
		return { images, loss: mseLoss(images, input, { reduction: 'sum' }).div(input.shape[0]!) };
	}
}

/**
 * The code of an image is a normal distribution close to the standard one, so that codes drawn from the standard one decode to new images.
 *
 * The loss is the -ELBO in nats, an upper bound of the negative log-likelihood of an image: the cross-entropy of the pixels plus the KL
 * divergence of the code's distribution from the standard normal one. Kingma and Welling 2014: "Auto-encoding variational Bayes".
 */
export class VariationalAutoencoder extends nn.Module {
	readonly encoder: nn.Sequential;
	readonly decoder: nn.Sequential;

	constructor(hidden: number, latent: number) {
		super();
		this.encoder = encoder(hidden, 2 * latent);
		this.decoder = decoder(hidden, latent);
	}

	override forward(input: Tensor): Reconstruction {
		const [mean, logVariance] = this.encoder.forward(input).chunk(2, 1) as [Tensor, Tensor];
		const code = mean.add(logVariance.mul(0.5).exp().mul(randnLike(mean)));
		const logits = this.decoder.forward(code);
		const error = binaryCrossEntropyWithLogits(logits, input, { reduction: 'sum' });
		const divergence = mean.square().add(logVariance.exp()).sub(logVariance).sub(1).mul(0.5).sum();
		return { images: sigmoid(logits), loss: error.add(divergence).div(input.shape[0]!) };
	}

	/** Decodes codes [N, latent] to images. */
	decode(codes: Tensor): Tensor {
		return sigmoid(this.decoder.forward(codes));
	}
}
