/** What runs along one dim, in plain loops: the reference for shaders/reduceScan.wgsl.ts and reduceMedian.wgsl.ts. Sums are float64. */
import { isFloating } from '../../core/dtype';
import type { LineKernels } from '../contract/lines';
import { type Line, splitPositions } from './reduce';
import { cpuData } from './storage';

export const lines: LineKernels = {
	median({ x }, { values, indices }, { dim }) {
		const data = cpuData(x);
		const { kept, reduced } = splitPositions(x, [dim]);
		const count = reduced.length;
		kept.forEach((base, k) => {
			const at: Line = (j) => data[base + reduced[j]!]!;
			const order = Array.from({ length: count }, (_, j) => j).sort((i, j) => at(i) - at(j) || i - j);
			const nan = order.findIndex((_, j) => Number.isNaN(at(j)));
			const middle = at(order[(count - 1) >> 1]!);
			let position = 0;
			while (nan < 0 && at(position) !== middle) position++;
			cpuData(values)[k] = nan < 0 ? middle : NaN;
			cpuData(indices)[k] = nan < 0 ? position : nan;
		});
	},

	scan({ x, a }, { y }, { op, dim, reverse }) {
		const data = cpuData(x);
		const result = cpuData(y);
		const from = splitPositions(x, [dim]);
		const to = splitPositions(y, [dim]);
		const count = from.reduced.length;
		const integer = !isFloating(x.dtype);
		from.kept.forEach((base, k) => {
			let running = op === 'prod' ? 1 : 0;
			for (let step = 0; step < count; step++) {
				const j = reverse ? count - 1 - step : step;
				const value = data[base + from.reduced[j]!]!;
				const target = to.kept[k]! + to.reduced[j]!;
				if (op === 'sum') running += value;
				else if (op === 'prod') running = integer ? Math.imul(running, value) : running * value;
				else running = cpuData(a!)[a!.offset + target]! * running + value;
				result[target] = running;
			}
		});
	},
};
