/**
 * ctcLoss of long sequences and of large logits. Its gradient is made of the probabilities of being at a place of the labels at a
 * step. These are exponentials of differences of logarithms as large as the loss; those of one step add up to 1.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ctcLoss, type Device, type DType, grad, init, logSoftmax, tensor } from 'wgrad';
import { stream } from '../ops/database';

test.before(async () => {
	await init({ device: 'webgpu' });
});

interface Case {
	readonly label: string;
	readonly steps: number;
	readonly labels: number;
	/** Logits are -spread, 0 or spread, so that many alignments are as likely as the likeliest one. */
	readonly spread: number;
}

const CASES: readonly Case[] = [
	{ label: 'long', steps: 2000, labels: 50, spread: 2 },
	{ label: 'large logits', steps: 500, labels: 70, spread: 300 },
	{ label: 'very large logits', steps: 100, labels: 20, spread: 1e6 },
];

const CLASSES = 17;
/**
 * The allowed error of a probability, or of a step's sum, against float64: the rounding of some 2,000 additions of numbers near
 * 1.
 */
const BOUND = 1e-5;

/** Three sequences; the second ends early and the third has no alignment. */
async function gradientOf({ label, steps, labels, spread }: Case, dtype: DType, device: Device, createGraph: boolean) {
	const next = stream(`ctc ${label}`);
	const shape = [steps, 3, CLASSES];
	const logits = Array.from({ length: steps * 3 * CLASSES }, () => spread * Math.round(next() * 2 - 1));
	const targets = Array.from({ length: 3 * labels }, () => 1 + Math.floor(next() * (CLASSES - 1)));
	// Rounded to float32, whatever the dtype.
	const logProbs = await logSoftmax(tensor(logits, { shape, dtype: 'float64', device: 'cpu' }), -1)
		.to('float32')
		.data();
	const x = tensor(logProbs, { shape, dtype, device }).requiresGrad_();
	const loss = ctcLoss(
		x,
		tensor(targets, { shape: [3, labels], dtype: 'int32', device }),
		[steps, steps - 33, labels - 1],
		[labels, labels - 3, labels],
		{ reduction: 'sum', zeroInfinity: true },
	);
	const [slope] = grad(loss, [x], { createGraph });
	return { loss: await loss.item(), slope: await slope!.detach().data() };
}

for (const given of CASES) {
	for (const device of ['cpu', 'webgpu'] as const) {
		// The recorded form takes thousands of launches for long sequences.
		for (const createGraph of given.steps > 100 ? [false] : [false, true]) {
			const form = createGraph ? 'recorded' : 'fused';
			test(`ctcLoss, ${given.label}, ${form} gradient on ${device}`, async () => {
				const { steps } = given;
				const right = await gradientOf(given, 'float64', 'cpu', false);
				const { loss, slope } = await gradientOf(given, 'float32', device, createGraph);
				assert.ok(Math.abs(loss - right.loss) <= 1e-6 * Math.abs(right.loss), `loss ${loss}, right is ${right.loss}`);
				let [off, sumOff] = [0, 0];
				for (let row = 0; row < steps * 3; row++) {
					const [t, n] = [Math.floor(row / 3), row % 3];
					let sum = 0;
					for (let at = row * CLASSES; at < (row + 1) * CLASSES; at++) {
						const own = slope[at]!;
						sum -= own;
						off = Math.max(off, Math.abs(own - right.slope[at]!));
					}
					const counts = n === 0 || (n === 1 && t < steps - 33);
					sumOff = Math.max(sumOff, Math.abs(sum - (counts ? 1 : 0)));
				}
				assert.ok(off <= BOUND, `a probability is off by ${off}, more than ${BOUND}`);
				assert.ok(sumOff <= BOUND, `the probabilities of a step sum up to 1 only within ${sumOff}, more than ${BOUND}`);
			});
		}
	}
}

test.run();
