import { test } from 'uvu';
import { init } from 'wgrad';
import { random } from '../ops/random';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(random);
proveRefusals(random, 'webgpu');
test.run();
