import { test } from 'uvu';
import { pool } from '../ops/pool';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

proveGradients(pool);
proveRefusals(pool, 'cpu');
test.run();
