import { test } from 'uvu';
import { init } from 'wgrad';
import { conv } from '../ops/conv';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(conv);
proveRefusals(conv, 'webgpu');
test.run();
