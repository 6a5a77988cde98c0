/** Products and lookups with weights in 8 or 4 bits as ONNX nodes, which unpack the weights. */
import type { Call, Row, Rows } from '../call';
import type { Name } from '../graph';
import { Formula } from './elementwise';
import { sliced } from './layout';

interface Layout {
	readonly bits: 8 | 4;
	readonly groupSize: number;
	readonly columns: number;
}

/** The weight in the dtype of its scales: words of 32 bits, the first code in the lowest bits, each group from a new word on. */
function unpacked(c: Call): Name {
	const { bits, groupSize, columns } = c.attributes<Layout>();
	const { graph } = c;
	const rows = c.number(c.shape('packed')[0]!, 'the number of rows');
	const groups = c.number(c.shape('scale')[1]!, 'the number of groups');
	const perWord = 32 / bits;
	const words = Math.ceil(groupSize / perWord);
	// The last group may be shorter.
	const missing = groups * words - c.number(c.shape('packed')[1]!, 'the number of words');
	const whole = missing === 0 ? c.in('packed') : c.add('Pad', [c.in('packed'), graph.integers([0, 0, 0, missing])]);
	const packed = graph.cast(graph.reshape(whole, [], [rows, groups, words, 1]), 'int32', 'uint32');
	const shifts = Array.from({ length: perWord }, (_, i) => i * bits);
	const shifted = c.add('BitShift', [packed, graph.constant('uint32', [perWord], shifts)], { direction: 'RIGHT' });
	const codes = c.add('BitwiseAnd', [shifted, graph.scalar('uint32', 2 ** bits - 1)]);
	const inGroups = graph.reshape(codes, [], [rows, groups, words * perWord]);
	const used = words * perWord === groupSize ? inGroups : sliced(c, inGroups, 2, 0, groupSize);
	const dtype = c.dtype('scale');
	const f = new Formula(c, dtype);
	const beside = (x: Name) => c.add('Unsqueeze', [x, graph.integers([2])]);
	const zero = c.has('zeroPoint') ? beside(c.as('zeroPoint', dtype)) : 2 ** (bits - 1);
	const values = f.mul(f.sub(graph.cast(used, 'uint32', dtype), zero), beside(c.in('scale')));
	const matrix = graph.reshape(values, [], [rows, groups * groupSize]);
	return groups * groupSize === columns ? matrix : sliced(c, matrix, 1, 0, columns);
}

const linear: Row = (c) => {
	if (!c.has('x')) c.refuse('it is a gradient');
	const { dtype } = c.output();
	const weight = c.graph.cast(unpacked(c), c.dtype('scale'), dtype);
	const y = c.add('MatMul', [c.in('x'), c.add('Transpose', [weight], { perm: [1, 0] })]);
	return c.has('bias') ? c.add('Add', [y, c.in('bias')]) : y;
};

export const QUANTIZED: Rows = {
	dequantizeWeight: unpacked,
	quantizedLinear: linear,
	quantizedEmbedding: (c) => c.add('Gather', [unpacked(c), c.in('indices')], { axis: 0 }),
};
