import { test } from 'uvu';
import { setting } from './setting';
import { makeWrongCalls, requireComplete, requireOptionsRefused, requireRight } from './wrong';

test('every public function has a correct call to start from', requireComplete);
test('right calls', () => requireRight('cpu'));
test('wrong options', requireOptionsRefused);
test('random wrong calls', () =>
	makeWrongCalls('cpu', Math.ceil((setting('WGRAD_CASES') ?? 200) / 5), setting('WGRAD_SEED') ?? 8));
test.run();
