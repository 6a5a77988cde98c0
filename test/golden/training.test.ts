/** 20 training steps of the network of `npm start` on the CPU path against PyTorch's losses, which are in float64. */
import { test } from 'uvu';
import type { DType } from 'wgrad';
import { requireClose } from '../proofs/compare';
import { golden, RUNS, type Run, trainOnNoise } from './training';

function prove(run: Run, dtype: DType, relative: number): void {
	test(`20 steps by ${run} give PyTorch's losses, in ${dtype}`, async () => {
		const { losses, squares } = await trainOnNoise(run, 'cpu', dtype);
		requireClose(`${run}: losses`, losses, golden[run].losses, { relative, absolute: 0 });
		requireClose(`${run}: sums of squares`, Object.values(squares), Object.values(golden[run].squares), {
			relative,
			absolute: 0,
		});
	});
}

for (const run of RUNS) prove(run, 'float32', 1e-5);
prove('adam', 'float64', 1e-10);

test.run();
