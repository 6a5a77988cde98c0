/**
 * `wgrad/metrics`: each metric as a function of one batch and as a class over many. Call `update(prediction, target)` per batch, which
 * reads nothing back, then `await compute()`, then `reset()`. The prediction comes first, as in losses. Definitions are scikit-learn's.
 */
export * from './classification';
export type { Metric, MetricState } from './metric';
export * from './regression';
export {
	AveragePrecision,
	averagePrecision,
	LogLoss,
	logLoss,
	RocAuc,
	RocCurve,
	type RocCurveValues,
	rocAuc,
	rocCurve,
} from './scores';
