/** The table of operations: how each kind becomes nodes of ONNX. */
import type { Rows } from '../call';
import { ELEMENTWISE } from './elementwise';
import { INDEXING } from './indexing';
import { LAYOUT } from './layout';
import { PRODUCTS } from './products';
import { QUANTIZED } from './quantized';
import { REDUCE } from './reduce';
import { WINDOWS } from './windows';

export const ROWS: Rows = { ...ELEMENTWISE, ...LAYOUT, ...REDUCE, ...WINDOWS, ...PRODUCTS, ...INDEXING, ...QUANTIZED };
