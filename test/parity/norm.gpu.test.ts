import { test } from 'uvu';
import { init } from 'wgrad';
import { norm } from '../ops/norm';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(norm);
proveRefusals(norm, 'webgpu');
test.run();
