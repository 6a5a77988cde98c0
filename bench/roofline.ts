/** The adapter's own limits, measured in the same run as the cases. */

import { webgpuBackend } from '../src/init';
import { summarize } from './measure';
import { probeCopy, probeFma } from './roofline.wgsl';

export interface Roofline {
	/** GFLOP/s of a loop that stays in registers. */
	readonly gflops: number;
	/** GB/s, read plus written, of a vec4 copy of 64 MiB. */
	readonly gbps: number;
}

const RUNS = 7;
const FMA_THREADS = 16_384;
const FMA_ROUNDS = 300;
const FLOPS_PER_ROUND = 96;
const COPY_ELEMENTS = 2 ** 23;
const COPY_THREADS = 65_536;

export async function measureRoofline(): Promise<Roofline> {
	const backend = webgpuBackend();
	const { gpu } = backend;
	const [x, y] = [gpu.scratch(COPY_ELEMENTS, 'float32'), gpu.scratch(COPY_ELEMENTS, 'float32')];
	const fma = () => {
		const flops = FMA_THREADS * FMA_ROUNDS * FLOPS_PER_ROUND;
		gpu.launch({
			kernel: probeFma,
			variant: {},
			buffers: { y },
			params: { rounds: FMA_ROUNDS, factor: 0.5, threads: FMA_THREADS },
			grid: [FMA_THREADS / 64],
			flops,
			bytes: FMA_THREADS * 4,
		});
		return flops / 1e6;
	};
	const copy = () => {
		const bytes = COPY_ELEMENTS * 8;
		gpu.launch({
			kernel: probeCopy,
			variant: {},
			buffers: { x, y },
			params: { count: COPY_ELEMENTS / 4, threads: COPY_THREADS },
			grid: [COPY_THREADS / 64],
			flops: 0,
			bytes,
		});
		return bytes / 1e6;
	};
	const rate = async (launch: () => number) => {
		const rates: number[] = [];
		for (let i = -2; i < RUNS; i++) {
			const start = performance.now();
			const work = launch();
			await backend.sync();
			if (i >= 0) rates.push(work / (performance.now() - start));
		}
		return summarize(rates).median;
	};
	const result = { gflops: await rate(fma), gbps: await rate(copy) };
	gpu.release(x);
	gpu.release(y);
	return result;
}
