import { test } from 'uvu';
import { rnn } from '../ops/rnn';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(rnn);
proveRefusals(rnn, 'webgpu');
test.run();
