import { test } from 'uvu';
import { layout } from '../ops/layout';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(layout);
proveRefusals(layout, 'webgpu');
test.run();
