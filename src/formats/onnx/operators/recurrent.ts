/**
 * LSTM, GRU and RNN: [T, B, I] to [T, directions, B, H].
 *
 * The usual cells run on the kernels of `nn.LSTM` and its kin, whose gates stand in another order. Other activations, peepholes, clipping and
 * GRUs that reset before the product run step by step.
 */
import { FormatError } from '../../../core/errors';
import { zeros } from '../../../ops/creation';
import * as ops from '../../../ops/elementwise';
import * as layout from '../../../ops/layout';
import { linear } from '../../../ops/matmul';
import { recurrent } from '../../../ops/rnn';
import type { Tensor } from '../../../tensor';
import { type Call, Host, input, optional, type Result, type Table, unsupported } from '../operator';

type Kind = 'LSTM' | 'GRU' | 'RNN';
type Activation = (x: Tensor) => Tensor;

const GATES = { LSTM: 4, GRU: 3, RNN: 1 } as const;
const USUAL = { LSTM: ['Sigmoid', 'Tanh', 'Tanh'], GRU: ['Sigmoid', 'Tanh'], RNN: ['Tanh'] } as const;
/** For each gate of the kernels, its place in a file: i f c o of i o f c; r z n of z r h. */
const ORDER = { LSTM: [0, 2, 3, 1], GRU: [1, 0, 2], RNN: [0] } as const;

interface Direction {
	readonly x: Tensor;
	/** [gates * H, I], [gates * H, H] and [gates * H] each, in the file's order. */
	readonly weight: Tensor;
	readonly recurrence: Tensor;
	readonly inputBias: Tensor | null;
	readonly recurrentBias: Tensor | null;
	readonly h0: Tensor;
	readonly c0: Tensor | null;
	/** i, o and f, [3 * H]. */
	readonly peepholes: Tensor | null;
	readonly lengths: Tensor | null;
	readonly activations: readonly Activation[];
	readonly usual: boolean;
	readonly reverse: boolean;
}

interface Outcome {
	readonly y: Tensor;
	readonly h: Tensor;
	readonly c: Tensor | null;
}

function activationsOf(
	call: Call,
	kind: Kind,
	directions: number,
): { names: readonly string[]; functions: readonly Activation[] }[] {
	const { attributes } = call;
	const names = attributes.texts('activations') ?? Array.from({ length: directions }, () => USUAL[kind]).flat();
	const [alphas, betas] = [[...(attributes.floats('activation_alpha') ?? [])], [...(attributes.floats('activation_beta') ?? [])]];
	const clip = attributes.float('clip', 0);
	const functions = names.map((name, i) => {
		const compute = activation(call, name, alphas, betas);
		// As in onnxruntime, the cell of an LSTM enters its last activation unclipped.
		const isClipped = clip > 0 && !(kind === 'LSTM' && i % 3 === 2);
		return isClipped ? (x: Tensor) => compute(ops.clamp(x, { min: -clip, max: clip })) : compute;
	});
	const each = names.length / directions;
	return Array.from({ length: directions }, (_, d) => ({
		names: names.slice(d * each, (d + 1) * each),
		functions: functions.slice(d * each, (d + 1) * each),
	}));
}

/** An activation by name. It takes its parameters from the front of the lists. */
function activation(call: Call, name: string, alphas: number[], betas: number[]): Activation {
	switch (name.toLowerCase()) {
		case 'sigmoid':
			return ops.sigmoid;
		case 'tanh':
			return ops.tanh;
		case 'relu':
			return ops.relu;
		case 'softsign':
			return ops.softsign;
		case 'softplus':
			return (x) => ops.softplus(x);
		case 'leakyrelu': {
			const negativeSlope = alphas.shift() ?? 0.01;
			return (x) => ops.leakyRelu(x, { negativeSlope });
		}
		case 'elu': {
			const alpha = alphas.shift() ?? 1;
			return (x) => ops.elu(x, { alpha });
		}
		case 'thresholdedrelu': {
			const alpha = alphas.shift() ?? 1;
			return (x) => ops.where(ops.gt(x, alpha), x, 0);
		}
		case 'hardsigmoid': {
			const [alpha, beta] = [alphas.shift() ?? 0.2, betas.shift() ?? 0.5];
			return (x) => ops.clamp(ops.add(ops.mul(x, alpha), beta), { min: 0, max: 1 });
		}
		case 'affine': {
			const [alpha, beta] = [alphas.shift() ?? 1, betas.shift() ?? 0];
			return (x) => ops.add(ops.mul(x, alpha), beta);
		}
		case 'scaledtanh': {
			const [alpha, beta] = [alphas.shift() ?? 1, betas.shift() ?? 1];
			return (x) => ops.mul(ops.tanh(ops.mul(x, beta)), alpha);
		}
		default:
			return unsupported(call, `the activation ${name}`);
	}
}

function layer(kind: Kind) {
	return (call: Call): Result => {
		const { attributes } = call;
		const batchFirst = attributes.flag('layout');
		const swapped = (x: Tensor) => (batchFirst ? layout.transpose(x, 0, 1) : x);
		const x = swapped(input(call, 0));
		const [weight, recurrence] = [input(call, 1), input(call, 2)];
		const [steps, rows] = x.shape as [number, number, number];
		const direction = attributes.choice('direction', ['forward', 'reverse', 'bidirectional']);
		const directions = direction === 'bidirectional' ? 2 : 1;
		if (weight.shape[0] !== directions)
			throw new FormatError(`${attributes.node}: the weights have ${weight.shape[0]} directions, not ${directions}`);
		const units = recurrence.shape[2]!;
		const initial = (index: number) => {
			const given = optional(call, index);
			return given === null ? zeros([directions, rows, units], { dtype: x.dtype, device: x.device }) : swapped(given);
		};
		const lengths = call.inputs[4];
		const isWhole = lengths == null || (lengths instanceof Host && lengths.numbers.every((length) => length === steps));
		const [h0, c0] = [initial(5), kind === 'LSTM' ? initial(6) : null];
		const bias = optional(call, 3);
		const peepholes = kind === 'LSTM' ? optional(call, 7) : null;
		const chosen = activationsOf(call, kind, directions);
		const at = (y: Tensor | null, d: number) => y && layout.select(y, 0, d);
		const found = Array.from({ length: directions }, (_, d): Outcome => {
			const [inputBias = null, recurrentBias = null] = bias === null ? [] : layout.chunk(at(bias, d)!, 2, 0);
			return run(call, kind, {
				x,
				weight: at(weight, d)!,
				recurrence: at(recurrence, d)!,
				inputBias,
				recurrentBias,
				h0: at(h0, d)!,
				c0: at(c0, d),
				peepholes: at(peepholes, d),
				lengths: isWhole ? null : ops.to(input(call, 4), 'int32'),
				activations: chosen[d]!.functions,
				usual: isUsual(call, kind, chosen[d]!.names) && peepholes === null,
				reverse: direction === 'reverse' || d === 1,
			});
		});
		const y = layout.stack(
			found.map((outcome) => outcome.y),
			1,
		);
		const states = (list: readonly Tensor[]) => swapped(layout.stack(list, 0));
		return [
			batchFirst ? layout.permute(y, [2, 0, 1, 3]) : y,
			states(found.map(({ h }) => h)),
			...(kind === 'LSTM' ? [states(found.map(({ c }) => c!))] : []),
		];
	};
}

function isUsual({ attributes }: Call, kind: Kind, names: readonly string[]): boolean {
	if (attributes.float('clip', 0) > 0 || attributes.flag('input_forget')) return false;
	if (kind === 'GRU' && !attributes.flag('linear_before_reset')) return false;
	if (kind === 'RNN' && names[0]?.toLowerCase() === 'relu') return true;
	return names.every((name, i) => name.toLowerCase() === USUAL[kind][i]?.toLowerCase());
}

function run(call: Call, kind: Kind, direction: Direction): Outcome {
	if (!direction.usual) return stepwise(call, kind, direction);
	const { x, weight, recurrence, inputBias, recurrentBias, h0, c0, lengths, reverse } = direction;
	const reordered = (y: Tensor) => {
		const parts = layout.chunk(y, GATES[kind], 0);
		return kind === 'RNN'
			? y
			: layout.cat(
					ORDER[kind].map((gate) => parts[gate]!),
					0,
				);
	};
	const gates = linear(x, reordered(weight), inputBias && reordered(inputBias));
	const cell = kind === 'LSTM' ? 'lstm' : kind === 'GRU' ? 'gru' : direction.activations[0] === ops.relu ? 'relu' : 'tanh';
	const bias = recurrentBias && reordered(recurrentBias);
	return recurrent(cell, { x: gates, h0, c0, weight: reordered(recurrence), bias, lengths }, { reverse });
}

function stepwise(call: Call, kind: Kind, direction: Direction): Outcome {
	const { x, weight, inputBias, lengths, reverse } = direction;
	const steps = x.shape[0]!;
	const gates = linear(x, weight, inputBias);
	let [h, c] = [direction.h0, direction.c0];
	const outputs = new Array<Tensor>(steps);
	for (let step = 0; step < steps; step++) {
		const time = reverse ? steps - 1 - step : step;
		const next = cell(call, kind, direction, layout.select(gates, 0, time), h, c);
		if (lengths === null) {
			[h, c] = [next.h, next.c];
			outputs[time] = h;
			continue;
		}
		const runs = layout.unsqueeze(ops.gt(lengths, time), 1);
		h = ops.where(runs, next.h, h);
		if (next.c !== null) c = ops.where(runs, next.c, c!);
		outputs[time] = ops.where(runs, next.h, 0);
	}
	return { y: layout.stack(outputs, 0), h, c };
}

function cell(
	call: Call,
	kind: Kind,
	{ recurrence, recurrentBias, peepholes, activations }: Direction,
	fromX: Tensor,
	h: Tensor,
	c: Tensor | null,
): { h: Tensor; c: Tensor | null } {
	const [f, g, last] = activations as [Activation, Activation, Activation];
	if (kind === 'RNN') return { h: f(ops.add(fromX, linear(h, recurrence, recurrentBias))), c: null };
	if (kind === 'GRU') {
		const [xz, xr, xh] = layout.chunk(fromX, 3, 1) as [Tensor, Tensor, Tensor];
		const [rz, rr, rh] = layout.chunk(recurrence, 3, 0) as [Tensor, Tensor, Tensor];
		const [bz, br, bh] =
			recurrentBias === null ? [null, null, null] : (layout.chunk(recurrentBias, 3, 0) as [Tensor, Tensor, Tensor]);
		const z = f(ops.add(xz, linear(h, rz, bz)));
		const r = f(ops.add(xr, linear(h, rr, br)));
		const fromH = call.attributes.flag('linear_before_reset') ? ops.mul(r, linear(h, rh, bh)) : linear(ops.mul(r, h), rh, bh);
		return { h: ops.add(ops.mul(ops.sub(1, z), g(ops.add(xh, fromH))), ops.mul(z, h)), c: null };
	}
	const [i, o, forget, candidate] = layout.chunk(ops.add(fromX, linear(h, recurrence, recurrentBias)), 4, 1) as [
		Tensor,
		Tensor,
		Tensor,
		Tensor,
	];
	const [pi, po, pf] = peepholes === null ? [null, null, null] : (layout.chunk(peepholes, 3, 0) as [Tensor, Tensor, Tensor]);
	const seen = (gate: Tensor, hole: Tensor | null, state: Tensor) => (hole === null ? gate : ops.add(gate, ops.mul(hole, state)));
	const enters = f(seen(i, pi, c!));
	const stays = call.attributes.flag('input_forget') ? ops.sub(1, enters) : f(seen(forget, pf, c!));
	const next = ops.add(ops.mul(stays, c!), ops.mul(enters, g(candidate)));
	return { h: ops.mul(f(seen(o, po, next)), last(next)), c: next };
}

export const RECURRENT: Table = {
	LSTM: { weights: [1, 2, 3, 7], run: layer('LSTM') },
	GRU: { weights: [1, 2, 3], run: layer('GRU') },
	RNN: { weights: [1, 2, 3], run: layer('RNN') },
};
