/** Training steps of models of sequences. */
import { crossEntropy, optim, randint } from 'wgrad';
import { Gpt, type GptOptions, stepFlops } from '../examples/gpt/model';
import type { Case } from './cases';

/** AdamW's step with decay groups and clipped gradients, as the example trains. */
function gpt(name: string, options: GptOptions, batch: number, others?: readonly [number, number]): Case {
	return {
		name: `training step, ${name}`,
		family: 'training',
		flops: stepFlops(options, batch),
		slowReference: true,
		...(others === undefined ? {} : { others }),
		prepare: (device) => {
			const model = new Gpt(options).to(device) as Gpt;
			const optimizer = new optim.AdamW(model.decayGroups(0.1), { lr: 1e-3, betas: [0.9, 0.99] });
			const tokens = randint(0, options.vocabularySize, [batch, options.context], { device });
			return () => {
				optimizer.zeroGrad();
				crossEntropy(model.forward(tokens).reshape([-1, options.vocabularySize]), tokens.reshape([-1])).backward();
				optim.clipGradNorm(model.parameters(), 1);
				optimizer.step();
			};
		},
	};
}

export const sequenceCases: readonly Case[] = [
	gpt('GPT 2x128, 4 heads, 8x128 tokens', { vocabularySize: 65, context: 128, width: 128, layers: 2, heads: 4 }, 8, [2470, 2070]),
];
