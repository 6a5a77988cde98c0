import { test } from 'uvu';
import { init } from 'wgrad';
import { matmul } from '../ops/matmul';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(matmul);
proveRefusals(matmul, 'webgpu');
test.run();
