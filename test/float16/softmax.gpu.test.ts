import { test } from 'uvu';
import { init } from 'wgrad';
import { families } from '../ops';
import { proveFloat16 } from '../proofs/float16';

test.before(async () => {
	await init({ device: 'webgpu' });
});
const gradient = {
	own: 2.2,
	largest: 1,
	reason: 'the saved, rounded output is a factor of the gradient and of the sum that is subtracted from it',
};
proveFloat16(families.softmax, { softmax: { gradient }, softmin: { gradient } });
test.run();
