/** Textbook factorisations: the reference for shaders/linalg.wgsl.ts. */
import type { LinalgKernels } from '../contract/linalg';
import { cpuData } from './storage';

export const linalg: LinalgKernels = {
	luFactor(_inputs, { lu, permutation, sign }) {
		const [batch, n] = lu.shape as [number, number, number];
		const stored = cpuData(lu);
		const a = Float64Array.from(stored);
		const order = cpuData(permutation);
		const signs = cpuData(sign);
		for (let b = 0; b < batch; b++) {
			const at = (i: number, j: number) => (b * n + i) * n + j;
			for (let k = 0; k < n; k++) {
				let pivot = k;
				for (let i = k + 1; i < n; i++) if (Math.abs(a[at(i, k)]!) > Math.abs(a[at(pivot, k)]!)) pivot = i;
				if (pivot !== k) {
					for (let j = 0; j < n; j++) [a[at(k, j)], a[at(pivot, j)]] = [a[at(pivot, j)]!, a[at(k, j)]!];
					[order[b * n + k], order[b * n + pivot]] = [order[b * n + pivot]!, order[b * n + k]!];
					signs[b] = -signs[b]!;
				}
				if (a[at(k, k)] === 0) continue;
				for (let i = k + 1; i < n; i++) {
					const factor = a[at(i, k)]! / a[at(k, k)]!;
					a[at(i, k)] = factor;
					for (let j = k + 1; j < n; j++) a[at(i, j)]! -= factor * a[at(k, j)]!;
				}
			}
		}
		stored.set(a);
	},

	choleskyFactor(_inputs, { l }) {
		const [batch, n] = l.shape as [number, number, number];
		const stored = cpuData(l);
		const a = Float64Array.from(stored);
		for (let b = 0; b < batch; b++) {
			const at = (i: number, j: number) => (b * n + i) * n + j;
			for (let j = 0; j < n; j++) {
				for (let i = 0; i < j; i++) a[at(i, j)] = 0;
				let rest = a[at(j, j)]!;
				for (let k = 0; k < j; k++) rest -= a[at(j, k)]! ** 2;
				const pivot = rest > 0 ? Math.sqrt(rest) : Number.NaN;
				a[at(j, j)] = pivot;
				for (let i = j + 1; i < n; i++) {
					let sum = a[at(i, j)]!;
					for (let k = 0; k < j; k++) sum -= a[at(i, k)]! * a[at(j, k)]!;
					a[at(i, j)] = sum / pivot;
				}
			}
		}
		stored.set(a);
	},

	triangularSolve({ t }, { x }, { upper, unit }) {
		const [batch, n, columns] = x.shape as [number, number, number];
		const matrix = cpuData(t);
		const stored = cpuData(x);
		const result = Float64Array.from(stored);
		for (let b = 0; b < batch; b++) {
			for (let c = 0; c < columns; c++) {
				for (let step = 0; step < n; step++) {
					const i = upper ? n - 1 - step : step;
					let sum = result[(b * n + i) * columns + c]!;
					const [from, to] = upper ? [i + 1, n] : [0, i];
					for (let j = from; j < to; j++) sum -= matrix[(b * n + i) * n + j]! * result[(b * n + j) * columns + c]!;
					result[(b * n + i) * columns + c] = unit ? sum : sum / matrix[(b * n + i) * n + i]!;
				}
			}
		}
		stored.set(result);
	},
};
