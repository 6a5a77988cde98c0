/**
 * One direction of one recurrent layer over a whole sequence, as one operation.
 *
 * The caller passes the products of the inputs with their weights, for all steps at once. A step is then two launches, forward and
 * backward: a product of the state with its weights, and the kernel of the cell. In the backward pass that kernel also adds the gradients
 * that the gates give the state, because one product of that depth would be split on GPUs and need another launch. The gradient of the
 * recurrent weights is one product over all steps. With float16 weights a step has a third launch, which rounds the factor. If the walk
 * is recorded, or states are projected, plain operations compose the layer.
 */

import { grad } from '../autograd/backward';
import { defineOperation } from '../autograd/operation';
import { setRequiresGrad } from '../autograd/tape';
import { type CellKind, GATES, SAVED } from '../backends/contract/rnn';
import { elementwiseKernels, layoutKernels, matmulKernels, rnnKernels } from '../backends/kernels';
import { copyOf, emptyOn, packed, type Tensor, viewOf } from '../tensor';
import { requireRank, requireSameDevice, requireShape } from '../tensorChecks';
import { composed } from './composed';
import { arange } from './creation';
import { add, lt, mul, relu, sigmoid, sub, tanh, to, where } from './elementwise';
import { chunk, flip, narrow, reshape, select, stack, transpose, unflatten, unsqueeze } from './layout';
import { linear, matmul } from './matmul';
import { sum } from './reduce';

interface RecurrentInput {
	/** The products of the inputs with their weights plus the input bias, [T, B, G]. */
	readonly x: Tensor;
	/** The initial state, [B, H], or [B, P] with a projection. */
	readonly h0: Tensor;
	/** The initial cell state of an LSTM, [B, H]. */
	readonly c0?: Tensor | null;
	/** [G, H], or [G, P]. */
	readonly weight: Tensor;
	/** The projection of an LSTM, [P, H]. Its product with the state is the output and goes to the next step. Sak et al. 2014. */
	readonly projection?: Tensor | null;
	/** [G]. */
	readonly bias?: Tensor | null;
	/** The length of each row's sequence, int32 [B], checked by the caller. After its end a row keeps its state, and its outputs are 0. */
	readonly lengths?: Tensor | null;
}

interface RecurrentOutput {
	/** [T, B, H], or [T, B, P]. */
	readonly y: Tensor;
	/** The last state, [B, H] or [B, P]. */
	readonly h: Tensor;
	/** The last cell state of an LSTM, [B, H]; else null. */
	readonly c: Tensor | null;
}

function check(operation: string, kind: CellKind, { x, h0, c0, weight, bias, projection, lengths }: RecurrentInput): void {
	const gates = GATES[kind];
	const states = weight.shape[1] ?? 0;
	const units = projection?.shape[1] ?? states;
	requireRank(operation, 'x', x, `[T, B, ${gates} H]`, 3);
	const rows = x.shape[1]!;
	requireShape(operation, 'weight', weight, [gates * units, states], x, 'x');
	if (projection) requireShape(operation, 'projection', projection, [states, units], weight, 'weight');
	requireShape(operation, 'x', x, [x.shape[0]!, rows, gates * units], weight, 'weight');
	requireShape(operation, 'h0', h0, [rows, states], weight, 'weight');
	if (kind === 'lstm') requireShape(operation, 'c0', c0 ?? h0, [rows, units], weight, 'weight');
	if (bias) requireShape(operation, 'bias', bias, [gates * units], weight, 'weight');
	requireSameDevice(operation, x, ...[weight, h0, c0, bias, projection, lengths].filter((tensor) => tensor != null));
}

/**
 * Runs a cell over a sequence, with `reverse` from its end to its beginning. Differentiable by all inputs except the lengths. All inputs
 * have one dtype, which is not float16; the caller ensures this. Or weight, bias and projection are float16 and the others float32: then
 * the products with them take float16, and the states and all between the products stay float32.
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
		const { backend } = x;
		const [steps, rows] = [x.shape[0]!, x.shape[1]!];
		const units = h0.shape[1]!;
		const gates = forSteps(x);
		const ends = lengths ? forSteps(lengths) : undefined;
		const hidden = statesFrom(h0, steps);
		const cells = c0 ? statesFrom(c0, steps) : undefined;
		const kept = emptyOn(x, [steps, rows, SAVED[kind] * units]);
		const across = transpose(weight, 0, 1);
		const products = emptyOn(x, [rows, GATES[kind] * units]);
		const operand = operandOf(weight, [rows, units]);
		for (let slot = 0; slot < steps; slot++) {
			const time = reverse ? steps - 1 - slot : slot;
			matmulKernels(backend).matmul(
				{ a: operand(entry(hidden, slot)), b: across, ...(bias ? { bias } : {}) },
				{ out: products },
				{},
			);
			rnnKernels(backend).rnnStep(
				{ x: gates, recurrent: products, ...(ends ? { lengths: ends } : {}) },
				{ hidden, kept, ...(cells ? { cell: cells } : {}) },
				{ cell: kind, slot, time },
			);
		}
		// A separate output, so that its gradient is not a mostly-zero [T + 1, ...] tensor.
		return { hidden, cell: cells && copyOf(entry(cells, steps)), kept, cells };
	},
	saves: ['x', 'h0', 'weight', 'bias', 'c0', 'lengths', 'hidden', 'kept', 'cells'],
	vjp: (gradient, saved, { kind, reverse }) => composedGradients(kind, saved, reverse, gradient.hidden, gradient.cell),
	fusedVjp: (gradient, { x, weight, bias, lengths, hidden, kept, cells }, { kind, reverse }, needs) => {
		const { backend } = x;
		const [steps, rows, units] = [x.shape[0]!, x.shape[1]!, hidden.shape[2]!];
		const gates = GATES[kind];
		const columns = gates * units;
		// The kernel reads gradients by time. Slot 0, the initial state, is added at the end.
		const bySlot = gradient.hidden ?? zerosOn(x, hidden.shape);
		const later = narrow(bySlot, 0, 1, steps);
		const gradY = forSteps(reverse ? flip(later, [0]) : later);
		const ends = lengths ? forSteps(lengths) : undefined;
		const gradX = emptyOn(x, [steps, rows, columns]);
		const gradRecurrent = kind === 'gru' ? emptyOn(x, [steps, rows, columns]) : null;
		const carry = zerosOn(x, [rows, units]);
		const cellCarry = cells && (gradient.cell ? copyOf(gradient.cell) : zerosOn(x, [rows, units]));
		const products = emptyOn(x, [gates, rows, units]);
		const source = gradRecurrent ?? gradX;
		const ofGates = unflatten(weight, 0, [gates, units]);
		const operand = operandOf(weight, [rows, columns]);
		for (let slot = steps - 1; slot >= 0; slot--) {
			const time = reverse ? steps - 1 - slot : slot;
			rnnKernels(backend).rnnStepGrad(
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
			const now = operand(entry(source, time));
			const gradients = viewOf(now, [gates, rows, units], [units, columns, 1], now.offset);
			matmulKernels(backend).matmul({ a: gradients, b: ofGates }, { out: products }, {});
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
			weight: needs.weight && matmul(transpose(to(flat, weight.dtype), 0, 1), to(states, weight.dtype)),
			bias: bias && needs.bias && sum(flat, 0),
			c0: cellCarry,
		};
	},
});

/** Whether a row's sequence still runs at each time, bool [T, B, 1]. */
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
	layoutKernels(initial.backend).copyInto({ x: initial }, { y: entry(states, 0) }, {});
	return states;
}

/** Converts one step's operands of products with `weight`, of one shape, to its dtype. */
function operandOf(weight: Tensor, shape: readonly number[]): (x: Tensor) => Tensor {
	if (weight.dtype !== 'float16') return (x) => x;
	const half = emptyOn(weight, shape);
	return (x) => {
		elementwiseKernels(half.backend).cast({ x }, { y: half }, {});
		return half;
	};
}

function zerosOn(x: Tensor, shape: readonly number[]): Tensor {
	const y = emptyOn(x, shape);
	layoutKernels(y.backend).fill({}, { y }, { value: 0 });
	return y;
}

/** x in the layout of the step kernels: contiguous, from the start of its memory. */
function forSteps(x: Tensor): Tensor {
	return x.offset === 0 ? packed(x) : copyOf(x);
}

/** `linear` in the dtype of the weight, and its result in that of x. */
function product(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
	return to(linear(to(x, weight.dtype), weight, bias), x.dtype);
}

/** The layer in differentiable operations. Returns all slots of the state, and the last cell state. */
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
		const fromH = product(h, weight, bias ?? null);
		let next: Tensor;
		let nextCell = c;
		if (kind === 'lstm') {
			const [i, f, g, o] = chunk(add(fromX, fromH), 4, 1) as [Tensor, Tensor, Tensor, Tensor];
			nextCell = add(mul(sigmoid(f), c!), mul(sigmoid(i), tanh(g)));
			const output = mul(sigmoid(o), tanh(nextCell));
			next = projection ? product(output, projection) : output;
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

/** The gradients of the layer, in differentiable operations. */
function composedGradients(
	kind: CellKind,
	{ x, h0, weight, bias, c0, lengths }: RecurrentInput,
	reverse: boolean,
	gradHidden: Tensor | null,
	gradCell: Tensor | null,
) {
	// `grad` needs a place on the tape for every input, also for one that requires no gradient.
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
