import { test } from 'uvu';
import { rnn } from '../ops/rnn';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(rnn);
proveRefusals(rnn, 'cpu');
test.run();
