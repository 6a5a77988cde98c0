/** Reference steps of recurrent cells. */
import type { View } from '../contract';
import { GATES, type RnnKernels, SAVED } from '../contract/rnn';
import { cpuData } from './storage';

function sigmoid(x: number): number {
	return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/** Rows, hidden units. */
function sizes(hidden: View): [rows: number, units: number] {
	return [hidden.shape[1]!, hidden.shape[2]!];
}

export const rnn: RnnKernels = {
	rnnStep({ x, recurrent, lengths }, { hidden, cell, kept }, { cell: kind, slot, time }) {
		const [rows, units] = sizes(hidden);
		const [gx, gh, h, k] = [cpuData(x), cpuData(recurrent), cpuData(hidden), cpuData(kept)];
		const c = cell === undefined ? null : cpuData(cell);
		const ends = lengths === undefined ? null : cpuData(lengths);
		const gates = GATES[kind] * units;
		for (let row = 0; row < rows; row++) {
			for (let j = 0; j < units; j++) {
				const before = (slot * rows + row) * units + j;
				const after = before + rows * units;
				if (ends !== null && time >= ends[row]!) {
					h[after] = h[before]!;
					if (c !== null) c[after] = c[before]!;
					continue;
				}
				const fromX = (gate: number) => gx[(time * rows + row) * gates + gate * units + j]!;
				const fromH = (gate: number) => gh[row * gates + gate * units + j]!;
				const keep = (...values: number[]) => {
					values.forEach((value, gate) => {
						k[(time * rows + row) * SAVED[kind] * units + gate * units + j] = value;
					});
				};
				if (kind === 'lstm') {
					const [i, f, o] = [sigmoid(fromX(0) + fromH(0)), sigmoid(fromX(1) + fromH(1)), sigmoid(fromX(3) + fromH(3))];
					const g = Math.tanh(fromX(2) + fromH(2));
					const next = f * c![before]! + i * g;
					c![after] = next;
					h[after] = o * Math.tanh(next);
					keep(i, f, g, o);
				} else if (kind === 'gru') {
					const [r, z] = [sigmoid(fromX(0) + fromH(0)), sigmoid(fromX(1) + fromH(1))];
					const n = Math.tanh(fromX(2) + r * fromH(2));
					h[after] = (1 - z) * n + z * h[before]!;
					keep(r, z, n, fromH(2));
				} else {
					const sum = fromX(0) + fromH(0);
					const next = kind === 'tanh' ? Math.tanh(sum) : Math.max(sum, 0);
					h[after] = next;
					keep(next);
				}
			}
		}
	},

	rnnStepGrad(
		{ gradY, recurrent, hidden, cell, kept, lengths },
		{ gradX, gradRecurrent, carry, cellCarry },
		{ cell: kind, slot, time },
	) {
		const [rows, units] = sizes(hidden);
		const [gy, h, k, dx, direct] = [cpuData(gradY), cpuData(hidden), cpuData(kept), cpuData(gradX), cpuData(carry)];
		const later = recurrent === undefined ? null : cpuData(recurrent);
		const c = cell === undefined ? null : cpuData(cell);
		const dc = cellCarry === undefined ? null : cpuData(cellCarry);
		const dh = gradRecurrent === undefined ? null : cpuData(gradRecurrent);
		const ends = lengths === undefined ? null : cpuData(lengths);
		const gates = GATES[kind] * units;
		for (let row = 0; row < rows; row++) {
			for (let j = 0; j < units; j++) {
				const unit = row * units + j;
				const put = (gate: number, value: number, recurrentValue = value) => {
					const position = (time * rows + row) * gates + gate * units + j;
					dx[position] = value;
					if (dh !== null) dh[position] = recurrentValue;
				};
				let gradient = direct[unit]! + gy[(time * rows + row) * units + j]!;
				for (let gate = 0; later !== null && gate < GATES[kind]; gate++) gradient += later[gate * rows * units + unit]!;
				if (ends !== null && time >= ends[row]!) {
					for (let gate = 0; gate < GATES[kind]; gate++) put(gate, 0);
					direct[unit] = gradient;
					continue;
				}
				const before = (slot * rows + row) * units + j;
				const was = (index: number) => k[(time * rows + row) * SAVED[kind] * units + index * units + j]!;
				if (kind === 'lstm') {
					const [i, f, g, o] = [was(0), was(1), was(2), was(3)];
					const tanhC = Math.tanh(c![before + rows * units]!);
					const gradC = dc![unit]! + gradient * o * (1 - tanhC * tanhC);
					put(0, gradC * g * i * (1 - i));
					put(1, gradC * c![before]! * f * (1 - f));
					put(2, gradC * i * (1 - g * g));
					put(3, gradient * tanhC * o * (1 - o));
					dc![unit] = gradC * f;
					direct[unit] = 0;
				} else if (kind === 'gru') {
					const [r, z, n, fromH] = [was(0), was(1), was(2), was(3)];
					const gradN = gradient * (1 - z) * (1 - n * n);
					put(0, gradN * fromH * r * (1 - r));
					put(1, gradient * (h[before]! - n) * z * (1 - z));
					put(2, gradN, gradN * r);
					direct[unit] = gradient * z;
				} else {
					const out = was(0);
					put(0, kind === 'tanh' ? gradient * (1 - out * out) : out > 0 ? gradient : 0);
					direct[unit] = 0;
				}
			}
		}
	},
};
