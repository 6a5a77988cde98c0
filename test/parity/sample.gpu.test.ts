import { test } from 'uvu';
import { sample } from '../ops/sample';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(sample);
proveRefusals(sample, 'webgpu');
test.run();
