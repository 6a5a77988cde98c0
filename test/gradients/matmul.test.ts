import { test } from 'uvu';
import { matmul } from '../ops/matmul';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(matmul);
proveRefusals(matmul, 'cpu');
test.run();
