import { test } from 'uvu';
import { init } from 'wgrad';
import { attention } from '../ops/attention';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(attention);
proveRefusals(attention, 'webgpu');
test.run();
