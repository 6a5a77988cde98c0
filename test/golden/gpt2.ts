/** GPT-2 with the weights of the golden file, and the training steps with PyTorch's losses. */
import { crossEntropy, type Device, type DType, io, optim, type Tensor, tensor, tidy } from 'wgrad';
import { Gpt } from '../../examples/gpt/model';
import golden from './gpt2.json';
import file from './gpt2.safetensors' with { type: 'bytes' };

export { file, golden };

/** The model of the golden file. */
export async function pretrained(device: Device, dtype: DType): Promise<Gpt> {
	const model = await new Gpt(golden.options).to(dtype).to(device);
	model.loadPretrained(io.loadSafetensors(file, { device }));
	return model;
}

export function tokensOf(rows: readonly (readonly number[])[], device: Device): Tensor {
	return tensor(Int32Array.from(rows.flat()), { shape: [rows.length, rows[0]!.length], device });
}

export interface TrainingResult {
	readonly losses: number[];
	/** Norms of the gradients before clipping. */
	readonly norms: number[];
	/** The sum of squares of each parameter at the end. */
	readonly squares: Record<string, number>;
}

/** Trains on one batch with AdamW, as gpt2.py does. */
export async function trainOnBatch(device: Device, dtype: DType): Promise<TrainingResult> {
	const model = await pretrained(device, dtype);
	const { tokens } = golden.training;
	const inputs = tokensOf(
		tokens.map((row) => row.slice(0, -1)),
		device,
	);
	const targets = tokensOf(
		tokens.map((row) => row.slice(1)),
		device,
	).reshape([-1]);
	const optimizer = new optim.AdamW(model.decayGroups(0.1), { lr: 1e-3, betas: [0.9, 0.99], eps: 1e-6 });
	const [losses, norms]: [number[], number[]] = [[], []];
	for (let step = 0; step < golden.training.losses.length; step++) {
		const [loss, norm] = tidy(() => {
			optimizer.zeroGrad();
			const result = crossEntropy(model.forward(inputs).reshape([-1, golden.options.vocabularySize]), targets);
			result.backward();
			const total = optim.clipGradNorm(model.parameters(), 1);
			optimizer.step();
			return [result.detach(), total] as const;
		});
		losses.push(await loss.item());
		norms.push(await norm.item());
	}
	const squares: Record<string, number> = {};
	for (const [name, parameter] of model.namedParameters()) squares[name] = await parameter.square().sum().item();
	return { losses, norms, squares };
}
