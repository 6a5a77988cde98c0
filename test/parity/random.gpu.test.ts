import { test } from 'uvu';
import { random } from '../ops/random';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(random);
proveRefusals(random, 'webgpu');
test.run();
