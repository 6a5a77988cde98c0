import { test } from 'uvu';
import { init } from 'wgrad';
import { kinks } from '../ops/kinks';
import { proveParity } from '../proofs/parity';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(kinks);
test.run();
