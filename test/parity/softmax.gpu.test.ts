import { test } from 'uvu';
import { softmax } from '../ops/softmax';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(softmax);
proveRefusals(softmax, 'webgpu');
test.run();
