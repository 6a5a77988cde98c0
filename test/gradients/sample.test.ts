import { test } from 'uvu';
import { sample } from '../ops/sample';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(sample);
proveRefusals(sample, 'cpu');
test.run();
