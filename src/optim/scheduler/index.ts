/**
 * Learning-rate schedules. A scheduler sets the `lr` of its optimizer's groups on construction (step 0) and at each `step()`. It computes
 * rates on the host in float64, and uses PyTorch's recurrences, so that schedules can be chained. As `torch.optim.lr_scheduler`.
 */
export { LRScheduler, RateScheduler, type SchedulerOptions, type SchedulerState } from './base';
export * from './compose';
export * from './cycle';
export * from './decay';
export * from './plateau';
export * from './swa';
