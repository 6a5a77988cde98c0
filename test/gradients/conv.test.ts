import { test } from 'uvu';
import { conv } from '../ops/conv';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(conv);
proveRefusals(conv, 'cpu');
test.run();
