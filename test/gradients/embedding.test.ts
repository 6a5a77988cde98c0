import { test } from 'uvu';
import { embedding } from '../ops/embedding';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(embedding);
proveRefusals(embedding, 'cpu');
test.run();
