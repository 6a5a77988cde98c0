import { test } from 'uvu';
import { init } from 'wgrad';
import { pool } from '../ops/pool';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(pool);
proveRefusals(pool, 'webgpu');
test.run();
