import { test } from 'uvu';
import { elementwise } from '../ops/elementwise';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(elementwise);
proveRefusals(elementwise, 'webgpu');
test.run();
