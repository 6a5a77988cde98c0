import { test } from 'uvu';
import { attention } from '../ops/attention';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(attention);
proveRefusals(attention, 'cpu');
test.run();
