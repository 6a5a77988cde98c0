/** 20 training steps of the network of `npm start` on WebGPU against PyTorch's losses, and a repetition of its own bits. */
import { test } from 'uvu';
import { init } from 'wgrad';
import { requireClose } from '../proofs/compare';
import { golden, RUNS, type TrainingResult, trainOnNoise } from './training';

/** Rounding in float32, accumulated over 20 steps of descent. */
const LOSS = { relative: 1e-4, absolute: 1e-6 };

test.before(async () => {
	await init({ device: 'webgpu' });
});

/** PyTorch's losses check Adam's first 20 steps, and a second run must repeat all 50. */
let byAdam: TrainingResult;

for (const run of RUNS) {
	test(`20 steps by ${run} give PyTorch's losses`, async () => {
		const result = await trainOnNoise(run, 'webgpu', 'float32', run === 'adam' ? 50 : 20);
		if (run === 'adam') byAdam = result;
		const { losses, squares } = result;
		requireClose(`${run}: losses`, losses.slice(0, 20), golden[run].losses, LOSS);
		requireClose(`${run}: sums of squares`, Object.values(squares), Object.values(golden[run].squares), {
			relative: 1e-4,
			absolute: 1e-5,
		});
	});
}

test('50 steps twice give the same bits', async () => {
	const [first, second] = [byAdam, await trainOnNoise('adam', 'webgpu', 'float32', 50)];
	requireClose('losses', second.losses, first.losses, { relative: 0, absolute: 0 });
	for (const [i, values] of first.parameters.entries()) {
		requireClose(`parameter ${i}`, second.parameters[i]!, values, { relative: 0, absolute: 0 });
	}
});

test.run();
