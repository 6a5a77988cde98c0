/** How the small trainings of the models' tests go: the loop that the example programs have, without what they print. */
import { init, noGrad, optim, type Tensor, tidy } from 'wgrad';
import { findLavapipe } from '../../adapters/driver.mjs';

/**
 * Starts the adapter at hand. False where the models should not learn, because lavapipe is installed and takes a quarter of the time:
 * the kernels are proven on every adapter elsewhere.
 */
export async function startToLearn(): Promise<boolean> {
	const { adapter } = await init({ device: 'webgpu' });
	return !adapter?.description.includes('SwiftShader') || findLavapipe() === undefined;
}

/** Takes `steps` steps of AdamW with a learning rate that rises to `lr` and falls again. `draw` makes a batch, `lossOf` its loss. */
export async function learn<Batch>(
	parameters: Tensor[],
	{ steps, lr }: { readonly steps: number; readonly lr: number },
	draw: (step: number) => Batch | Promise<Batch>,
	lossOf: (batch: Batch) => Tensor,
): Promise<void> {
	const optimizer = new optim.AdamW(parameters, { lr, weightDecay: 0 });
	const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, lr, { totalSteps: steps });
	for (let step = 0; step < steps; step++) {
		const batch = await draw(step);
		tidy(() => {
			optimizer.zeroGrad();
			lossOf(batch).backward();
			optimizer.step();
			scheduler.step();
		});
	}
}

/** The share of rows of which the likeliest class is the label. */
export async function accuracyOf(logits: () => Tensor, labels: Tensor): Promise<number> {
	using share = noGrad(() => tidy(() => logits().argmax(1).eq(labels).to('float32').mean()));
	return await share.item();
}
