import { test } from 'uvu';
import { init } from 'wgrad';
import { compareProgram } from './programs';
import { setting } from './setting';

const PROGRAMS = Math.ceil((setting('WGRAD_CASES') ?? (typeof document === 'undefined' ? 200 : 30)) / 8);

/** Seeds that campaigns found: contiguous() of a strided view, twice, and gradients that cancel. */
const FOUND = [1182388673, 1876959549, 626952197];

test.before(async () => {
	await init({ device: 'webgpu' });
});

test(`${PROGRAMS} programs with in-place operations give the same results as without`, async () => {
	for (let seed = 0; seed < PROGRAMS; seed++) await compareProgram(seed);
});

test('programs that campaigns found', async () => {
	for (const seed of FOUND) await compareProgram(seed);
});

test.run();
