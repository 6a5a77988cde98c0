/** wgrad/interpret on WebGPU in float32. */
import { test } from 'uvu';
import { init } from 'wgrad';
import { proveGolden } from './golden';

test.before(async () => void (await init({ device: 'webgpu' })));

// Sums of about 50 products of numbers near 1 in float32.
proveGolden('webgpu', 'float32', { relative: 1e-4, absolute: 2e-5 });

test.run();
