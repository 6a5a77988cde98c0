import { test } from 'uvu';
import { init } from 'wgrad';
import { testViews } from './views';

test.before(async () => {
	await init({ device: 'webgpu' });
});

testViews('webgpu');

test.run();
