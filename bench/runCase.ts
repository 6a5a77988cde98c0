/** Measures one case on WebGPU, and on the CPU reference if asked to. */
import { counters, type Device, manualSeed, tidy } from 'wgrad';
import type { Case } from './cases';
import { type Measurement, measure } from './measure';
import type { Roofline } from './roofline';

export interface Result {
	readonly name: string;
	readonly family: string;
	readonly webgpu: Measurement;
	readonly cpu: Measurement | null;
	readonly gflops: number | null;
	readonly gbps: number | null;
	/** The share of the roofline: of the FMA loop for GFLOP/s, of the copy for GB/s. */
	readonly share: number | null;
	/** Kernels that one call launches. */
	readonly launches: number;
	readonly microsecondsPerOperation: number | null;
	readonly others: readonly [tfjs: number, jaxjs: number] | null;
}

/** Counts the launches of the second call, because the first call of an optimizer also creates its state. */
function countLaunches(benchmark: Case): number {
	return tidy(() => {
		const call = benchmark.prepare('webgpu');
		call();
		const before = counters().launches;
		call();
		return counters().launches - before;
	});
}

export async function runCase(benchmark: Case, roofline: Roofline, runs: number, reference: boolean): Promise<Result> {
	const on = async (device: Device, options: Parameters<typeof measure>[1]) => {
		manualSeed(1);
		return measure(benchmark.prepare(device), options);
	};
	const repeats = benchmark.repeats ?? 1;
	const webgpu = await on('webgpu', { warmups: 3, runs, repeats });
	const launches = countLaunches(benchmark);
	const cpu =
		reference && !benchmark.noReference
			? await on('cpu', benchmark.slowReference ? { warmups: 0, runs: 1 } : { warmups: 1, runs, repeats })
			: null;
	const gflops = benchmark.flops === undefined ? null : benchmark.flops / webgpu.median / 1e6;
	const gbps = benchmark.bytes === undefined ? null : benchmark.bytes / webgpu.median / 1e6;
	return {
		name: benchmark.name,
		family: benchmark.family,
		webgpu,
		cpu,
		gflops,
		gbps,
		share: gflops !== null ? gflops / roofline.gflops : gbps !== null ? gbps / roofline.gbps : null,
		launches,
		microsecondsPerOperation: benchmark.operations === undefined ? null : (1000 * webgpu.median) / benchmark.operations,
		others: benchmark.others ?? null,
	};
}
