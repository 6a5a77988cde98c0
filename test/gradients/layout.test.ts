import { test } from 'uvu';
import { layout } from '../ops/layout';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(layout);
proveRefusals(layout, 'cpu');
test.run();
