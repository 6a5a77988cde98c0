import { test } from 'uvu';
import { init } from 'wgrad';
import { indexing } from '../ops/indexing';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(indexing);
proveRefusals(indexing, 'webgpu');
test.run();
