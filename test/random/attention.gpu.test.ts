import { scaledDotProductAttention, type Tensor } from 'wgrad';
import type { Case, Draw, Input } from './draw';
import { testRandom } from './drive';

/** The incoming gradient is below 1.5. */
const GRADIENT = 1.5;

/** Leading dims of an operand that broadcast with the others. */
function leading(d: Draw, batch: readonly number[]): number[] {
	return batch.map((size) => (d.oneIn(6) ? 1 : size));
}

/** A bool or floating mask, broadcast in any dim; some queries may attend to no key. */
function drawMask(d: Draw, shape: readonly number[]): Input | null {
	const kind = d.int(0, 4);
	if (kind < 2) return null;
	const mask = d.broadcast(shape);
	return kind < 4 ? d.input(mask, 'bool', { low: 0, high: 2 }) : d.input(mask, 'float32', { low: -2, high: 2 });
}

/**
 * Each mask, dropout and read width needs a pipeline that is slow to compile, so sizes with vector reads have neither mask nor
 * dropout.
 */
function draw(d: Draw): Case {
	const batch = d.pick([[], [2], [1, 3]]);
	const enableGqa = d.oneIn(3);
	const keyHeads = d.int(1, 2);
	const heads = enableGqa ? keyHeads * d.int(1, 3) : keyHeads;
	const [length, keys] = [d.size({ most: 33 }), d.size({ most: 33 })];
	const size = d.pick([1, 3, 5, 7, 9, 4, 8]);
	const plain = size % 4 === 0;
	const valueSize = d.oneIn(3) ? (plain ? 12 : d.pick([2, 6, 11])) : size;
	const high = d.oneIn(3) ? 4 : 1;
	const of = (heads: number, rows: number, columns: number) =>
		d.input([...leading(d, batch), heads, rows, columns], 'float32', { low: -high, high });
	const inputs = [of(heads, length, size), of(keyHeads, keys, size), of(keyHeads, keys, valueSize)];
	const mask = plain ? null : drawMask(d, [...batch, heads, length, keys]);
	const scale = d.oneIn(3) ? d.pick([0.5, 1, 0.1]) : size ** -0.5;
	const dropped = !plain && mask === null && d.oneIn(3);
	const options = { isCausal: d.oneIn(3), enableGqa, scale, ...(dropped && { dropoutP: 0.3 }) };
	const call = ([q, k, v, attnMask]: Tensor[]) =>
		scaledDotProductAttention(q!, k!, v!, { ...options, ...(attnMask && { attnMask }) });
	// The gradient of a score is a difference of two sums of `valueSize` products, which may cancel. Their rounding remains after
	// the product with a key, even if the gradient is 0, as with a single key. Keys add it up over the queries that share them, and
	// operands without a batch add it up over the batch: independent roundings, which grow with the square root of their number.
	const cancelled = 2 * valueSize * GRADIENT * high * scale * high * 2 ** -24;
	const summed = ((length * heads) / keyHeads) * batch.reduce((product, size) => product * size, 1);
	const given = mask === null ? inputs : [...inputs, mask];
	return d.case('scaledDotProductAttention', given, call, options, {
		absolute: Math.max(cancelled, 2 ** -22),
		absoluteGradient: Math.max(cancelled * Math.sqrt(summed), 2 ** -22),
	});
}

testRandom('attention', draw);
