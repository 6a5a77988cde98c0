import { test } from 'uvu';
import { reduce } from '../ops/reduce';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(reduce);
proveRefusals(reduce, 'webgpu');
test.run();
