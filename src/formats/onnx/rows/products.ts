/** Products, normalization of groups, softmax, attention and recurrent layers as ONNX nodes. */
import type { DType } from '../../../core/dtype';
import type { Call, Row, Rows } from '../call';
import { float, type Name } from '../graph';
import { count, type Size, sameSizes } from '../symbols';
import { Formula } from './elementwise';
import { expanded, permuted, reshaped, sliced } from './layout';

/** The lowest finite number of half precision and of the others, for scores that must not count. */
function lowest(dtype: DType): number {
	return dtype === 'float16' ? -65504 : -3e38;
}

const linear: Row = (c) => {
	const bias = c.optional('bias');
	if (c.shape('x').length === 2) return c.add('Gemm', [c.in('x'), c.in('weight'), bias], { transB: 1 });
	const y = c.add('MatMul', [c.in('x'), c.add('Transpose', [c.in('weight')], { perm: [1, 0] })]);
	return bias === null ? y : c.add('Add', [y, bias]);
};

interface Groups {
	readonly batch: Size;
	readonly channels: Size;
	readonly groups: Size;
	readonly spatial: Size;
	readonly eps: number;
	readonly centred: boolean;
}

const groupNorm: Row = (c) => {
	const { batch, channels, groups, spatial, eps, centred } = c.attributes<Groups>();
	const shape = c.shape('x');
	const { dtype } = c.output();
	const isLast = groups === 1 && spatial === 1 && c.step.name !== 'groupNorm';
	// Layer normalization: the weight has the shape of the last dims.
	const own = c.has('weight') ? c.shape('weight') : c.has('bias') ? c.shape('bias') : null;
	if (isLast && centred) {
		const last = own ?? lastDims(shape, channels);
		const scale = c.has('weight') ? c.as('weight', dtype) : c.graph.constant(dtype, c.numbers(last, 'the size'), ones(c, last));
		const inputs = [c.in('x'), scale, c.has('bias') ? c.as('bias', dtype) : null];
		return c.add('LayerNormalization', inputs, { axis: -last.length, epsilon: float(eps) });
	}
	const wide = c.wide(dtype);
	const f = new Formula(c, wide);
	const parts = [batch, groups, count([channels, spatial])];
	const x = c.as('x', wide);
	const grouped = isLast ? x : c.add('Reshape', [x, c.graph.integers([0, groups, -1])]);
	const dims = isLast ? lastDims(shape, channels).map((_, i) => -1 - i) : [2];
	const mean = (y: Name) => c.add('ReduceMean', [y, c.graph.integers(dims)], { keepdims: 1 });
	const deviation = centred ? f.sub(grouped, mean(grouped)) : grouped;
	const normal = f.div(deviation, f.op('Sqrt', f.add(mean(f.mul(deviation, deviation)), eps)));
	const rank = shape.length;
	let y = isLast ? normal : reshaped(c, normal, parts, shape);
	const beside = (key: string) => {
		const parameter = c.as(key, wide);
		return isLast ? parameter : reshaped(c, parameter, c.shape(key), [c.shape(key)[0]!, ...new Array<number>(rank - 2).fill(1)]);
	};
	if (c.has('weight')) y = f.mul(y, beside('weight'));
	if (c.has('bias')) y = f.add(y, beside('bias'));
	return c.graph.cast(y, wide, dtype);
};

/** The last dims that have `size` elements together. */
function lastDims(shape: readonly Size[], size: Size): readonly Size[] {
	let at = shape.length - 1;
	while (at > 0 && !sameSizes([count(shape.slice(at))], [size])) at--;
	return shape.slice(at);
}

function ones(c: Call, shape: readonly Size[]): number[] {
	return new Array<number>(c.number(count(shape), 'the size')).fill(1);
}

interface Attention {
	readonly scale: number;
	readonly causal: boolean;
	readonly dropout: unknown;
}

const attention: Row = (c) => {
	const { scale, causal, dropout } = c.attributes<Attention>();
	if (dropout !== null) c.refuse('it drops weights at random');
	const { dtype } = c.output();
	const f = new Formula(c, dtype);
	const [batch, heads, length, size] = c.shape('q') as [Size, Size, Size, Size];
	const [, groups, keys] = c.shape('k') as [Size, Size, Size, Size];
	const shares = !sameSizes([groups], [heads]);
	const perGroup = shares ? c.number(heads, 'the number of heads') / c.number(groups, 'the number of groups') : 1;
	const lead = shares ? [batch, groups, perGroup] : [batch, heads];
	const grouped = (key: string) => (shares ? c.add('Unsqueeze', [c.in(key), c.graph.integers([2])]) : c.in(key));
	const q = reshaped(c, c.in('q'), c.shape('q'), [...lead, length, size]);
	const rank = lead.length;
	const turned = permuted(c, grouped('k'), [...lead.keys(), rank + 1, rank]);
	let scores = c.add('MatMul', [f.mul(q, scale), turned]);
	let allowed: Name | null = null;
	let canBeEmpty = false;
	if (c.has('mask')) {
		const mask = reshaped(c, c.in('mask'), c.shape('mask'), [...lead, length, keys]);
		canBeEmpty = true;
		if (c.dtype('mask') === 'bool') allowed = mask;
		else {
			const wide = c.graph.cast(mask, c.dtype('mask'), 'float32');
			allowed = f.op('Not', c.add('IsInf', [wide], { detect_positive: 0 }));
			scores = f.add(scores, f.where(allowed, mask, 0));
		}
	}
	if (causal) {
		const square = c.add('Expand', [c.scalar(1, 'int32'), c.graph.integers([length, keys])]);
		const order = c.graph.cast(c.add('Trilu', [square], { upper: 0 }), 'int32', 'bool');
		allowed = allowed === null ? order : f.op('And', allowed, order);
	}
	let weights = c.add('Softmax', [allowed === null ? scores : f.where(allowed, scores, lowest(dtype))], { axis: -1 });
	if (canBeEmpty) weights = f.where(allowed!, weights, 0);
	const y = c.add('MatMul', [weights, grouped('v')]);
	return reshaped(c, y, [...lead, length, c.shape('v')[3]!], c.output().shape);
};

interface Layer {
	readonly kind: 'lstm' | 'gru' | 'tanh' | 'relu';
	readonly reverse: boolean;
}

const CELLS = { lstm: 'LSTM', gru: 'GRU', tanh: 'RNN', relu: 'RNN' } as const;
/** The gates of PyTorch in ONNX's order: i o f c of i f c o, and z r n of r z n. */
const ORDER = { lstm: [0, 3, 1, 2], gru: [1, 0, 2], tanh: [0], relu: [0] } as const;

/** One direction of a layer. ONNX takes the inputs themselves, wgrad their products with the weights, which a linear operation made. */
const recurrent: Row = (c) => {
	const { kind, reverse } = c.attributes<Layer>();
	const { dtype } = c.output();
	const order = ORDER[kind];
	const units = c.number(c.shape('h0')[1]!, 'the number of units');
	const inOrder = (weight: Name) => {
		if (order.length === 1) return weight;
		const gates = c.graph.addMany('Split', [weight], { axis: 0, num_outputs: order.length }, order.length);
		return c.add(
			'Concat',
			order.map((gate) => gates[gate]!),
			{ axis: 0 },
		);
	};
	const stacked = (x: Name) => c.add('Unsqueeze', [x, c.graph.integers([0])]);
	const columns = order.length * units;
	const maker = c.makerOf(c.value('x'));
	const isLinear = maker?.kind === 'linear' && maker.inputs.x!.shape.length === 3;
	const name = (key: string) => (maker!.inputs[key] == null ? null : c.names.get(maker!.inputs[key]!)!);
	const zeros = c.graph.constant(dtype, [columns], new Array<number>(columns).fill(0));
	const [x, weight, inputBias] = isLinear
		? [name('x')!, inOrder(name('weight')!), name('bias')]
		: [c.in('x'), inOrder(identity(c, dtype, columns)), null];
	const hidden = c.optional('bias');
	const bias =
		inputBias === null && hidden === null
			? null
			: stacked(
					c.add(
						'Concat',
						[inputBias, hidden].map((part) => (part === null ? zeros : inOrder(part))),
						{ axis: 0 },
					),
				);
	const lengths = c.optional('lengths');
	const inputs = [x, stacked(weight), stacked(inOrder(c.in('weight'))), bias, lengths, stacked(c.in('h0'))];
	if (kind === 'lstm') inputs.push(stacked(c.in('c0')));
	const outputs = c.graph.addMany(
		CELLS[kind],
		inputs,
		{
			hidden_size: units,
			direction: reverse ? 'reverse' : 'forward',
			linear_before_reset: kind === 'gru' ? 1 : undefined,
		},
		kind === 'lstm' ? 3 : 2,
	);
	if (kind === 'relu') activate(c, 'Relu');
	const [states, last, cell] = outputs as [Name, Name, Name?];
	const squeezed = (y: Name, dim: number) => c.add('Squeeze', [y, c.graph.integers([dim])]);
	const byTime = squeezed(states, 1);
	const bySlot = reverse
		? c.add('Slice', [byTime, ...[-1, -(2 ** 31 - 1), 0, -1].map((value) => c.graph.integers([value]))])
		: byTime;
	// Slot 0 holds the initial state, the last one the last state, also of a sequence that ends early.
	const slots = [stacked(c.in('h0')), ...(lengths === null ? [bySlot] : [sliced(c, bySlot, 0, 0, -1), last])];
	return [c.add('Concat', slots, { axis: 0 }), cell === undefined ? null : squeezed(cell, 0)];
};

function activate(c: Call, activation: string): void {
	const node = c.graph.nodes.at(-1)!;
	const strings = [new TextEncoder().encode(activation)];
	c.graph.nodes[c.graph.nodes.length - 1] = {
		...node,
		attribute: [...node.attribute!, { name: 'activations', type: 8, strings }],
	};
}

function identity(c: Call, dtype: DType, size: number): Name {
	return c.graph.constant(
		dtype,
		[size, size],
		Array.from({ length: size * size }, (_, i) => (Math.floor(i / size) === i % size ? 1 : 0)),
	);
}

export const PRODUCTS: Rows = {
	matmul: (c) => c.add('MatMul', [c.in('a'), c.in('b')]),
	linear,
	groupNorm,
	softmax: (c) => {
		const { dim, log } = c.attributes<{ readonly dim: number; readonly log: boolean }>();
		if (c.shape('x').length === 0) return expanded(c, c.scalar(log ? 0 : 1, c.output().dtype), [], []);
		return c.add(log ? 'LogSoftmax' : 'Softmax', [c.in('x')], { axis: dim });
	},
	scaledDotProductAttention: attention,
	rnn: recurrent,
	'linalg.det': (c) => {
		const key = Object.keys(c.step.inputs)[0]!;
		return c.add('Det', [c.in(key)]);
	},
};
