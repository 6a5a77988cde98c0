/** Reads an image from top to bottom: a small convolutional network per band of rows, and an LSTM over the bands. */
import { nn, type Tensor, tidy } from 'wgrad';
import { SIDE } from '../mnist/images';

interface RowsOptions {
	/** Rows per band; must divide 28. 1 gives the LSTM one row at a time. */
	readonly band: number;
	/** Channels of the convolution. */
	readonly channels: number;
	/** Units of the LSTM. */
	readonly hidden: number;
}

export class RowClassifier extends nn.Module {
	readonly bands: nn.TimeDistributed;
	readonly recurrent: nn.LSTM;
	readonly output: nn.Linear;

	constructor(readonly options: RowsOptions) {
		super();
		const { band, channels, hidden } = options;
		if (SIDE % band !== 0) throw new Error(`bands of ${band} rows do not divide an image of ${SIDE}`);
		this.bands = new nn.TimeDistributed(
			new nn.Sequential(
				new nn.Conv2d(1, channels, [band === 1 ? 1 : 3, 3], { padding: [band === 1 ? 0 : 1, 1] }),
				new nn.ReLU(),
				new nn.MaxPool2d([1, 2]),
				new nn.Flatten(),
			),
		);
		this.recurrent = new nn.LSTM((channels * band * SIDE) / 2, hidden, { batchFirst: true });
		this.output = new nn.Linear(hidden, 10);
	}

	/** Maps images [N, 1, 28, 28] to logits [N, 10]. */
	override forward(images: Tensor): Tensor {
		return tidy(() => {
			const { band } = this.options;
			const features = this.bands.forward(images.reshape([-1, SIDE / band, 1, band, SIDE]));
			const [, [last]] = this.recurrent.forward(features);
			return this.output.forward(last.select(0, -1));
		});
	}
}
