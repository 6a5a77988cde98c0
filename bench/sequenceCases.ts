/** Training steps of sequence models. */
import { crossEntropy, mseLoss, nn, optim, randint, randn } from 'wgrad';
import { Gpt, type GptOptions, stepFlops } from '../examples/gpt/model';
import { DEFAULTS } from '../examples/gpt/settings';
import type { Case } from './cases';

/** The number of distinct characters in Moby Dick. */
const CHARACTERS = 83;

/** A step with AdamW, decay groups and clipped gradients, as the example trains. */
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

/** A step with Adam of an LSTM that predicts a number at every time step. */
function lstm({
	layers,
	hidden,
	steps,
	batch,
	inputs,
}: Record<'layers' | 'hidden' | 'steps' | 'batch' | 'inputs', number>): Case {
	const [first, later] = [inputs * hidden, hidden * hidden];
	// Products: all of them forward; backward those of the weights, and those of states and inputs except the first layer's.
	const products = 2 * (first + (2 * layers - 1) * later) + (2 * layers - 1) * later;
	return {
		name: `training step, LSTM ${layers}x${hidden}, ${batch}x${steps}x${inputs}`,
		family: 'training',
		flops: 2 * 4 * steps * batch * products,
		slowReference: true,
		prepare: (device) => {
			const layer = new nn.LSTM(inputs, hidden, { numLayers: layers }).to(device) as nn.LSTM;
			const output = new nn.Linear(hidden, 1).to(device) as nn.Linear;
			const optimizer = new optim.Adam([...layer.parameters(), ...output.parameters()], { lr: 1e-3 });
			const [x, target] = [randn([steps, batch, inputs], { device }), randn([steps, batch, 1], { device })];
			return () => {
				optimizer.zeroGrad();
				mseLoss(output.forward(layer.forward(x)[0]), target).backward();
				optimizer.step();
			};
		},
	};
}

export const sequenceCases: readonly Case[] = [
	gpt('GPT 2x128, 4 heads, 8x128 tokens', { vocabularySize: 65, context: 128, width: 128, layers: 2, heads: 4 }, 8, [2470, 2070]),
	gpt(
		`GPT of examples/gpt, ${DEFAULTS.batchSize}x${DEFAULTS.context} tokens`,
		{ ...DEFAULTS, vocabularySize: CHARACTERS },
		DEFAULTS.batchSize,
	),
	lstm({ layers: 2, hidden: 128, steps: 64, batch: 32, inputs: 64 }),
];
