import { test } from 'uvu';
import { norm } from '../ops/norm';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(norm);
proveRefusals(norm, 'webgpu');
test.run();
