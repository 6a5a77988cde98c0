/** Elementwise operations, by kind: see the files of the folder elementwise/. */
export * from './activation';
export { type AddOptions, add, type DivOptions, div, mul, neg, sub } from './arithmetic';
export * from './binary';
export * from './bitwise';
export * from './cast';
export * from './close';
export * from './compare';
export * from './ternary';
export * from './unary';
