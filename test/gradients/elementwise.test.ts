import { test } from 'uvu';
import { elementwise } from '../ops/elementwise';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(elementwise);
proveRefusals(elementwise, 'cpu');
test.run();
