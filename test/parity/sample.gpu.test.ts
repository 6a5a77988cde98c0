import { test } from 'uvu';
import { init } from 'wgrad';
import { sample } from '../ops/sample';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(sample);
proveRefusals(sample, 'webgpu');
test.run();
