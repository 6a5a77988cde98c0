import { test } from 'uvu';
import { indexing } from '../ops/indexing';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(indexing);
proveRefusals(indexing, 'cpu');
test.run();
