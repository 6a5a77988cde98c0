import { test } from 'uvu';
import { init } from 'wgrad';
import { families } from '../ops';
import { proveFloat16 } from '../proofs/float16';

test.before(async () => {
	await init({ device: 'webgpu' });
});
// The scales of quantizeWeight are float32 for every weight.
proveFloat16(families.quantized.filter(({ name }) => name !== 'quantizeWeight'));
test.run();
