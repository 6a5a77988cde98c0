import { test } from 'uvu';
import { loss } from '../ops/loss';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(loss);
proveRefusals(loss, 'webgpu');
test.run();
