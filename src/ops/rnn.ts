/**
 * One direction of one recurrent layer over a whole sequence, as one operation.
 *
 * The products of the inputs with their weights come in ready, for all steps at once; a step is then two launches, a product of the
 * state with its weights and the kernel of the cell, forward as well as backward, where the kernel also adds up what each gate gives
 * to the state: one product of that depth would be split for GPUs, and its parts added by another launch. The gradient of
 * the recurrent weights is one product over all steps. When the walk is recorded, and where states are projected, the layer is composed
 * of plain operations instead.
 */
import { grad } from '../autograd/backward';
import { defineOperation } from '../autograd/operation';
import { setRequiresGrad } from '../autograd/tape';
import { type CellKind, GATES, KEPT } from '../backends/contract/rnn';
import { formatShape, ShapeError } from '../core/errors';
import { sameShape } from '../core/shape';
import { emptyOn, type Tensor, viewOf } from '../tensor';
import { requireSameDevice } from '../tensorChecks';
import { composed } from './composed';
import { arange } from './creation';
import { add, lt, mul, relu, sigmoid, sub, tanh, where } from './elementwise';
import { chunk, flip, narrow, reshape, select, stack, transpose, unflatten, unsqueeze } from './layout';
import { linear, matmul } from './matmul';
import { sum } from './reduce';

export interface RecurrentInput {
	/** [T, B, G]: the products of the inputs with their weights, input bias included. */
	readonly x: Tensor;
	/** [B, H], or [B, P] with a projection: the initial state. */
	readonly h0: Tensor;
	/** [B, H], lstm only: the initial cell state. */
	readonly c0?: Tensor | null;
	/** [G, H], or [G, P]. */
	readonly weight: Tensor;
	/** [P, H], lstm only: what is given on, to the next step and as output, is its product with the state (Sak et al. 2014). */
	readonly projection?: Tensor | null;
	/** [G]. */
	readonly bias?: Tensor | null;
	/** [B] int32, checked by the caller: how long each row's sequence is. Behind its end a row's state stays, and its outputs are 0. */
	readonly lengths?: Tensor | null;
}

export interface RecurrentOutput {
	/** [T, B, H], or [T, B, P]. */
	readonly y: Tensor;
	/** [B, H], or [B, P]: the last state. */
	readonly h: Tensor;
	/** [B, H]: the last cell state; null but for lstm. */
	readonly c: Tensor | null;
}

function check(operation: string, kind: CellKind, { x, h0, c0, weight, bias, projection, lengths }: RecurrentInput): void {
	const gates = GATES[kind];
	const states = weight.shape[1] ?? 0;
	const units = projection?.shape[1] ?? states;
	const wrong = (name: string, given: Tensor, expected: readonly number[]) => {
		if (!sameShape(given.shape, expected)) {
			throw new ShapeError(
				`${operation}: ${name} has shape ${formatShape(given.shape)}; with weights ${formatShape(weight.shape)} it must be ${formatShape(expected)}`,
			);
		}
	};
	if (x.ndim !== 3) throw new ShapeError(`${operation}: x must be [T, B, ${gates} H], not ${formatShape(x.shape)}`);
	const rows = x.shape[1]!;
	wrong('weight', weight, [gates * units, states]);
	if (projection) wrong('projection', projection, [states, units]);
	wrong('x', x, [x.shape[0]!, rows, gates * units]);
	wrong('h0', h0, [rows, states]);
	if (kind === 'lstm') wrong('c0', c0 ?? h0, [rows, units]);
	if (bias) wrong('bias', bias, [gates * units]);
	requireSameDevice(operation, x, ...[weight, h0, c0, bias, projection, lengths].filter((tensor) => tensor != null));
}

/**
 * Runs a cell over a sequence; `reverse` from its end to its beginning. Differentiable with respect to all but the lengths. The caller has
 * seen to it that all dtypes are one, and none float16.
 */
export function recurrent(
	kind: CellKind,
	input: RecurrentInput,
	{ reverse = false }: { reverse?: boolean } = {},
): RecurrentOutput {
	const operation = kind === 'lstm' || kind === 'gru' ? kind : 'rnn';
	check(operation, kind, input);
	const { x, projection, lengths } = input;
	const [y, h, c] = composed('recurrent', (): [Tensor, Tensor, Tensor | null] => {
		const { hidden, cell } = projection
			? stepwise(kind, input, reverse)
			: layerOperation(input, { kind, reverse }, { name: operation });
		const steps = x.shape[0]!;
		const states = narrow(hidden, 0, 1, steps);
		const outputs = reverse ? flip(states, [0]) : states;
		return [lengths ? where(present(x, lengths), outputs, 0) : outputs, select(hidden, 0, steps), cell ?? null];
	});
	return { y, h, c };
}

interface LayerAttributes {
	readonly kind: CellKind;
	readonly reverse: boolean;
}

/** All slots of the state, and the last cell state. */
const layerOperation = defineOperation({
	name: 'rnn',
	inputs: ['x', 'h0', 'weight', 'bias?', 'c0?'],
	constants: ['lengths?'],
	outputs: ['hidden', 'cell'],
	forward: (input, { kind, reverse }: LayerAttributes) => {
		const { x, h0, c0, weight, bias, lengths } = input;
		const { kernels } = x.backend;
		const [steps, rows] = [x.shape[0]!, x.shape[1]!];
		const units = h0.shape[1]!;
		const gates = packed(x);
		const ends = lengths ? packed(lengths) : undefined;
		const hidden = statesFrom(h0, steps);
		const cells = c0 ? statesFrom(c0, steps) : undefined;
		const kept = emptyOn(x, [steps, rows, KEPT[kind] * units]);
		const across = transpose(weight, 0, 1);
		const products = emptyOn(x, [rows, GATES[kind] * units]);
		for (let slot = 0; slot < steps; slot++) {
			const time = reverse ? steps - 1 - slot : slot;
			kernels.matmul({ a: entry(hidden, slot), b: across, ...(bias ? { bias } : {}) }, { out: products }, {});
			kernels.rnnStep(
				{ x: gates, recurrent: products, ...(ends ? { lengths: ends } : {}) },
				{ hidden, kept, ...(cells ? { cell: cells } : {}) },
				{ cell: kind, slot, time },
			);
		}
		// A result of its own, so that its gradient does not come in slots that are zero but for the last.
		return { hidden, cell: cells && copyOf(entry(cells, steps)), kept, cells };
	},
	saves: ['x', 'h0', 'weight', 'bias', 'c0', 'lengths', 'hidden', 'kept', 'cells'],
	vjp: (gradient, saved, { kind, reverse }) => composedGradients(kind, saved, reverse, gradient.hidden, gradient.cell),
	fusedVjp: (gradient, { x, weight, bias, lengths, hidden, kept, cells }, { kind, reverse }, needs) => {
		const { kernels } = x.backend;
		const [steps, rows, units] = [x.shape[0]!, x.shape[1]!, hidden.shape[2]!];
		const gates = GATES[kind];
		const columns = gates * units;
		// By time, as the kernel wants it; slot 0, the initial state, is added at the end.
		const bySlot = gradient.hidden ?? zerosOn(x, hidden.shape);
		const later = narrow(bySlot, 0, 1, steps);
		const gradY = packed(reverse ? flip(later, [0]) : later);
		const ends = lengths ? packed(lengths) : undefined;
		const gradX = emptyOn(x, [steps, rows, columns]);
		const gradRecurrent = kind === 'gru' ? emptyOn(x, [steps, rows, columns]) : null;
		const carry = zerosOn(x, [rows, units]);
		const cellCarry = cells && (gradient.cell ? copyOf(gradient.cell) : zerosOn(x, [rows, units]));
		const products = emptyOn(x, [gates, rows, units]);
		const source = gradRecurrent ?? gradX;
		const ofGates = unflatten(weight, 0, [gates, units]);
		for (let slot = steps - 1; slot >= 0; slot--) {
			const time = reverse ? steps - 1 - slot : slot;
			kernels.rnnStepGrad(
				{
					gradY,
					hidden,
					kept,
					...(slot < steps - 1 ? { recurrent: products } : {}),
					...(cells ? { cell: cells } : {}),
					...(ends ? { lengths: ends } : {}),
				},
				{ gradX, carry, ...(gradRecurrent ? { gradRecurrent } : {}), ...(cellCarry ? { cellCarry } : {}) },
				{ cell: kind, slot, time },
			);
			if (slot === 0 && !needs.h0) break;
			const gradients = viewOf(source, [gates, rows, units], [units, columns, 1], time * rows * columns);
			kernels.matmul({ a: gradients, b: ofGates }, { out: products }, {});
		}
		const first = select(bySlot, 0, 0);
		const throughSteps = () => (steps === 0 ? first : add(add(carry, sum(products, 0)), first));
		// The states that the steps read, by time.
		const before = narrow(hidden, 0, 0, steps);
		const states = reshape(reverse ? flip(before, [0]) : before, [steps * rows, units]);
		const flat = reshape(source, [steps * rows, columns]);
		return {
			x: gradX,
			h0: needs.h0 && throughSteps(),
			weight: needs.weight && matmul(transpose(flat, 0, 1), states),
			bias: bias && needs.bias && sum(flat, 0),
			c0: cellCarry,
		};
	},
});

/** [T, B, 1] bool: whether a row's sequence has not ended at a time. */
function present(x: Tensor, lengths: Tensor): Tensor {
	return unsqueeze(lt(unsqueeze(arange(x.shape[0]!, { dtype: 'int32', device: x.device }), 1), unsqueeze(lengths, 0)), -1);
}

/** A view for kernels of one entry of the first dim. */
function entry(x: Tensor, index: number): Tensor {
	return viewOf(x, x.shape.slice(1), x.strides.slice(1), x.offset + index * x.strides[0]!);
}

/** States [T + 1, B, H] with the initial one in slot 0. */
function statesFrom(initial: Tensor, steps: number): Tensor {
	const states = emptyOn(initial, [steps + 1, ...initial.shape]);
	initial.backend.kernels.copyInto({ x: initial }, { y: entry(states, 0) }, {});
	return states;
}

function zerosOn(x: Tensor, shape: readonly number[]): Tensor {
	const y = emptyOn(x, shape);
	y.backend.kernels.fill({}, { y }, { value: 0 });
	return y;
}

/** As the step kernels want it: without gaps, from the start of its memory. */
function packed(x: Tensor): Tensor {
	return x.isContiguous && x.offset === 0 ? x : copyOf(x);
}

function copyOf(x: Tensor): Tensor {
	const y = emptyOn(x, x.shape);
	x.backend.kernels.copy({ x }, { y }, {});
	return y;
}

/** The layer again, of operations that can be differentiated any number of times; gives all slots of the state, and the last cell state. */
function stepwise(
	kind: CellKind,
	{ x, h0, c0, weight, bias, projection, lengths }: RecurrentInput,
	reverse: boolean,
): { hidden: Tensor; cell: Tensor | null } {
	const steps = x.shape[0]!;
	let h = h0;
	let c = c0 ?? null;
	const hidden = [h];
	const alive = lengths ? present(x, lengths) : null;
	for (let slot = 0; slot < steps; slot++) {
		const time = reverse ? steps - 1 - slot : slot;
		const fromX = select(x, 0, time);
		const fromH = linear(h, weight, bias ?? null);
		let next: Tensor;
		let nextCell = c;
		if (kind === 'lstm') {
			const [i, f, g, o] = chunk(add(fromX, fromH), 4, 1) as [Tensor, Tensor, Tensor, Tensor];
			nextCell = add(mul(sigmoid(f), c!), mul(sigmoid(i), tanh(g)));
			const output = mul(sigmoid(o), tanh(nextCell));
			next = projection ? linear(output, projection) : output;
		} else if (kind === 'gru') {
			const [xr, xz, xn] = chunk(fromX, 3, 1) as [Tensor, Tensor, Tensor];
			const [hr, hz, hn] = chunk(fromH, 3, 1) as [Tensor, Tensor, Tensor];
			const z = sigmoid(add(xz, hz));
			const n = tanh(add(xn, mul(sigmoid(add(xr, hr)), hn)));
			next = add(mul(sub(1, z), n), mul(z, h));
		} else {
			next = kind === 'tanh' ? tanh(add(fromX, fromH)) : relu(add(fromX, fromH));
		}
		const now = alive === null ? null : select(alive, 0, time);
		h = now === null ? next : where(now, next, h);
		hidden.push(h);
		if (nextCell !== null) {
			c = now === null ? nextCell : where(now, nextCell, c!);
		}
	}
	return { hidden: stack(hidden), cell: c };
}

/** The gradients of the layer, of operations that can be differentiated any number of times. */
function composedGradients(
	kind: CellKind,
	{ x, h0, weight, bias, c0, lengths }: RecurrentInput,
	reverse: boolean,
	gradHidden: Tensor | null,
	gradCell: Tensor | null,
) {
	// An input that needs no gradient must have a place on the tape for `grad` all the same.
	const copy = <T extends Tensor | null | undefined>(input: T): T => {
		if (input == null || input.requiresGrad) return input;
		const own = viewOf(input, input.shape, input.strides, input.offset);
		setRequiresGrad(own, true);
		return own as T;
	};
	const copies = { x: copy(x), h0: copy(h0), weight: copy(weight), bias: copy(bias), c0: copy(c0) };
	const { hidden, cell } = stepwise(kind, { ...copies, lengths }, reverse);
	const outputs = [...(gradHidden ? [hidden] : []), ...(gradCell && cell ? [cell] : [])];
	const gradOutputs = [gradHidden, gradCell].filter((gradient) => gradient !== null);
	const given = Object.entries(copies).filter((entry): entry is [string, Tensor] => entry[1] != null);
	const found = grad(
		outputs,
		given.map(([, input]) => input),
		{ gradOutputs, createGraph: true, allowUnused: true },
	);
	return Object.fromEntries(given.map(([name], i) => [name, found[i]])) as Record<keyof typeof copies, Tensor | null>;
}
