import { test } from 'uvu';
import { conv } from '../ops/conv';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(conv);
proveRefusals(conv, 'webgpu');
test.run();
