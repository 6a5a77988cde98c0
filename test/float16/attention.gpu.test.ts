import { test } from 'uvu';
import { init } from 'wgrad';
import { families } from '../ops';
import { proveFloat16 } from '../proofs/float16';

test.before(async () => {
	await init({ device: 'webgpu' });
});
const gradient = {
	own: 2.2,
	largest: 6,
	reason: 'slopes are differences of dot products with the gradient, one of which uses the saved, rounded output',
};
proveFloat16(families.attention, { scaledDotProductAttention: { gradient } });
test.run();
