import { dequantizeWeight, fakeQuantize, quantizedEmbedding, quantizedLinear, type Tensor } from 'wgrad';
import type { Draw, Input } from './draw';
import { testRandom } from './drive';

/** The tensors of a quantised matrix, and a function that makes the matrix from them. */
function matrix(d: Draw, rows: number) {
	const bits = d.pick([8, 4] as const);
	const columns = d.size({ empty: true });
	const groupSize = d.pick([1, 2, 3, 4, 7, 8, 16, 32, 65]);
	const [whole, rest] = [Math.floor(columns / groupSize), columns % groupSize];
	const words = whole * Math.ceil((groupSize * bits) / 32) + Math.ceil((rest * bits) / 32);
	const groups = Math.ceil(columns / groupSize);
	const isAsymmetric = d.bool();
	const inputs: Input[] = [
		d.input([rows, words], 'int32', { low: -(2 ** 31), high: 2 ** 31 }),
		d.input([rows, groups], 'float32', { low: 0.01, high: 0.1, gradient: false }),
		...(isAsymmetric ? [d.input([rows, groups], 'int32', { low: 0, high: 2 ** bits })] : []),
	];
	const make = ([packed, scale, zeroPoint]: readonly Tensor[]) => ({
		packed: packed!,
		scale: scale!,
		zeroPoint: isAsymmetric ? zeroPoint!.to('uint8') : null,
		bits,
		groupSize,
		columns,
	});
	return { inputs, make, columns, args: { bits, groupSize, columns, isAsymmetric } };
}

testRandom('quantized', (d) => {
	const rows = d.size();
	const { inputs, make, columns, args } = matrix(d, rows);
	const count = inputs.length;
	const lead = d.shape(d.int(0, 3), { elements: 70 });
	switch (d.int(0, 9)) {
		case 0:
			return d.case('dequantizeWeight', inputs, (given) => dequantizeWeight(make(given)), args);
		case 1: {
			const indices = d.indices(lead, rows);
			return d.case('quantizedEmbedding', [indices, ...inputs], ([i, ...given]) => quantizedEmbedding(i!, make(given)), args);
		}
		case 2: {
			// Power-of-two steps: a quotient near a half rounds the same way on both devices.
			const x = d.input(lead, 'float32', { multipleOf: 0.25 });
			const [quantMin, quantMax] = [d.int(-9, 0), d.int(1, 9)];
			const call = ([t]: readonly Tensor[]) => fakeQuantize(t!, 0.5, 0, { quantMin, quantMax });
			return d.case('fakeQuantize', [x], call, { quantMin, quantMax }, { ties: true });
		}
		default: {
			const x = d.input([...lead, columns]);
			const bias = d.bool() ? [d.input([rows])] : [];
			const call = ([t, ...given]: readonly Tensor[]) => quantizedLinear(t!, make(given), given[count] ?? null);
			return d.case('quantizedLinear', [x, ...inputs, ...bias], call, args);
		}
	}
});
