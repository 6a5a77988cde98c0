import { test } from 'uvu';
import { pool } from '../ops/pool';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(pool);
proveRefusals(pool, 'webgpu');
test.run();
