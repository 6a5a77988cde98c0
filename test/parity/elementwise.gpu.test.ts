import { test } from 'uvu';
import { init } from 'wgrad';
import { elementwise } from '../ops/elementwise';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(elementwise);
proveRefusals(elementwise, 'webgpu');
test.run();
