/** Views, parts and what moves elements. */
import type { OpEntry } from './database';
import { moves } from './layout/moves';
import { views } from './layout/views';
import { pixels } from './pixels';

export const layout: OpEntry[] = [...views, ...moves, ...pixels];
