/** The training loop of the models' tests: that of the example programs, without output. */
import { noGrad, optim, type Tensor, tidy } from 'wgrad';

/**
 * Takes `steps` steps of AdamW with a learning rate that rises to `lr` and falls again. `draw` makes a batch, `deviceLossOf` its loss.
 */
export async function learn<Batch>(
	parameters: Tensor[],
	{ steps, lr }: { readonly steps: number; readonly lr: number },
	draw: (step: number) => Batch | Promise<Batch>,
	deviceLossOf: (batch: Batch) => Tensor,
): Promise<void> {
	const optimizer = new optim.AdamW(parameters, { lr, weightDecay: 0 });
	const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, lr, { totalSteps: steps });
	for (let step = 0; step < steps; step++) {
		const batch = await draw(step);
		tidy(() => {
			optimizer.zeroGrad();
			deviceLossOf(batch).backward();
			optimizer.step();
			scheduler.step();
		});
	}
}

/** The share of rows with the label as their likeliest class. */
export async function accuracyOf(logits: () => Tensor, labels: Tensor): Promise<number> {
	using share = noGrad(() => tidy(() => logits().argmax(1).eq(labels).to('float32').mean()));
	return await share.item();
}
