/** Recurrent layers and cells with PyTorch's gate order and state keys. */

import { currentAutocast } from '../autograd/modes';
import { type CellKind, GATES } from '../backends/contract/rnn';
import { requireCounts, requireFraction, requireListOf, requireOneOf } from '../core/checks';
import { requireDType } from '../core/dtype';
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../core/errors';
import { checkOptions, type Leading, leadingOptions } from '../core/options';
import { MAX_RANK } from '../core/shape';
import { widened } from '../ops/composed';
import { tensor, zeros } from '../ops/creation';
import { to } from '../ops/elementwise';
import { checkBounds } from '../ops/indexing/gather';
import { cat, reshape, select, squeeze, stack, transpose, unsqueeze } from '../ops/layout';
import { linear } from '../ops/matmul';
import { dropout } from '../ops/random';
import { recurrent } from '../ops/rnn';
import type { Tensor } from '../tensor';
import { requireRank, requireShape, requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { emptyParameter, uniform_ } from './init';
import { type FactoryOptions, Module, requireModule } from './module';
import { PackedSequence, packPaddedSequence, padPackedSequence } from './packed';
import type { Parameter } from './parameter';

export interface RecurrentOptions extends FactoryOptions {
	/** Number of stacked layers. Default 1. */
	readonly numLayers?: number;
	/** Learn biases. Default true. */
	readonly bias?: boolean;
	/** Inputs and outputs are [B, T, ...] instead of [T, B, ...]. Default false. */
	readonly batchFirst?: boolean;
	/** Dropout probability of the outputs of every layer except the last. Default 0. */
	readonly dropout?: number;
	/** Add a second direction, from the end to the beginning, and concatenate the outputs. Default false. */
	readonly bidirectional?: boolean;
}

const RECURRENT_OPTIONS = ['numLayers', 'bias', 'batchFirst', 'dropout', 'bidirectional', 'device', 'dtype'] as const;

/** The options that may come by position: `LSTM(2, 3, 2)`. */
type RecurrentPositions = [numLayers: number, bias: boolean, batchFirst: boolean, dropout: number, bidirectional: boolean];
const RECURRENT_NAMES = ['numLayers', 'bias', 'batchFirst', 'dropout', 'bidirectional'] as const;

export interface SequenceOptions {
	/**
	 * int32 [B]: the length of each sequence of a padded batch, at least 1 (PyTorch packs sequences instead). Outputs after the end are 0.
	 * A length out of range throws, on WebGPU at the next read, `sync()` or `step()`. Default: the full length.
	 */
	readonly lengths?: Tensor;
}

/** Throws unless all tensors have the input's dtype. */
function requireAlike(name: string, input: Tensor, others: Readonly<Record<string, Tensor | null>>): void {
	for (const [what, tensor] of Object.entries(others)) {
		if (tensor !== null && tensor.dtype !== input.dtype)
			throw new DTypeError(`${name}: ${what} is ${tensor.dtype}, the input ${input.dtype}; convert one with .to()`);
	}
}

/** A factor of a product with the state, which within `autocast` takes float16, as `linear` does. */
function factor(x: Tensor | null): Tensor | null {
	const casting = currentAutocast();
	return casting === null || x === null ? x : casting.call('linear', [x], ([half]) => half);
}

function requireLengths(name: string, lengths: Tensor, input: Tensor, steps: number, rows: number): void {
	requireTensor(name, lengths, 'lengths');
	requireDType(name, lengths.dtype, ['int32'], 'lengths');
	requireShape(name, 'lengths', lengths, [rows], input);
	checkBounds(lengths, {
		operation: name,
		least: 1,
		count: steps,
		noun: 'length',
		rule: `is out of range: the input has ${steps} steps, so lengths lie between 1 and ${steps}`,
	});
}

export interface LSTMOptions extends RecurrentOptions {
	/** Project hidden states to this many features, fewer than hiddenSize. Default 0: no projection. */
	readonly projSize?: number;
}

/** The base of the recurrent layers: holds the parameters of each layer and direction, and runs the layers. */
abstract class Recurrent extends Module {
	protected readonly layers: number;
	protected readonly directions: number;
	/** Features of a layer's output. */
	protected readonly stateSize: number;

	constructor(
		private readonly kind: CellKind,
		readonly inputSize: number,
		readonly hiddenSize: number,
		readonly options: LSTMOptions,
	) {
		super();
		this.layers = options.numLayers ?? 1;
		this.directions = options.bidirectional ? 2 : 1;
		const name = new.target.name;
		requireCounts(name, { inputSize, hiddenSize });
		requireCounts(name, { numLayers: this.layers }, 1);
		requireFraction(name, 'dropout', options.dropout ?? 0);
		const { projSize = 0 } = options;
		requireCounts(name, { projSize });
		if (projSize > 0 && projSize >= hiddenSize)
			throw new ArgumentError(`${name}: projSize ${projSize} must be smaller than hiddenSize ${hiddenSize}`);
		this.stateSize = projSize || hiddenSize;
		const gates = GATES[kind] * hiddenSize;
		for (let layer = 0; layer < this.layers; layer++) {
			for (let direction = 0; direction < this.directions; direction++) {
				const inputs = layer === 0 ? inputSize : this.stateSize * this.directions;
				const shapes: [string, number[]][] = [
					['weight_ih', [gates, inputs]],
					['weight_hh', [gates, this.stateSize]],
				];
				if (options.bias !== false) shapes.push(['bias_ih', [gates]], ['bias_hh', [gates]]);
				if (projSize > 0) shapes.push(['weight_hr', [projSize, hiddenSize]]);
				for (const [part, shape] of shapes) this.setPart(part, layer, direction, emptyParameter(shape, options));
			}
		}
		this.resetParameters();
	}

	/** Draws new initial values, uniform in +-1 / sqrt(hiddenSize). */
	resetParameters(): void {
		const bound = this.hiddenSize > 0 ? 1 / Math.sqrt(this.hiddenSize) : 0;
		for (const parameter of this.parameters()) uniform_(parameter, -bound, bound);
	}

	private setPart(part: string, layer: number, direction: number, parameter: Parameter): void {
		(this as unknown as Record<string, Parameter>)[keyOf(part, layer, direction)] = parameter;
	}

	/** A parameter, converted from float16 to float32 if needed: layers compute in float32, and only inputs and outputs are float16. */
	private getPart(part: string, layer: number, direction: number): Tensor | null {
		return widened((this as unknown as Record<string, Parameter | undefined>)[keyOf(part, layer, direction)] ?? null)[0];
	}

	/** `run` of packed sequences. */
	protected runPacked(
		input: PackedSequence,
		h0: Tensor | null,
		c0: Tensor | null,
	): { y: PackedSequence; h: Tensor; c: Tensor | null } {
		const { batchFirst = false } = this.options;
		const [padded, list] = padPackedSequence(input, { batchFirst });
		const lengths = tensor(Int32Array.from(list), { device: padded.device });
		const { y, h, c } = this.run(padded, h0, c0, { lengths });
		const enforceSorted = input.sortedIndices === null;
		return { y: packPaddedSequence(y, list, { batchFirst, enforceSorted }), h, c };
	}

	/** Returns the output and the last states [layers * directions, B, H], for a batch or a single sequence. */
	protected run(
		input: Tensor,
		h0: Tensor | null,
		c0: Tensor | null,
		{ lengths }: SequenceOptions,
	): { y: Tensor; h: Tensor; c: Tensor | null } {
		const { batchFirst = false, dropout: p = 0 } = this.options;
		const name = this.constructor.name;
		if (input instanceof PackedSequence) throw new ArgumentError(`${name}: for a PackedSequence call forwardPacked`);
		requireTensor(name, input);
		for (const state of [h0, c0]) if (state !== null) requireTensor(name, state, 'initial state');
		const form = batchFirst ? '[B, T, features] or [T, features]' : '[T, B, features] or [T, features]';
		requireRank(name, 'input', input, form, 2, 3);
		if (input.shape.at(-1) !== this.inputSize)
			throw new ShapeError(`${name}: the input has ${input.shape.at(-1)} features, but the layer takes ${this.inputSize}`);
		const parameters = Object.fromEntries(this.namedParameters());
		return tidy(() => {
			const single = input.ndim === 2;
			const [given, givenH, givenC] = widened(input, h0, c0);
			const states = { 'the initial state': h0, 'the initial cell state': c0 };
			if (currentAutocast() === null) requireAlike(name, input, { ...states, ...parameters });
			let x = single ? unsqueeze(given, 1) : batchFirst ? transpose(given, 0, 1) : given;
			const [steps, rows] = x.shape as [number, number];
			if (lengths != null) requireLengths(name, lengths, input, steps, rows);
			const initial = (given: Tensor | null, size: number) => {
				const states = [this.layers * this.directions, rows, size];
				if (given === null) return zeros(states, { dtype: x.dtype, device: x.device });
				const batched = single ? unsqueeze(given, 1) : given;
				if (String(batched.shape) !== String(states))
					throw new ShapeError(
						`${name}: the initial state has shape ${formatShape(batched.shape)}; it must be ${formatShape(states)}`,
					);
				return batched;
			};
			const [h, c] = [initial(givenH, this.stateSize), this.kind === 'lstm' ? initial(givenC, this.hiddenSize) : null];
			const [lastH, lastC]: [Tensor[], Tensor[]] = [[], []];
			for (let layer = 0; layer < this.layers; layer++) {
				const outputs: Tensor[] = [];
				for (let direction = 0; direction < this.directions; direction++) {
					const index = layer * this.directions + direction;
					const result = recurrent(
						this.kind,
						{
							x: widened(linear(x, this.getPart('weight_ih', layer, direction)!, this.getPart('bias_ih', layer, direction)))[0],
							h0: select(h, 0, index),
							c0: c === null ? null : select(c, 0, index),
							weight: factor(this.getPart('weight_hh', layer, direction))!,
							bias: factor(this.getPart('bias_hh', layer, direction)),
							projection: factor(this.getPart('weight_hr', layer, direction)),
							lengths: lengths ?? null,
						},
						{ reverse: direction === 1 },
					);
					outputs.push(result.y);
					lastH.push(result.h);
					if (result.c !== null) lastC.push(result.c);
				}
				x = outputs.length === 1 ? outputs[0]! : cat(outputs, -1);
				if (layer < this.layers - 1) x = dropout(x, { p, training: this.training });
			}
			const out = (states: Tensor[]) => to(single ? squeeze(stack(states), 1) : stack(states), input.dtype);
			const y = to(single ? squeeze(x, 1) : batchFirst ? transpose(x, 0, 1) : x, input.dtype);
			return { y, h: out(lastH), c: lastC.length === 0 ? null : out(lastC) };
		});
	}

	override extraRepr(): string {
		const { numLayers = 1, bidirectional = false, batchFirst = false, projSize } = this.options;
		const projected = projSize ? `, projSize=${projSize}` : '';
		return `${this.inputSize}, ${this.hiddenSize}${projected}, numLayers=${numLayers}, bidirectional=${bidirectional}, batchFirst=${batchFirst}`;
	}
}

function keyOf(part: string, layer: number, direction: number): string {
	return `${part}_l${layer}${direction === 1 ? '_reverse' : ''}`;
}

export interface RNNOptions extends RecurrentOptions {
	/** Default 'tanh'. */
	readonly nonlinearity?: 'tanh' | 'relu';
}

function activationOf(name: string, { nonlinearity = 'tanh' }: Pick<RNNOptions, 'nonlinearity'>): 'tanh' | 'relu' {
	requireOneOf(name, 'nonlinearity', nonlinearity, ['tanh', 'relu']);
	return nonlinearity;
}

/**
 * Elman network: h' = act(W_ih x + b_ih + W_hh h + b_hh). `forward(x, h0?, { lengths })` returns [output, h_n]: output [T, B, directions *
 * H], h_n [layers * directions, B, H]. As `torch.nn.RNN`.
 */
export class RNN extends Recurrent {
	constructor(inputSize: number, hiddenSize: number, ...rest: Leading<[numLayers: number], RNNOptions>) {
		const options = leadingOptions<RNNOptions>('RNN', rest, ['numLayers']);
		checkOptions('RNN', options, [
			'nonlinearity',
			'numLayers',
			'bias',
			'batchFirst',
			'dropout',
			'bidirectional',
			'device',
			'dtype',
		]);
		super(activationOf('RNN', options), inputSize, hiddenSize, options);
	}

	override forward(input: Tensor, h0: Tensor | null = null, options: SequenceOptions = {}): [output: Tensor, hidden: Tensor] {
		checkOptions('RNN.forward', options, ['lengths']);
		const { y, h } = this.run(input, h0, null, options);
		return [y, h];
	}

	/** `forward` of packed sequences. */
	forwardPacked(input: PackedSequence, h0: Tensor | null = null): [output: PackedSequence, hidden: Tensor] {
		const { y, h } = this.runPacked(input, h0, null);
		return [y, h];
	}
}

/** Gated recurrent unit, Cho et al. 2014; gates r, z, n. `forward(x, h0?, { lengths })` returns [output, h_n]. As `torch.nn.GRU`. */
export class GRU extends Recurrent {
	constructor(inputSize: number, hiddenSize: number, ...rest: Leading<RecurrentPositions, RecurrentOptions>) {
		const options = leadingOptions<RecurrentOptions>('GRU', rest, RECURRENT_NAMES);
		checkOptions('GRU', options, RECURRENT_OPTIONS);
		super('gru', inputSize, hiddenSize, options);
	}

	override forward(input: Tensor, h0: Tensor | null = null, options: SequenceOptions = {}): [output: Tensor, hidden: Tensor] {
		checkOptions('GRU.forward', options, ['lengths']);
		const { y, h } = this.run(input, h0, null, options);
		return [y, h];
	}

	/** `forward` of packed sequences. */
	forwardPacked(input: PackedSequence, h0: Tensor | null = null): [output: PackedSequence, hidden: Tensor] {
		const { y, h } = this.runPacked(input, h0, null);
		return [y, h];
	}
}

type States = readonly [hidden: Tensor, cell: Tensor];

/** Both states of an LSTM, or neither. Throws for one alone, which would otherwise be ignored. */
function statesOf(name: string, states: States | null): readonly [Tensor | null, Tensor | null] {
	if (states == null) return [null, null];
	requireListOf(name, 'the states', states, () => true, '[hidden, cell]', 2);
	for (const state of states) requireTensor(name, state, 'initial state');
	return states;
}

/**
 * Long short-term memory, Hochreiter and Schmidhuber 1997; gates i, f, g, o. `forward(x, [h0, c0]?, { lengths })` returns [output, [h_n,
 * c_n]]. With `projSize`, output, h0 and h_n have projSize features instead of hiddenSize (Sak et al. 2014), and a step takes a dozen
 * launches instead of two. As `torch.nn.LSTM`.
 */
export class LSTM extends Recurrent {
	constructor(inputSize: number, hiddenSize: number, ...rest: Leading<RecurrentPositions, LSTMOptions>) {
		const options = leadingOptions<LSTMOptions>('LSTM', rest, RECURRENT_NAMES);
		checkOptions('LSTM', options, ['projSize', ...RECURRENT_OPTIONS]);
		super('lstm', inputSize, hiddenSize, options);
	}

	override forward(
		input: Tensor,
		states: States | null = null,
		options: SequenceOptions = {},
	): [output: Tensor, states: [hidden: Tensor, cell: Tensor]] {
		checkOptions('LSTM.forward', options, ['lengths']);
		const { y, h, c } = this.run(input, ...statesOf('LSTM', states), options);
		return [y, [h, c!]];
	}

	/** `forward` of packed sequences. */
	forwardPacked(
		input: PackedSequence,
		states: States | null = null,
	): [output: PackedSequence, states: [hidden: Tensor, cell: Tensor]] {
		const { y, h, c } = this.runPacked(input, ...statesOf('LSTM', states));
		return [y, [h, c!]];
	}
}

/** One time step: input [B, inputSize], states [B, hiddenSize]. */
abstract class Cell extends Module {
	readonly weight_ih: Parameter;
	readonly weight_hh: Parameter;
	readonly bias_ih: Parameter | null;
	readonly bias_hh: Parameter | null;

	constructor(
		private readonly kind: CellKind,
		readonly inputSize: number,
		readonly hiddenSize: number,
		options: FactoryOptions & { readonly bias?: boolean },
	) {
		super();
		requireCounts(new.target.name, { inputSize, hiddenSize });
		const gates = GATES[kind] * hiddenSize;
		this.weight_ih = emptyParameter([gates, inputSize], options);
		this.weight_hh = emptyParameter([gates, hiddenSize], options);
		this.bias_ih = options.bias === false ? null : emptyParameter([gates], options);
		this.bias_hh = options.bias === false ? null : emptyParameter([gates], options);
		const bound = hiddenSize > 0 ? 1 / Math.sqrt(hiddenSize) : 0;
		for (const parameter of this.parameters()) uniform_(parameter, -bound, bound);
	}

	protected run(input: Tensor, h0: Tensor | null, c0: Tensor | null): { h: Tensor; c: Tensor | null } {
		return tidy(() => {
			requireTensor(this.constructor.name, input);
			for (const state of [h0, c0]) if (state !== null) requireTensor(this.constructor.name, state, 'state');
			requireRank(this.constructor.name, 'input', input, '[B, features] or [features]', 1, 2);
			const { weight_ih, weight_hh, bias_ih, bias_hh } = this;
			const states = { 'the state': h0, 'the cell state': c0 };
			if (currentAutocast() === null)
				requireAlike(this.constructor.name, input, { ...states, weight_ih, weight_hh, bias_ih, bias_hh });
			const single = input.ndim === 1;
			const [given, givenH, givenC] = widened(input, h0, c0);
			const [inputWeight, weight, inputBias, bias] = widened(weight_ih, weight_hh, bias_ih, bias_hh);
			const x = single ? unsqueeze(given, 0) : given;
			const initial = (given: Tensor | null) =>
				given === null
					? zeros([x.shape[0]!, this.hiddenSize], { dtype: x.dtype, device: x.device })
					: single
						? unsqueeze(given, 0)
						: given;
			const { h, c } = recurrent(this.kind, {
				x: unsqueeze(widened(linear(x, inputWeight, inputBias))[0], 0),
				h0: initial(givenH),
				c0: this.kind === 'lstm' ? initial(givenC) : null,
				weight: factor(weight)!,
				bias: factor(bias),
			});
			const out = (state: Tensor) => to(single ? squeeze(state, 0) : state, input.dtype);
			return { h: out(h), c: c === null ? null : out(c) };
		});
	}
}

/** One step of `RNN`; returns h'. As `torch.nn.RNNCell`. */
export class RNNCell extends Cell {
	constructor(
		inputSize: number,
		hiddenSize: number,
		options: FactoryOptions & { readonly bias?: boolean; readonly nonlinearity?: 'tanh' | 'relu' } = {},
	) {
		checkOptions('RNNCell', options, ['device', 'dtype', 'bias', 'nonlinearity']);
		super(activationOf('RNNCell', options), inputSize, hiddenSize, options);
	}

	override forward(input: Tensor, hidden: Tensor | null = null): Tensor {
		return this.run(input, hidden, null).h;
	}
}

/** One step of `GRU`; returns h'. As `torch.nn.GRUCell`. */
export class GRUCell extends Cell {
	constructor(inputSize: number, hiddenSize: number, options: FactoryOptions & { readonly bias?: boolean } = {}) {
		checkOptions('GRUCell', options, ['device', 'dtype', 'bias']);
		super('gru', inputSize, hiddenSize, options);
	}

	override forward(input: Tensor, hidden: Tensor | null = null): Tensor {
		return this.run(input, hidden, null).h;
	}
}

/** One step of `LSTM`; returns [h', c']. As `torch.nn.LSTMCell`. */
export class LSTMCell extends Cell {
	constructor(inputSize: number, hiddenSize: number, options: FactoryOptions & { readonly bias?: boolean } = {}) {
		checkOptions('LSTMCell', options, ['device', 'dtype', 'bias']);
		super('lstm', inputSize, hiddenSize, options);
	}

	override forward(input: Tensor, states: States | null = null): [hidden: Tensor, cell: Tensor] {
		const { h, c } = this.run(input, ...statesOf('LSTMCell', states));
		return [h, c!];
	}
}

/** Applies a module to all time steps of [B, T, ...] at once by folding time into the batch. As Keras' `TimeDistributed`. */
export class TimeDistributed extends Module {
	constructor(readonly module: Module & { forward(input: Tensor): Tensor }) {
		super();
		requireModule('TimeDistributed', 'module', module);
	}

	override forward(input: Tensor): Tensor {
		requireTensor('TimeDistributed', input);
		requireRank('TimeDistributed', 'input', input, '[B, T, ...]', 2, MAX_RANK);
		return tidy(() => {
			const [batch, time] = [input.shape[0]!, input.shape[1]!];
			const y = this.module.forward(reshape(input, [batch * time, ...input.shape.slice(2)]));
			requireTensor('TimeDistributed', y, "the module's output");
			return reshape(y, [batch, time, ...y.shape.slice(1)]);
		});
	}
}
