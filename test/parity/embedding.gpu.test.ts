import { test } from 'uvu';
import { init } from 'wgrad';
import { embedding } from '../ops/embedding';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(embedding);
proveRefusals(embedding, 'webgpu');
test.run();
