import { test } from 'uvu';
import { init } from 'wgrad';
import { layout } from '../ops/layout';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

test.before(async () => {
	await init({ device: 'webgpu' });
});
proveParity(layout);
proveRefusals(layout, 'webgpu');
test.run();
