/** Losses, grouped by the kind of target. */
import type { OpEntry } from '../database';
import { classLosses } from './classes';
import { ctcLoss } from './ctc';
import { labelLosses } from './multiLabel';
import { pointwiseLosses } from './pointwise';
import { similarityLosses } from './similarity';

export const loss: OpEntry[] = [...pointwiseLosses, ...classLosses, ...labelLosses, ...similarityLosses, ctcLoss];
