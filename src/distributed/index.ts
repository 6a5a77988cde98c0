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
export { DistributedSampler, type DistributedSamplerOptions } from './distributedSampler';
export { DistributedError } from './errors';
export {
	destroyProcessGroup,
	initProcessGroup,
	isInitialized,
	type ProcessGroup,
	type ProcessGroupOptions,
	rank,
	worldSize,
} from './group';
export { loadCheckpoint, manualSeedByRank, SharedStore, saveCheckpoint } from './sharedStore';
