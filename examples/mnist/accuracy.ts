import { crossEntropy, type Device, type nn } from 'wgrad';
import type { Dataset } from 'wgrad/data';
import { Accuracy } from 'wgrad/metrics';
import { evaluate } from 'wgrad/train';

/** The accuracy of a classifier on `data`, in percent. */
export async function accuracyOf(model: nn.Module, data: Dataset, device: Device): Promise<number> {
	const found = await evaluate(model, data, {
		loss: crossEntropy,
		metrics: { accuracy: new Accuracy() },
		batchSize: 500,
		device,
	});
	return 100 * found.accuracy!;
}
