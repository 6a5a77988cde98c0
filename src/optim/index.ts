/** `optim`: optimizers over parameters or parameter groups, `optim.lrScheduler`, and limits on gradients. */
export * from './adam';
export * from './clip';
export * as lrScheduler from './scheduler';
export { Optimizer } from './optimizer';
export type { CommonOptions, GroupInput, OptimizerState, ParamGroup, ParamState } from './optimizer';
export * from './sgd';
