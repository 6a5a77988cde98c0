/** Losses, grouped by the kind of target. */
import type { OpEntry } from './database';
import { classLosses } from './loss/classes';
import { ctcLoss } from './loss/ctc';
import { labelLosses } from './loss/multiLabel';
import { pointwiseLosses } from './loss/pointwise';
import { similarityLosses } from './loss/similarity';

export const loss: OpEntry[] = [...pointwiseLosses, ...classLosses, ...labelLosses, ...similarityLosses, ctcLoss];
