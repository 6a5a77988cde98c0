import { test } from 'uvu';
import { init } from 'wgrad';
import { families } from '../ops';
import { proveFloat16 } from '../proofs/float16';

test.before(async () => {
	await init({ device: 'webgpu' });
});
const fromOutput = { own: 4, largest: 1, reason: 'powers and differences of the saved, rounded output' };
const shared = {
	own: 2.2,
	largest: 4,
	reason: 'a sum of quotients by the saved, rounded output; the sum is smaller than its terms',
};
proveFloat16(families.elementwise, {
	rsqrt: { gradient: fromOutput },
	tanh: { gradient: fromOutput },
	sigmoid: { gradient: fromOutput },
	hypot: { gradient: shared },
});
test.run();
