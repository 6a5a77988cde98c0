/** `wgrad/data`: from files and arrays to batches. In Node, `node.ts` adds what reads files by their path. */
export { ArrayDataset, type HostArray, type HostData } from './arrays';
export { ConcatDataset, MapDataset, type MapOptions, Subset } from './combine';
export type { Dataset } from './dataset';
export { defaultCollate, type Fields } from './fields';
export { type Fold, type FoldOptions, KFold, StratifiedKFold } from './folds';
export { IterableDataset, type StreamContext } from './iterable';
export { type BatchTransform, DataLoader, type DataLoaderOptions, type DataLoaderState, type EpochPosition } from './loader';
export * from './preprocessing';
export {
	type BatchIndices,
	BatchSampler,
	balancedWeights,
	RandomSampler,
	type Sampler,
	SequentialSampler,
	SubsetRandomSampler,
	WeightedRandomSampler,
} from './samplers';
export { type Labels, randomSplit, type TrainTestOptions, trainTestSplit } from './split';
export { TensorDataset } from './tensors';
export * as transforms from './transforms';
