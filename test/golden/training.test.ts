/** 20 training steps of the network of `npm start` on the CPU path against PyTorch's losses. */
import { test } from 'uvu';
import { requireClose } from '../proofs/compare';
import { golden, RUNS, trainOnNoise } from './training';

for (const run of RUNS) {
	test(`20 steps by ${run} lose what PyTorch loses, in float32`, async () => {
		const { losses, squares } = await trainOnNoise(run, 'cpu', 'float32');
		requireClose(`${run}: losses`, losses, golden[run].losses, { relative: 1e-5, absolute: 0 });
		requireClose(`${run}: sums of squares`, Object.values(squares), Object.values(golden[run].squares), {
			relative: 1e-5,
			absolute: 0,
		});
	});
}

test.run();
