/** `wgrad/train`: fits, evaluates and predicts. In Node, `node/` adds files, folders and the terminal. */
export type { Data } from './batches';
export {
	type Callback,
	type EpochFunction,
	LambdaCallback,
	type SaveOptions,
	type StepLoss,
	TerminateOnNaN,
	type TrainContext,
} from './callbacks';
export { type CheckpointOptions, type CheckpointParts, loadCheckpoint, saveCheckpoint } from './checkpoint';
export type { CheckpointTree } from './checkpointTree';
export { restore } from './deviceLoss';
export { EarlyStopping, type EarlyStoppingOptions } from './earlyStopping';
export { type EvaluateOptions, type Evaluation, evaluate, type PredictOptions, predict } from './evaluate';
export { fit } from './fit';
export { column, type EpochRecord, type History, type Setting, validationName } from './history';
export {
	type FindLearningRateOptions,
	findLearningRate,
	type LearningRateCurve,
} from './learningRate';
export { CsvLogger, JsonlLogger, type JsonlLoggerOptions, type LoggerOptions } from './loggers';
export type { ClassWeight, Loss, LossFunction, LossModule, StepResult, TrainStep } from './loss';
export type { MetricFunction, Metrics } from './meters';
export { ModelCheckpoint, type ModelCheckpointOptions } from './modelCheckpoint';
export type { FitOptions, ResumeConfig, Scheduler, SchedulerConfig } from './options';
export { ConsoleProgress, type Progress, ProgressCallback } from './progress';
export { htmlReport, type ReportImage, type ReportOptions } from './report';
export { BrowserStore, type CheckpointStore, type LogStore, MemoryStore } from './store';
