import { test } from 'uvu';
import { init } from 'wgrad';
import { softmax } from '../ops/softmax';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(softmax);
proveRefusals(softmax, 'webgpu');
test.run();
