/**
 * Operations exactly where their derivative jumps, explodes or does not exist: kinks, ties, borders, zeros, infinities. Finite
 * differences are meaningless there, so PyTorch's convention is the reference. Golden values test it on the CPU path and, by
 * parity, on every adapter. The samples of the other files avoid these points (`avoid`).
 *
 * Golden values come from PyTorch 1.13. If a later PyTorch differs, the expression is the later version's and a comment says so.
 */
import type { OpEntry } from '../database';
import { elementwise } from './elementwise';
import { loss } from './loss';
import { reduce } from './reduce';
import { sample } from './sample';

export const kinks: readonly OpEntry[] = [...elementwise, ...reduce, ...loss, ...sample];
