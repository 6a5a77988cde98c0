import { test } from 'uvu';
import { loss } from '../ops/loss';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(loss);
proveRefusals(loss, 'cpu');
test.run();
