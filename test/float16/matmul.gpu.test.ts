import { test } from 'uvu';
import { init } from 'wgrad';
import { families } from '../ops';
import { linalg } from '../ops/linalg';
import { proveFloat16 } from '../proofs/float16';

/** Samples of linalg add to the diagonal, or multiply by the transpose, before they call the operation. That rounds to float16, too. */
const PREPARED = {
	own: 12,
	largest: 0.5,
	reason: 'the condition number of the matrix, about 10, times the rounding of its preparation; and the rounding of the result',
};

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveFloat16(families.matmul, Object.fromEntries(linalg.map(({ name }) => [name, { output: PREPARED, gradient: PREPARED }])));
test.run();
