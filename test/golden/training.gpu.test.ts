/** 20 training steps of the network of `npm start` on WebGPU against PyTorch's losses, and against themselves. */
import { test } from 'uvu';
import { init } from 'wgrad';
import { requireClose } from '../proofs/compare';
import { golden, RUNS, trainOnNoise } from './training';

/** float32 on both sides of each step's rounding; what it costs after 20 steps of descent. */
const LOSS = { relative: 1e-4, absolute: 1e-6 };

test.before(async () => {
	await init({ device: 'webgpu' });
});

for (const run of RUNS) {
	test(`20 steps by ${run} lose what PyTorch loses`, async () => {
		const { losses, squares } = await trainOnNoise(run, 'webgpu', 'float32');
		requireClose(`${run}: losses`, losses, golden[run].losses, LOSS);
		requireClose(`${run}: sums of squares`, Object.values(squares), Object.values(golden[run].squares), {
			relative: 1e-4,
			absolute: 1e-5,
		});
	});
}

test('50 steps twice give the same bits', async () => {
	const [first, second] = [
		await trainOnNoise('adam', 'webgpu', 'float32', 50),
		await trainOnNoise('adam', 'webgpu', 'float32', 50),
	];
	requireClose('losses', second.losses, first.losses, { relative: 0, absolute: 0 });
	for (const [i, values] of first.parameters.entries()) {
		requireClose(`parameter ${i}`, second.parameters[i]!, values, { relative: 0, absolute: 0 });
	}
});

test.run();
