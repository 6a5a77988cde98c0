/** The namespace `optim`: optimizers, `optim.lrScheduler`, weight averages and gradient clipping. */
export * from './adam';
export * from './adamVariants';
export * from './averaged';
export * from './clip';
export * from './ema';
export * from './lbfgs';
export * from './lion';
export * from './muon';
export type { CommonOptions, GroupInput, OptimizerState, ParamGroup } from './optimizer';
export { Optimizer } from './optimizer';
export * from './rmsprop';
export * as lrScheduler from './scheduler';
export * from './sgd';
export type { ParamState } from './state';
