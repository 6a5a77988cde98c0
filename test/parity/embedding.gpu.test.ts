import { test } from 'uvu';
import { embedding } from '../ops/embedding';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(embedding);
proveRefusals(embedding, 'webgpu');
test.run();
