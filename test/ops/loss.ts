/** Losses, grouped by the kind of target. */
import type { OpEntry } from './database';
import { classLosses } from './loss/classes';
import { ctcLoss } from './loss/ctc';
import { labelLosses } from './loss/labels';
import { pairLosses } from './loss/pairs';
import { similarityLosses } from './loss/similarity';

export const loss: OpEntry[] = [...pairLosses, ...classLosses, ...labelLosses, ...similarityLosses, ctcLoss];
