/** `optim`: optimizers over parameters or parameter groups, `optim.lrScheduler`, and limits on gradients. */
export * from './adam';
export * from './clip';
export type { CommonOptions, GroupInput, OptimizerState, ParamGroup, ParamState } from './optimizer';
export { Optimizer } from './optimizer';
export * as lrScheduler from './scheduler';
export * from './sgd';
