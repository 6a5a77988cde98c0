import { test } from 'uvu';
import { random } from '../ops/random';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(random);
proveRefusals(random, 'cpu');
test.run();
