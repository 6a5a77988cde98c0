/** Removes pruned channels from a model, so that it becomes smaller and faster. */
import { noGrad } from '../../../autograd/modes';
import { WgradError } from '../../../core/errors';
import { Tensor } from '../../../tensor';
import { requireTensor } from '../../../tensorChecks';
import { tidy } from '../../../tidy';
import { type Module, requireModule } from '../../module';
import { summarize } from '../../summary';
import { prunedNames, remove } from '../prune';
import { type Chain, chainOf } from './chain';
import { findRemoval } from './constants';
import { producerOf } from './layers';
import { removeChannels } from './removal';
import { trace } from './trace';

/** The costs of one call on the example's shape. */
export interface SlimCosts {
	readonly parameters: number;
	readonly flops: number;
}

export interface SlimmedLayer {
	readonly path: string;
	readonly kind: string;
	/** Output channels before. */
	readonly channels: number;
	/** Output channels now. */
	readonly kept: number;
	/** The reason why pruned channels, or all channels, stay; null if all pruned channels are gone. */
	readonly reason: string | null;
}

/** The result of `slim`. As text, a table. */
export class SlimReport {
	constructor(
		readonly before: SlimCosts,
		readonly after: SlimCosts,
		readonly layers: readonly SlimmedLayer[],
	) {}

	toString(): string {
		const width = Math.max(0, ...this.layers.map(({ path, kind }) => `${path} (${kind})`.length));
		const rows = this.layers.map(({ path, kind, channels, kept, reason }) =>
			[`${`${path} (${kind})`.padEnd(width)}  ${kept} of ${channels} channels`, ...(reason === null ? [] : [reason])].join(': '),
		);
		const change = (name: 'parameters' | 'flops', label: string) =>
			`${label}: ${this.before[name].toLocaleString('en-US')} before, ${this.after[name].toLocaleString('en-US')} now`;
		return [...rows, change('parameters', 'parameters'), change('flops', 'FLOPs')].join('\n');
	}

	[Symbol.for('nodejs.util.inspect.custom')](): string {
		return this.toString();
	}
}

/** The allowed change of the outputs on the example, relative to the largest: float32 rounds. */
const ROUNDING = 1e-5;

/**
 * Removes pruned output channels of Linear and Conv layers from the layers themselves, and the matching channels from all that follows: the
 * columns of the next layers, batch norms and depthwise convolutions. The outputs in inference stay the same up to rounding. A run on
 * `example`, one input or a list of them, finds which layer follows which. Follows Linear, Conv1d to Conv3d, BatchNorm, activations, dropout,
 * pooling and Flatten. All other layers stay as they are, and the report gives the reason.
 *
 * Removes a channel if the next layers do not use it. Also removes a channel with weights of 0, because its output is a constant, if the
 * next layers can add that constant to their biases. A convolution that pads with zeros cannot add a constant other than 0: prune the bias
 * too.
 *
 * Makes all masks permanent, and replaces parameters: create a new optimizer afterwards.
 */
export async function slim(model: Module, example: Tensor | readonly Tensor[]): Promise<SlimReport> {
	requireModule('slim', 'model', model);
	const inputs = example instanceof Tensor ? [example] : [...example];
	for (const input of inputs) requireTensor('slim', input, 'the example');
	for (const module of model.modules()) for (const name of prunedNames(module)) remove(module, name);
	const modes = model.modules().map((module) => [module, module.training] as const);
	model.eval();
	const undo: (() => void)[] = [];
	try {
		const before = costsOf(model, inputs);
		const expected = await outputsOf(model, inputs);
		const layers = await slimLayers(model, inputs, undo);
		if (undo.length > 0) requireSame(expected, await outputsOf(model, inputs));
		return new SlimReport(before, costsOf(model, inputs), layers);
	} catch (error) {
		for (const step of undo.reverse()) step();
		throw error;
	} finally {
		for (const [module, training] of modes) module.training = training;
	}
}

/** Slims layer after layer until nothing changes, because a layer that shrinks may stop using channels of the layers before it. */
async function slimLayers(model: Module, inputs: readonly Tensor[], undo: (() => void)[]): Promise<SlimmedLayer[]> {
	const calls = trace(model, inputs);
	const chains = calls.flatMap((call): [Chain | string, SlimmedLayer][] => {
		const producer = producerOf(call.module);
		if (producer === null) return [];
		const row = { path: call.path, kind: call.module.constructor.name, channels: producer.channels, kept: producer.channels };
		return [[chainOf(call), { ...row, reason: null }]];
	});
	const rows = chains.map(([, row]) => row);
	for (let changed = true; changed; ) {
		changed = false;
		for (const [i, [chain]] of chains.entries()) {
			if (typeof chain === 'string') {
				rows[i] = { ...rows[i]!, reason: chain };
				continue;
			}
			const removal = await findRemoval(chain);
			rows[i] = { ...rows[i]!, kept: removal.kept.length, reason: removal.reason };
			if (removal.gone.length === 0) continue;
			removeChannels(chain, removal, undo);
			changed = true;
		}
	}
	return rows;
}

function costsOf(model: Module, inputs: readonly Tensor[]): SlimCosts {
	const { parameters, flops } = summarize(
		model,
		inputs.map(({ shape }) => shape),
		{ dtype: inputs.map(({ dtype }) => dtype) },
	);
	return { parameters, flops: flops! };
}

async function outputsOf(model: Module, inputs: readonly Tensor[]): Promise<ArrayLike<number>[]> {
	const outputs = noGrad(() => tidy(() => tensorsIn((model.forward as (...inputs: Tensor[]) => unknown)(...inputs))));
	const values = await Promise.all(outputs.map((output) => output.data()));
	for (const output of outputs) if (!inputs.includes(output)) output.dispose();
	return values;
}

function tensorsIn(output: unknown): Tensor[] {
	if (output instanceof Tensor) return [output];
	return Array.isArray(output) ? output.flatMap(tensorsIn) : [];
}

function requireSame(before: readonly ArrayLike<number>[], after: readonly ArrayLike<number>[]): void {
	const largest = Math.max(
		1,
		...before.map((values) => Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0)),
	);
	for (const [i, values] of before.entries()) {
		const worst = Array.from(values).reduce((most, value, j) => Math.max(most, Math.abs(value - after[i]![j]!)), 0);
		if (!(worst <= ROUNDING * largest))
			throw new WgradError(
				`slim: without its pruned channels the model computes something else on the example: the largest difference is ${worst}. Its weights stay as they were`,
			);
	}
}
