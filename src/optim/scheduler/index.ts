/**
 * Learning-rate schedules. A scheduler sets the `lr` of its optimizer's groups when it is made (step 0) and at each `step()`. Rates are
 * computed on the host in float64, as PyTorch does: by a recurrence where it has one, so that schedules can be chained. As
 * `torch.optim.lr_scheduler`.
 */
export { LRScheduler, RateScheduler, type SchedulerOptions, type SchedulerState } from './base';
export * from './compose';
export * from './cycle';
export * from './decay';
export * from './plateau';
