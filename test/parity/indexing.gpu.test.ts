import { test } from 'uvu';
import { indexing } from '../ops/indexing';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(indexing);
proveRefusals(indexing, 'webgpu');
test.run();
