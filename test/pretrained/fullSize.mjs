#!/usr/bin/env node
/**
 * Compares models of full size with PyTorch, outside of the tests because they take a gigabyte and minutes:
 *
 *     python3 test/pretrained/fullSize.py /tmp/full && node build.mjs library && node test/pretrained/fullSize.mjs /tmp/full [--device webgpu] [NAME...]
 *
 * For each model: its parameters, the largest difference of its output from PyTorch's, whether the likeliest tokens are equal, and the time to
 * load it. Exits with 1 if a difference is above 1e-4 or a token differs.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { init, noGrad, tensor } from 'wgrad';
import { BertModel, fromPretrained, WhisperForConditionalGeneration } from 'wgrad/models';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { device: { type: 'string', default: 'cpu' } } });
const [folder, ...only] = positionals;
if (folder === undefined) throw new Error('pass the folder that fullSize.py has written');
await init({ device: /** @type {'cpu' | 'webgpu'} */ (values.device) });

/** @typedef {{ shape: number[]; values: number[] }} Input */

/** @type {(input: Input, isInteger?: boolean) => import('wgrad').Tensor} */
const given = ({ shape, values }, isInteger) =>
	tensor(isInteger ? Int32Array.from(values) : Float32Array.from(values), { shape });

/**
 * The tensors that fullSize.py has written as output, one after another.
 *
 * @param {any} model
 * @param {[Input, Input]} inputs
 * @returns {import('wgrad').Tensor[]}
 */
function outputsOf(model, inputs) {
	if (model instanceof BertModel) {
		const [tokens, attentionMask] = [given(inputs[0], true), given(inputs[1], true)];
		const { lastHiddenState, poolerOutput } = model.forward(tokens, { attentionMask });
		return [
			lastHiddenState.mul(attentionMask.unsqueeze(2)),
			/** @type {any} */ (poolerOutput),
			model.embed(tokens, { attentionMask }),
		];
	}
	if (model instanceof WhisperForConditionalGeneration)
		return [model.forward(model.features(inputs[0].values), given(inputs[1], true))];
	return [model.forward(given(inputs[0], inputs[0].shape.length === 2))];
}

/**
 * @param {any} model
 * @param {[Input]} inputs
 * @param {number} count
 */
async function generated(model, [first], count) {
	const tokens = [];
	const isSpeech = model instanceof WhisperForConditionalGeneration;
	const steps = model.generate(isSpeech ? model.features(first.values) : first.values, { maxNewTokens: count });
	for await (const token of steps) tokens.push(token);
	return tokens;
}

let failed = false;
for (const name of readdirSync(folder).filter((each) => only.length === 0 || only.includes(each))) {
	/** @type {{ inputs: [Input, Input]; output: number[]; greedy?: number[] }} */
	const { inputs, output, greedy } = JSON.parse(readFileSync(join(folder, name, 'expected.json'), 'utf8'));
	const start = performance.now();
	const { model } = await fromPretrained(join(folder, name));
	const seconds = (performance.now() - start) / 1000;
	const count = model.parameters().reduce((sum, { size }) => sum + size, 0);
	const parts = await Promise.all(noGrad(() => outputsOf(model, inputs)).map((tensor) => tensor.data()));
	const actual = parts.flatMap((part) => Array.from(part));
	if (actual.length !== output.length) throw new Error(`${name}: ${actual.length} numbers instead of ${output.length}`);
	const most = output.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (actual[i] ?? Number.NaN))), 0);
	const largest = output.reduce((best, value) => Math.max(best, Math.abs(value)), 0);
	let tokens = '';
	if (greedy !== undefined) {
		const own = await generated(model, [inputs[0]], greedy.length);
		const isEqual = own.join() === greedy.join();
		tokens = isEqual ? `, ${greedy.length} tokens equal` : `, tokens ${own} instead of ${greedy}`;
		failed ||= !isEqual;
	}
	failed ||= !(most <= 1e-4);
	console.log(
		`${name}: ${count.toLocaleString('en')} parameters, ${output.length.toLocaleString('en')} outputs up to ${largest.toFixed(2)}, largest difference ${most.toExponential(1)}${tokens}; loaded in ${seconds.toFixed(1)} s`,
	);
	for (const parameter of model.parameters()) parameter.dispose();
}
process.exit(failed ? 1 : 0);
