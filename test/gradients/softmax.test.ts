import { test } from 'uvu';
import { softmax } from '../ops/softmax';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(softmax);
proveRefusals(softmax, 'cpu');
test.run();
