import { test } from 'uvu';
import { testViews } from './views';

testViews('cpu');

test.run();
