/** Example programs at small sizes on each adapter. Smaller runs reach less: each line states how much. */
import { test } from 'uvu';
import { assertReached } from './programs';

test('imbalanced: both cures find the rare class', () =>
	assertReached('imbalanced', '--epochs', '6', '--limit', '2000', '--test-limit', '500', '--keep', '10', '--reach', '0.2'));

test('overfitting: every cure lowers the test loss', () =>
	assertReached('overfitting', '--epochs', '60', '--limit', '128', '--test-limit', '200', '--reach', '0.98'));

test.run();
