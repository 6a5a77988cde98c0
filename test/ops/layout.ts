/** Views, slices and copies. */
import type { OpEntry } from './database';
import { copies } from './layout/copies';
import { views } from './layout/views';

export const layout: OpEntry[] = [...views, ...copies];
