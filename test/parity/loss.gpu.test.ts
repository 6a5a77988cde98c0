import { test } from 'uvu';
import { init } from 'wgrad';
import { loss } from '../ops/loss';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(loss);
proveRefusals(loss, 'webgpu');
test.run();
