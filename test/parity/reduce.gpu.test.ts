import { test } from 'uvu';
import { init } from 'wgrad';
import { reduce } from '../ops/reduce';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(reduce);
proveRefusals(reduce, 'webgpu');
test.run();
