/** Views, slices and copies. */
import type { OpEntry } from '../database';
import { copies } from './copies';
import { views } from './views';

export const layout: OpEntry[] = [...views, ...copies];
