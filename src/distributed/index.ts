/** `wgrad/distributed`: one model on many processes and machines, over MPI. For Node. */
export {
	allGather,
	allGatherObject,
	allReduce,
	barrier,
	broadcast,
	broadcastObject,
	type MessageOptions,
	type ReduceOptions,
	type RootOptions,
	recv,
	reduceScatter,
	send,
} from './collectives';
export type { ReduceOp } from './communicator';
export {
	Float16Compression,
	type GradientCompression,
	PowerSGDCompression,
	type PowerSGDOptions,
	type Reduction,
	TopKCompression,
	type TopKOptions,
} from './compression';
export { type DataParallelOptions, DistributedDataParallel } from './dataParallel';
export { DiLoCo, type DiLoCoOptions, type DiLoCoState } from './diloco';
export { DistributedSampler, type DistributedSamplerOptions } from './distributedSampler';
export { DistributedError } from './errors';
export {
	isInitialized,
	type ProcessGroup,
	type ProcessGroupOptions,
	rank,
	traffic,
	worldSize,
} from './group';
export { destroyProcessGroup, initProcessGroup } from './job';
export {
	type Choice,
	type Config,
	crossValidate,
	type SearchOptions,
	search,
	type Trial,
	type TrialResult,
} from './search';
export { loadCheckpoint, manualSeedByRank, SharedStore, saveCheckpoint } from './sharedStore';
export { predictScaling, type Scaling, type ScalingOptions } from './simulate';
export { convertSyncBatchNorm, SyncBatchNorm } from './syncBatchNorm';
export { ZeroRedundancyOptimizer } from './zero';
