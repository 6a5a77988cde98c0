/**
 * `wgrad/metrics`: each metric as a function of one batch, and as a class over many: `update(prediction, target)` for each batch, which
 * reads nothing back, `await compute()`, `reset()`. Arguments are prediction first, as losses take them. Definitions are scikit-learn's.
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
