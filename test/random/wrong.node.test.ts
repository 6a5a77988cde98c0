import { test } from 'uvu';
import { init } from 'wgrad';
import { setting } from './setting';
import { makeWrongCalls, requireRight } from './wrong';

test.before(async () => {
	await init({ device: 'webgpu' });
});
test('right calls', () => requireRight('webgpu'));
test('random wrong calls', () =>
	makeWrongCalls('webgpu', Math.ceil((setting('WGRAD_CASES') ?? 200) / 20), setting('WGRAD_SEED') ?? 9));
test.run();
