import { test } from 'uvu';
import { init } from 'wgrad';
import { compareProgram } from './programs';
import { setting } from './setting';

const PROGRAMS = Math.ceil((setting('WGRAD_CASES') ?? (typeof document === 'undefined' ? 200 : 30)) / 8);

test.before(async () => {
	await init({ device: 'webgpu' });
});

test(`${PROGRAMS} programs in place give what they give without`, async () => {
	for (let seed = 0; seed < PROGRAMS; seed++) await compareProgram(seed);
});

test.run();
