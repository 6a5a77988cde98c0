import { test } from 'uvu';
import { matmul } from '../ops/matmul';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(startDevice);
proveParity(matmul);
proveRefusals(matmul, 'webgpu');
test.run();
