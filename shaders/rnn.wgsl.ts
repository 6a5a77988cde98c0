/**
 * One time step of recurrent cells, forward and backward. One launch does everything in the step except the matrix products.
 *
 * Layout: row-major [time or slot, row, gate, unit]; an invocation computes one unit of one row. Slots hold states: a step reads
 * slot s and writes slot s + 1 of the same buffer, so states have one read_write binding. All memory is contiguous at offset 0.
 * If a row's sequence has ended (time >= lengths[row]), its state and its gradient pass on unchanged.
 * The cells and their numbers of gates are those of src/backends/contract/rnn.ts.
 *
 * There is one variant for each cell. A step moves a few kilobytes, so the number of launches matters and tiling would gain
 * nothing.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, read, readWrite, type StorageType } from './shader';

type RnnVariant = {
	readonly cell: 'lstm' | 'gru' | 'tanh' | 'relu';
	readonly storage: StorageType;
	readonly lengths: boolean;
	/** Backward: whether a later step has passed a recurrent gradient on. */
	readonly later: boolean;
};

const RNN_PARAMS = { rows: 'u32', units: 'u32', slot: 'u32', time: 'u32' } as const;

/** The clamps avoid infinity / infinity. clamp, min and max may drop NaN, so its bits are tested. */
const FUNCTIONS = wgsl`
fn isNan(x: f32) -> bool {
	return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}
fn logistic(x: f32) -> f32 {
	return select(1.0 / (1.0 + exp(-clamp(x, -80.0, 80.0))), x, isNan(x));
}
fn hyperbolic(x: f32) -> f32 {
	let e = exp(-2.0 * min(abs(x), 20.0));
	let small = x * x;
	// Near 0 the quotient loses digits that the series keeps.
	let series = x * (1.0 - small * (1.0 / 3.0 - small * (2.0 / 15.0 - small * (17.0 / 315.0))));
	return select(sign(x) * (1.0 - e) / (1.0 + e), series, (abs(x) < 0.15) | isNan(x));
}
`;

export const rnnStep = defineKernel({
	name: 'rnn.step',
	params: RNN_PARAMS,
	define({ cell, storage, lengths }: RnnVariant) {
		const lstm = cell === 'lstm';
		return {
			bindings: {
				x: read(storage),
				recurrent: read(storage),
				hidden: readWrite(storage),
				kept: readWrite(storage),
				cells: lstm && readWrite(storage),
				lengths: lengths && read('i32'),
			},
			invocations: 'p.rows * p.units',
			functions: FUNCTIONS,
			main: wgsl`
	let size = p.rows * p.units;
	let row = i / p.units;
	let unit = i % p.units;
	let before = p.slot * size + i;
	let after = before + size;
#if ${lengths}
	if (i32(p.time) >= lengths[row]) {
		hidden[after] = hidden[before];
#if ${lstm}
		cells[after] = cells[before];
#endif
		return;
	}
#endif
#if ${lstm}
	let gx = (p.time * p.rows + row) * 4u * p.units + unit;
	let gh = row * 4u * p.units + unit;
	let input = logistic(f32(x[gx]) + f32(recurrent[gh]));
	let f = logistic(f32(x[gx + p.units]) + f32(recurrent[gh + p.units]));
	let g = hyperbolic(f32(x[gx + 2u * p.units]) + f32(recurrent[gh + 2u * p.units]));
	let o = logistic(f32(x[gx + 3u * p.units]) + f32(recurrent[gh + 3u * p.units]));
	let next = f * f32(cells[before]) + input * g;
	cells[after] = ${storage}(next);
	hidden[after] = ${storage}(o * hyperbolic(next));
	kept[gx] = ${storage}(input);
	kept[gx + p.units] = ${storage}(f);
	kept[gx + 2u * p.units] = ${storage}(g);
	kept[gx + 3u * p.units] = ${storage}(o);
#elif ${cell === 'gru'}
	let gx = (p.time * p.rows + row) * 3u * p.units + unit;
	let gh = row * 3u * p.units + unit;
	let k = (p.time * p.rows + row) * 4u * p.units + unit;
	let r = logistic(f32(x[gx]) + f32(recurrent[gh]));
	let z = logistic(f32(x[gx + p.units]) + f32(recurrent[gh + p.units]));
	let fromH = f32(recurrent[gh + 2u * p.units]);
	let n = hyperbolic(f32(x[gx + 2u * p.units]) + r * fromH);
	hidden[after] = ${storage}((1.0 - z) * n + z * f32(hidden[before]));
	kept[k] = ${storage}(r);
	kept[k + p.units] = ${storage}(z);
	kept[k + 2u * p.units] = ${storage}(n);
	kept[k + 3u * p.units] = ${storage}(fromH);
#else
	let sum = f32(x[p.time * size + i]) + f32(recurrent[i]);
#if ${cell === 'tanh'}
	let next = hyperbolic(sum);
#else
	let next = select(max(sum, 0.0), sum, isNan(sum));
#endif
	hidden[after] = ${storage}(next);
	kept[p.time * size + i] = ${storage}(next);
#endif
`,
		};
	},
});

export const rnnStepGrad = defineKernel({
	name: 'rnn.stepGrad',
	params: RNN_PARAMS,
	define({ cell, storage, lengths, later }: RnnVariant) {
		const [lstm, gru] = [cell === 'lstm', cell === 'gru'];
		return {
			bindings: {
				gradY: read(storage),
				kept: read(storage),
				gradX: readWrite(storage),
				carry: readWrite(storage),
				cells: lstm && read(storage),
				cellCarry: lstm && readWrite(storage),
				hidden: gru && read(storage),
				gradRecurrent: gru && readWrite(storage),
				recurrent: later && read(storage),
				lengths: lengths && read('i32'),
			},
			invocations: 'p.rows * p.units',
			functions: FUNCTIONS,
			main: wgsl`
	let size = p.rows * p.units;
	let row = i / p.units;
	let unit = i % p.units;
	var gradient = f32(carry[i]) + f32(gradY[p.time * size + i]);
#if ${later}
	for (var gate = 0u; gate < ${lstm ? 4 : gru ? 3 : 1}u; gate++) {
		gradient += f32(recurrent[gate * size + i]);
	}
#endif
#if ${lstm}
	let gx = (p.time * p.rows + row) * 4u * p.units + unit;
#elif ${gru}
	let gx = (p.time * p.rows + row) * 3u * p.units + unit;
#else
	let gx = p.time * size + i;
#endif
#if ${lengths}
	if (i32(p.time) >= lengths[row]) {
		gradX[gx] = ${storage}(0.0);
#if ${lstm || gru}
		gradX[gx + p.units] = ${storage}(0.0);
		gradX[gx + 2u * p.units] = ${storage}(0.0);
#endif
#if ${lstm}
		gradX[gx + 3u * p.units] = ${storage}(0.0);
#endif
#if ${gru}
		gradRecurrent[gx] = ${storage}(0.0);
		gradRecurrent[gx + p.units] = ${storage}(0.0);
		gradRecurrent[gx + 2u * p.units] = ${storage}(0.0);
#endif
		carry[i] = ${storage}(gradient);
		return;
	}
#endif
#if ${lstm}
	let before = p.slot * size + i;
	let input = f32(kept[gx]);
	let f = f32(kept[gx + p.units]);
	let g = f32(kept[gx + 2u * p.units]);
	let o = f32(kept[gx + 3u * p.units]);
	let tanhC = hyperbolic(f32(cells[before + size]));
	let gradC = f32(cellCarry[i]) + gradient * o * (1.0 - tanhC * tanhC);
	gradX[gx] = ${storage}(gradC * g * input * (1.0 - input));
	gradX[gx + p.units] = ${storage}(gradC * f32(cells[before]) * f * (1.0 - f));
	gradX[gx + 2u * p.units] = ${storage}(gradC * input * (1.0 - g * g));
	gradX[gx + 3u * p.units] = ${storage}(gradient * tanhC * o * (1.0 - o));
	cellCarry[i] = ${storage}(gradC * f);
	carry[i] = ${storage}(0.0);
#elif ${gru}
	let k = (p.time * p.rows + row) * 4u * p.units + unit;
	let r = f32(kept[k]);
	let z = f32(kept[k + p.units]);
	let n = f32(kept[k + 2u * p.units]);
	let fromH = f32(kept[k + 3u * p.units]);
	let gradN = gradient * (1.0 - z) * (1.0 - n * n);
	let gradR = gradN * fromH * r * (1.0 - r);
	let gradZ = gradient * (f32(hidden[p.slot * size + i]) - n) * z * (1.0 - z);
	gradX[gx] = ${storage}(gradR);
	gradX[gx + p.units] = ${storage}(gradZ);
	gradX[gx + 2u * p.units] = ${storage}(gradN);
	gradRecurrent[gx] = ${storage}(gradR);
	gradRecurrent[gx + p.units] = ${storage}(gradZ);
	gradRecurrent[gx + 2u * p.units] = ${storage}(gradN * r);
	carry[i] = ${storage}(gradient * z);
#else
	let out = f32(kept[gx]);
#if ${cell === 'tanh'}
	gradX[gx] = ${storage}(gradient * (1.0 - out * out));
#else
	gradX[gx] = ${storage}(select(0.0, gradient, out > 0.0));
#endif
	carry[i] = ${storage}(0.0);
#endif
`,
		};
	},
});
