import { test } from 'uvu';
import { attention } from '../ops/attention';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(attention);
proveRefusals(attention, 'webgpu');
test.run();
