/** Elementwise operations, by kind: see the files of the folder elementwise/. */
export * from './elementwise/activation';
export { type AddOptions, add, type DivOptions, div, mul, sub } from './elementwise/arithmetic';
export * from './elementwise/binary';
export * from './elementwise/cast';
export * from './elementwise/compare';
export * from './elementwise/shrinking';
export * from './elementwise/ternary';
export * from './elementwise/unary';
