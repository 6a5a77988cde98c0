import { test } from 'uvu';
import { reduce } from '../ops/reduce';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(reduce);
proveRefusals(reduce, 'cpu');
test.run();
