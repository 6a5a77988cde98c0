import { test } from 'uvu';
import { norm } from '../ops/norm';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(norm);
proveRefusals(norm, 'cpu');
test.run();
