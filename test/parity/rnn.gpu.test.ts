import { test } from 'uvu';
import { init } from 'wgrad';
import { rnn } from '../ops/rnn';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(rnn);
proveRefusals(rnn, 'webgpu');
test.run();
