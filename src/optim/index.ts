/** `optim`: optimizers over parameters or parameter groups, `optim.lrScheduler`, averages of weights, and limits on gradients. */
export * from './adam';
export * from './adamVariants';
export * from './clip';
export * from './ema';
export * from './lbfgs';
export * from './lion';
export * from './muon';
export type { CommonOptions, GroupInput, OptimizerState, ParamGroup, ParamState } from './optimizer';
export { Optimizer } from './optimizer';
export * from './rmsprop';
export * as lrScheduler from './scheduler';
export * from './sgd';
